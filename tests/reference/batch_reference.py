#!/usr/bin/env python3
"""The statistics of Part 3 by Python's polars, in the JSON form of `Statistics`, as a reference that shares no code with it.

  batch_reference.py HISTORY.parquet... > reference.json
  batch_reference.py HISTORY.parquet... --compare OURS.json

One row per (stationcode, duedate), the first fetched. With --compare: exit code 1 and the first differences unless OURS.json
says the same (counts exactly, means to 1e-12 relative). Needs: polars."""
import argparse
import json
import math
import sys

import polars as pl


def load(paths):
    rows = pl.concat([pl.read_parquet(path) for path in paths], how="diagonal_relaxed")
    rows = rows.sort("fetched_at", maintain_order=True).unique(["stationcode", "duedate"], keep="first", maintain_order=True)
    # Polars' logic is three-valued, as the rules of a reading are.
    usable = pl.col("is_installed") & pl.col("is_returning") & (pl.col("capacity") > 0)
    number = pl.col("stationcode").str.to_integer(strict=False) // 1000
    suffix = pl.when(number == 1).then(pl.lit("Paris 1er")).otherwise(pl.format("Paris {}e", number))
    commune = pl.col("nom_arrondissement_communes")
    return rows.with_columns(
        open=usable,
        full=usable & (pl.col("numdocksavailable") == 0),
        empty=pl.col("is_installed") & pl.col("is_renting") & (pl.col("numbikesavailable") == 0),
        commune=commune,
        # In Paris the code tells, or nothing does.
        arrondissement=pl.when(commune != "Paris").then(commune).when((commune == "Paris") & number.is_between(1, 20)).then(suffix),
    )


def summary(rows, column):
    values = rows.filter("open")[column].drop_nulls()
    return dict(count=len(values), mean=values.mean(), min=values.min(), max=values.max())


def share(answers):
    known = answers.drop_nulls()
    return dict(times=int(known.sum()), known=len(known), share=known.mean())


def station(code, rows):
    return dict(
        stationcode=code,
        name=rows["name"].max(),
        readings=len(rows),
        open=int(rows["open"].sum()),
        closed=int((~rows["open"]).sum()),
        free_docks=summary(rows, "numdocksavailable"),
        mechanical=summary(rows, "mechanical"),
        ebike=summary(rows, "ebike"),
        full=share(rows["full"]),
        empty=share(rows["empty"]),
    )


def zone(name, rows):
    pairs = rows.filter("open").select("numbikesavailable", "capacity").drop_nulls().sum()
    bikes, capacity = pairs.row(0)
    return dict(
        zone=name,
        stations=rows["stationcode"].n_unique(),
        readings=len(rows),
        open=int(rows["open"].sum()),
        free_docks=summary(rows, "numdocksavailable"),
        occupancy=bikes / capacity if capacity else None,
        occupancy_count=len(rows.filter("open").select("numbikesavailable", "capacity").drop_nulls()),
    )


def groups(rows, column, describe):
    known = rows.filter(pl.col(column).is_not_null())
    return [describe(key, group) for (key,), group in sorted(known.partition_by(column, as_dict=True).items())]


def statistics(rows):
    stations = groups(rows, "stationcode", station)
    return dict(
        readings=len(rows),
        open=int(rows["open"].sum()),
        closed=int((~rows["open"]).sum()),
        without_commune=rows["commune"].null_count(),
        stations=stations,
        sometimes_empty=[{k: s[k] for k in ("stationcode", "name", "empty")} for s in stations if s["empty"]["times"]],
        communes=groups(rows, "commune", zone),
        arrondissements=groups(rows, "arrondissement", zone),
    )


def differences(reference, ours, place="$"):
    if isinstance(reference, dict) and isinstance(ours, dict) and reference.keys() == ours.keys():
        for key in reference:
            yield from differences(reference[key], ours[key], f"{place}.{key}")
    elif isinstance(reference, list) and isinstance(ours, list) and len(reference) == len(ours):
        for index, pair in enumerate(zip(reference, ours)):
            yield from differences(*pair, f"{place}[{index}]")
    elif isinstance(reference, float) and isinstance(ours, (int, float)):
        if not math.isclose(reference, ours, rel_tol=1e-12, abs_tol=1e-300):
            yield f"{place}: reference {reference!r}, ours {ours!r}"
    elif reference != ours:
        yield f"{place}: reference {str(reference)[:80]}, ours {str(ours)[:80]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", nargs="+")
    parser.add_argument("--compare", metavar="OURS.json")
    options = parser.parse_args()
    reference = statistics(load(options.history))
    if not options.compare:
        json.dump(reference, sys.stdout, ensure_ascii=False)
        return
    with open(options.compare, encoding="utf-8") as file:
        found = list(differences(reference, json.load(file)))
    for difference in found[:20]:
        print(difference)
    stations, rows = len(reference["stations"]), reference["readings"]
    if found:
        sys.exit(f"{len(found)} differences from Python's polars over {rows} readings of {stations} stations")
    print(f"equal to Python's polars over {rows} readings of {stations} stations")


main()
