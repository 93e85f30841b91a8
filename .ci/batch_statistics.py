#!/usr/bin/env python3
"""Holds every statistic of part3_stats to Python's polars and to DuckDB, over the recorded history and an export of the portal.

Usage: batch_statistics.py SHARED (from the clone's top, after `cargo build --examples`). Needs: polars, pyarrow, duckdb."""
import json, math, os, subprocess, sys, tempfile, time
from pathlib import Path

import duckdb
import polars as pl

SHARED = Path(sys.argv[1]).resolve()
EXAMPLES = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "debug/examples"
HOUR, GRID = 3_600_000, 500.0
QUANTITIES, STATES = ("docks", "mechanical", "ebike"), ("full", "empty", "closed")
ZONES = ("commune", "arrondissement", "cell", "behaviour")


def history():
    return pl.read_parquet(SHARED / "data/velib-2022.parquet")


def export():
    """The export by its French headers, in the names and types of the history; fetched at once."""
    rows = pl.read_csv(SHARED / "data/opendata-export-2023-02-26.csv", separator=";", infer_schema_length=0)
    yes = lambda header: pl.col(header).replace_strict({"OUI": True, "NON": False}, default=None, return_dtype=pl.Boolean)
    count = lambda header: pl.col(header).cast(pl.Int64)
    place = pl.col("Coordonnées géographiques").str.split(",").list
    return rows.select(
        fetched_at=pl.lit(0), stationcode="Identifiant station", name="Nom station",
        is_installed=yes("Station en fonctionnement"), is_returning=yes("Retour vélib possible"),
        is_renting=yes("Borne de paiement disponible"), capacity=count("Capacité de la station"),
        numdocksavailable=count("Nombre bornettes libres"), numbikesavailable=count("Nombre total vélos disponibles"),
        mechanical=count("Vélos mécaniques disponibles"), ebike=count("Vélos électriques disponibles"),
        duedate=pl.col("Actualisation de la donnée").str.to_datetime(time_zone="UTC"),
        lat=place.get(0).str.strip_chars().cast(pl.Float64), lon=place.get(1).str.strip_chars().cast(pl.Float64),
        nom_arrondissement_communes="Nom communes équipées")


def cell(place):
    """The cell of the grid, as the documentation of `Zones` defines it."""
    lat, lon = place["lat"], place["lon"]
    if lat is None or lon is None or (lat, lon) == (0.0, 0.0):
        return None
    rows = round(math.pi * 6_371_008.8 / GRID)
    height = 180 / rows
    row = math.floor((lat + 90) / height)
    middle = (row + 0.5) * height - 90
    columns = max(1, round(2 * rows * math.cos(math.radians(middle))))
    column = math.floor((lon + 180) / (360 / columns)) % columns
    return f"{middle:.3f},{(column + 0.5) * (360 / columns) - 180:.3f}"


def prepared(rows):
    """One row per (stationcode, duedate), the first fetched, as the example takes them, and the names of the zones."""
    rows = rows.sort("fetched_at", maintain_order=True).unique(["stationcode", "duedate"], keep="first", maintain_order=True)
    number = pl.col("stationcode").str.to_integer(strict=False) // 1000
    suffix = pl.when(number == 1).then(pl.lit("Paris 1er")).otherwise(pl.format("Paris {}e", number))
    commune = pl.col("nom_arrondissement_communes")
    return rows.with_columns(
        due=pl.col("duedate").dt.epoch("ms"), commune=commune,
        arrondissement=pl.when(commune != "Paris").then(commune).when((commune == "Paris") & number.is_between(1, 20)).then(suffix),
        cell=pl.struct("lat", "lon").map_elements(cell, return_dtype=pl.String))


def by_polars(rows, gap):
    c = pl.col
    usable = c("is_installed") & c("is_returning") & (c("capacity") > 0)
    empty = c("is_installed") & c("is_renting") & (c("numbikesavailable") == 0)
    rows = rows.sort("stationcode", "due").with_columns(
        open=usable, closed=~usable, full=usable & (c("numdocksavailable") == 0), empty=empty,
        held=(c("due").shift(-1) - c("due")).over("stationcode").clip(upper_bound=gap).fill_null(0),
        near=((c("due") - c("due").shift(1)) <= gap).over("stationcode").fill_null(False))
    of_open = lambda column: pl.when("open").then(c(column))
    rows = rows.with_columns(docks=of_open("numdocksavailable"), mechanical=of_open("mechanical"), ebike=of_open("ebike"),
                             bikes=of_open("numbikesavailable"), docks_in_all=of_open("capacity"))
    mean = lambda of, weight: (of * c("held")).sum() / (weight * c("held")).sum()
    known = lambda of: c("held").filter(c(of).is_not_null()).sum()
    says_bikes = c("bikes").is_not_null()
    summaries = [e for q in QUANTITIES for e in (
        c(q).count().alias(f"{q}_count"), c(q).mean().alias(f"{q}_mean"), c(q).min().alias(f"{q}_min"), c(q).max().alias(f"{q}_max"),
        known(q).alias(f"{q}_known"), mean(c(q), c(q).is_not_null()).alias(f"{q}_over_time"))]
    states = [e for s in STATES for e in (c("held").filter(s).sum().alias(f"{s}_held"), known(s).alias(f"{s}_known"),
                                          (c("held").filter(s).sum() / known(s)).fill_nan(None).alias(f"{s}_share"))]
    times = [e for s in ("full", "empty") for e in (c(s).sum().alias(f"{s}_times"), c(s).count().alias(f"{s}_times_known"))]
    stations = rows.group_by("stationcode").agg(
        pl.len().alias("readings"), c("open").sum(), c("closed").sum(), *times, c("held").sum().alias("observed"), (c("due").max() - c("due").min()).alias("span"),
        *summaries, *states)
    moves = rows.filter(says_bikes).with_columns(
        moved=pl.when((c("due") - c("due").shift(1)).over("stationcode") <= gap).then((c("bikes") - c("bikes").shift(1)).abs().over("stationcode")))
    stations = stations.join(moves.group_by("stationcode").agg(c("moved").sum()), on="stationcode", how="left").with_columns(
        c("moved").fill_null(0)).with_columns(
        moved_per_hour=c("moved").cast(pl.Float64) * HOUR / c("observed"),
        how_often=pl.when(c("empty_share") == 0).then(pl.lit("never")).when(c("empty_share") < 0.1).then(pl.lit("sometimes"))
        .when(c("empty_share") >= 0.1).then(pl.lit("often")))
    for state in ("full", "empty"):
        so = c(state).fill_null(False)
        begins = so & ~(c("near") & so.shift(1, fill_value=False).over("stationcode"))
        spells = rows.with_columns(spell=begins.cum_sum(), so=so).filter("so").group_by("stationcode", "spell").agg(c("held").sum())
        spells = spells.group_by("stationcode").agg(pl.len().alias(f"{state}_spells"), c("held").max().alias(f"{state}_longest"))
        stations = stations.join(spells, on="stationcode", how="left").with_columns(c(f"{state}_spells").fill_null(0))
    pieces = rows.filter(says_bikes & (c("held") > 0)).with_columns(
        hour=pl.int_ranges(c("due") // HOUR, (c("due") + c("held") - 1) // HOUR + 1)).explode("hour").with_columns(
        held=pl.min_horizontal(c("due") + c("held"), (c("hour") + 1) * HOUR) - pl.max_horizontal(c("due"), c("hour") * HOUR),
        local=pl.from_epoch(c("hour") * 3600).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Paris"))
    pieces = pieces.with_columns(week_hour=24 * (c("local").dt.weekday().cast(pl.Int64) - 1) + c("local").dt.hour())
    week = [c("held").sum().alias("known"), mean(c("bikes"), c("docks_in_all")).alias("occupancy")]
    hours = pl.concat([pieces.group_by("stationcode", "week_hour").agg(week),
                       pieces.with_columns(stationcode=pl.lit("")).group_by("stationcode", "week_hour").agg(week),
                       pieces.filter(c("behaviour").is_not_null()).group_by(pl.format("behaviour {}", "behaviour").alias("stationcode"), "week_hour").agg(week)])
    both, span = lambda of: of.filter(says_bikes).sum(), rows["due"].max() - rows["due"].min()
    zone = [c("stationcode").n_unique().alias("stations"), pl.len().alias("readings"), c("open").sum(), c("bikes").count().alias("occupancy_count"),
            c("docks").mean().alias("docks_mean"),
            c("docks").min().alias("docks_min"), c("docks").max().alias("docks_max"),
            (both(c("bikes")) / both(c("docks_in_all"))).alias("occupancy"), c("held").sum().alias("observed"),
            (c("stationcode").n_unique().cast(pl.Int64) * span).alias("span"), known("docks").alias("docks_known"), mean(c("docks"), c("docks").is_not_null()).alias("docks_over_time"),
            known("bikes").alias("bikes_known"),
            ((c("bikes") * c("held")).sum() / both(c("docks_in_all") * c("held"))).alias("occupancy_over_time")]
    zones = pl.concat([rows.filter(c(kind).is_not_null()).group_by(pl.lit(kind).alias("kind"), c(kind).alias("zone")).agg(zone) for kind in ZONES])
    return dict(stations=stations, hours=hours, zones=zones)


def sql(gap):
    summaries = "".join(f"""
        count({q}) AS {q}_count, avg({q}) AS {q}_mean, min({q}) AS {q}_min, max({q}) AS {q}_max,
        coalesce(sum(held) FILTER ({q} IS NOT NULL), 0) AS {q}_known,
        sum({q} * held) / nullif(sum(held) FILTER ({q} IS NOT NULL), 0) AS {q}_over_time,""" for q in QUANTITIES)
    states = ",".join(f"""
        coalesce(sum(held) FILTER ("{s}"), 0) AS {s}_held, coalesce(sum(held) FILTER ("{s}" IS NOT NULL), 0) AS {s}_known,
        {s}_held / nullif({s}_known, 0) AS {s}_share""" for s in STATES)
    times = ", ".join(f'count(*) FILTER ("{s}") AS {s}_times, count("{s}") AS {s}_times_known' for s in ("full", "empty"))
    spells = lambda s: f"""(
        SELECT stationcode, count(*) AS {s}_spells, max(held) AS {s}_longest FROM (
            SELECT stationcode, sum(held) AS held FROM (
                SELECT *, sum(CASE WHEN "{s}" AND NOT coalesce({s}_before AND near, false) THEN 1 ELSE 0 END)
                    OVER (PARTITION BY stationcode ORDER BY due) AS spell FROM axis)
            WHERE "{s}" GROUP BY stationcode, spell) GROUP BY stationcode) AS {s}_spells"""
    week = "sum(held) AS known, sum(bikes * held) / nullif(sum(docks_in_all * held), 0) AS occupancy FROM pieces"
    zones = " UNION ALL ".join(f"""
        SELECT '{kind}' AS kind, {kind} AS zone, count(DISTINCT stationcode) AS stations, count(*) AS readings, count(*) FILTER (open) AS open,
            count(bikes) AS occupancy_count, avg(docks) AS docks_mean,
            min(docks) AS docks_min, max(docks) AS docks_max,
            sum(bikes) / nullif(sum(docks_in_all) FILTER (bikes IS NOT NULL), 0) AS occupancy, sum(held) AS observed,
            stations * (SELECT max(due) - min(due) FROM axis) AS span, coalesce(sum(held) FILTER (docks IS NOT NULL), 0) AS docks_known, sum(docks * held) / nullif(docks_known, 0) AS docks_over_time,
            coalesce(sum(held) FILTER (bikes IS NOT NULL), 0) AS bikes_known,
            sum(bikes * held) / nullif(sum(docks_in_all * held) FILTER (bikes IS NOT NULL), 0) AS occupancy_over_time
        FROM axis WHERE {kind} IS NOT NULL GROUP BY {kind}""" for kind in ZONES)
    return f"""
    CREATE OR REPLACE TABLE states AS SELECT * EXCLUDE (mechanical, ebike),
        is_installed AND is_returning AND capacity > 0 AS open, NOT open AS closed, open AND numdocksavailable = 0 AS "full",
        is_installed AND is_renting AND numbikesavailable = 0 AS "empty",
        CASE WHEN open THEN numdocksavailable END AS docks, CASE WHEN open THEN rows.mechanical END AS mechanical,
        CASE WHEN open THEN rows.ebike END AS ebike, CASE WHEN open THEN numbikesavailable END AS bikes,
        CASE WHEN open THEN capacity END AS docks_in_all FROM rows;
    CREATE OR REPLACE TABLE axis AS SELECT *, CASE WHEN lead(due) OVER w IS NULL THEN 0 ELSE least(lead(due) OVER w - due, {gap}) END AS held,
        due - lag(due) OVER w <= {gap} AS near, lag("full") OVER w AS full_before, lag("empty") OVER w AS empty_before
        FROM states WINDOW w AS (PARTITION BY stationcode ORDER BY due);
    CREATE OR REPLACE TABLE moves AS SELECT stationcode, sum(moved) AS moved FROM (
        SELECT stationcode, CASE WHEN due - lag(due) OVER w <= {gap} THEN abs(bikes - lag(bikes) OVER w) END AS moved
        FROM axis WHERE bikes IS NOT NULL WINDOW w AS (PARTITION BY stationcode ORDER BY due)) GROUP BY stationcode;
    CREATE OR REPLACE TABLE stations AS SELECT * REPLACE (coalesce(moved, 0) AS moved, coalesce(full_spells, 0) AS full_spells,
            coalesce(empty_spells, 0) AS empty_spells), coalesce(moved, 0) * {HOUR} / nullif(observed, 0) AS moved_per_hour,
            CASE WHEN empty_share = 0 THEN 'never' WHEN empty_share < 0.1 THEN 'sometimes' WHEN empty_share >= 0.1 THEN 'often' END AS how_often
        FROM (SELECT stationcode, count(*) AS readings, count(*) FILTER (open) AS open, count(*) FILTER (closed) AS closed,
            {times}, sum(held) AS observed, max(due) - min(due) AS span,
            {summaries} {states} FROM axis GROUP BY stationcode)
        LEFT JOIN moves USING (stationcode) LEFT JOIN {spells("full")} USING (stationcode) LEFT JOIN {spells("empty")} USING (stationcode);
    CREATE OR REPLACE TABLE pieces AS SELECT * EXCLUDE (held), least(due + whole, (hour + 1) * {HOUR}) - greatest(due, hour * {HOUR}) AS held,
            timezone('Europe/Paris', to_timestamp(hour * 3600)) AS local, 24 * (isodow(local) - 1) + hour(local) AS week_hour
        FROM (SELECT *, held AS whole, unnest(range(due // {HOUR}, (due + held - 1) // {HOUR} + 1)) AS hour
            FROM axis WHERE bikes IS NOT NULL AND held > 0);
    CREATE OR REPLACE TABLE hours AS SELECT stationcode, week_hour, {week} GROUP BY stationcode, week_hour
        UNION ALL SELECT '', week_hour, {week} GROUP BY week_hour
        UNION ALL SELECT 'behaviour ' || behaviour, week_hour, {week} WHERE behaviour IS NOT NULL GROUP BY behaviour, week_hour;
    CREATE OR REPLACE TABLE zones AS {zones};"""


def by_duckdb(rows, gap):
    connection = duckdb.connect()
    connection.register("rows", rows.drop("fetched_at", "duedate").to_arrow())
    connection.execute(sql(gap))
    return {name: connection.sql(f"FROM {name}").pl() for name in ("stations", "hours", "zones")}


def in_one_pass(paths, told):
    """`--overview` says less, and in that the same."""
    command = [EXAMPLES / "part3_stats", *(option for path in paths for option in ("--data", path)), "--zone", "grid:500m", "--overview", "--json"]
    answered = subprocess.run(command, capture_output=True, text=True)
    assert answered.returncode == 0, answered.stderr[-2000:]
    answer = json.loads(answered.stdout)

    def same(part, whole, place):
        if isinstance(part, dict):
            for key, value in part.items():
                same(value, whole[key], f"{place}.{key}")
        elif isinstance(part, list):
            assert len(part) == len(whole), place
            for number, (one, other) in enumerate(zip(part, whole)):
                same(one, other, f"{place}[{number}]")
        else:
            assert part == whole, f"{place}: {part}, not {whole}"

    assert answer["overview"]["stations"] and answer["repeats"] == told["repeats"]
    same(answer["overview"], told["statistics"], "overview")


def ours(paths, gap):
    """The DataFrame's answer; the example fails where the SQL's is another."""
    command = [EXAMPLES / "part3_stats", *(option for path in paths for option in ("--data", path)), "--max-gap", f"{gap // 60_000}min", "--zone", "grid:500m", "--runs", "1", "--json"]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr[-2000:]
    told = json.loads(told.stdout)
    result, behaviours = told["statistics"], told["behaviours"]
    in_one_pass(paths, told)
    milliseconds = lambda seconds: None if seconds is None else round(1000 * seconds)

    def station(s):
        over = s["over_time"]
        row = dict(stationcode=s["stationcode"], readings=s["readings"], open=s["open"], closed=s["closed"],
                   **{f"{state}_{name}": s[state][of] for state in ("full", "empty") for name, of in (("times", "times"), ("times_known", "known"))},
                   observed=milliseconds(over["observed"]["seconds"]),
                   span=milliseconds(over["observed"]["span_seconds"]), moved=over["turnover"]["bikes"],
                   moved_per_hour=over["turnover"]["per_hour"], how_often=over["how_often_empty"])
        for name, of in zip(QUANTITIES, ("free_docks", "mechanical", "ebike")):
            row |= {f"{name}_{key}": s[of][key] for key in ("count", "mean", "min", "max")}
            row |= {f"{name}_known": milliseconds(over[of]["known_seconds"]), f"{name}_over_time": over[of]["mean"]}
        for state in STATES:
            row |= {f"{state}_held": milliseconds(over[state]["seconds"]), f"{state}_known": milliseconds(over[state]["known_seconds"]),
                    f"{state}_share": over[state]["share"]}
        for state in ("full", "empty"):
            spells = over[f"{state}_spells"]
            row |= {f"{state}_spells": spells["number"], f"{state}_longest": milliseconds(spells["longest_seconds"])}
        return row

    def zone(kind, z):
        over = z["over_time"]
        return dict(kind=kind, zone=z["zone"], stations=z["stations"], readings=z["readings"], open=z["open"], occupancy_count=z["occupancy_count"],
                    **{f"docks_{key}": z["free_docks"][key] for key in ("mean", "min", "max")}, occupancy=z["occupancy"],
                    observed=milliseconds(over["observed"]["seconds"]), span=milliseconds(over["observed"]["span_seconds"]), docks_known=milliseconds(over["free_docks"]["known_seconds"]),
                    docks_over_time=over["free_docks"]["mean"], bikes_known=milliseconds(over["occupancy"]["known_seconds"]),
                    occupancy_over_time=over["occupancy"]["mean"])

    weeks = [("", result["profile"])] + [(s["stationcode"], s["profile"]) for s in result["stations"]]
    weeks += [(f"behaviour {b['statistics']['zone']}", b["profile"]) for b in behaviours]
    hours = [dict(stationcode=code, week_hour=hour, known=milliseconds(known), occupancy=occupancy) for code, week in weeks
             for hour, (known, occupancy) in enumerate(zip(week["known_seconds"], week["occupancy"])) if known > 0]
    kinds = zip(ZONES, (*(result[of] for of in ("communes", "arrondissements", "zones")), [b["statistics"] for b in behaviours]))
    tables = dict(stations=map(station, result["stations"]), hours=hours, zones=[zone(kind, z) for kind, of in kinds for z in of])
    tables = {name: pl.DataFrame(list(table), infer_schema_length=None) for name, table in tables.items()}
    counted = {key: sum(s == key for s in tables["stations"]["how_often"]) for key in ("never", "sometimes", "often", None)}
    assert list(counted.values()) == [result["how_often_empty"][key] for key in ("never", "sometimes", "often", "unknown")], counted
    sometimes = [(s["stationcode"], s["empty"]["times"]) for s in result["stations"] if s["empty"]["times"] > 0]
    assert sometimes == [(s["stationcode"], s["empty"]["times"]) for s in result["sometimes_empty"]]
    assert all(result[key] == tables["stations"][key].sum() for key in ("readings", "open", "closed"))
    seen = result["observed"]["seconds"]
    assert math.isclose(seen, tables["stations"]["observed"].sum() / 1000, rel_tol=1e-9), seen
    alike = [dict(stationcode=code, behaviour=b["statistics"]["zone"]) for b in behaviours for code in b["stations"]]
    return tables, result["observed"]["share"], pl.DataFrame(alike, schema=dict(stationcode=pl.String, behaviour=pl.String))


def compare(ours, theirs, key):
    """All keys the same, text and unknown the same, numbers to 1e-9 relative; how many columns."""
    if not len(ours) and not len(theirs):
        return 0
    assert set(ours.columns) == set(theirs.columns), set(ours.columns) ^ set(theirs.columns)
    both = ours.join(theirs, on=key, suffix="_theirs")
    assert len(ours) == len(theirs) == len(both), (len(ours), len(theirs), len(both))
    for column in (column for column in ours.columns if column not in key):
        a, b = both[column], both[f"{column}_theirs"]
        if a.dtype == pl.String:
            wrong = a.ne_missing(b)
        else:
            # 0 over 0 is unknown.
            a, b = a.cast(pl.Float64), b.cast(pl.Float64).fill_nan(None)
            wrong = (a.is_null() != b.is_null()) | ((a - b).abs() > 1e-9 * b.abs()).fill_null(False)
        assert not wrong.any(), f"{column}: {wrong.sum()} of {len(both)} differ: {both.filter(wrong).select(*key, column, f'{column}_theirs').head(3)}"
    return len(ours.columns) - len(key)


def main(folder):
    keys = dict(stations=["stationcode"], hours=["stationcode", "week_hour"], zones=["kind", "zone"])
    as_csv = folder / "velib-2022.csv"
    history().write_csv(as_csv, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")
    exported = SHARED / "data/opendata-export-2023-02-26.csv"
    # Both files at once are more than is kept in memory, and each reading counts once: that of the file named first.
    for paths, read, minutes in (([SHARED / "data/velib-2022.parquet"], history, 60), ([as_csv, SHARED / "data/velib-2022.parquet"], history, 120),
                                 ([exported], export, 120)):
        began, gap = time.monotonic(), 60_000 * minutes
        tables, share, alike = ours(paths, gap)
        # Which stations are alike is ours to say; what their zones come to is not.
        rows = prepared(read()).join(alike, on="stationcode", how="left")
        references = dict(polars=by_polars(rows, gap), duckdb=by_duckdb(rows, gap))
        columns = {table: {compare(tables[table], theirs[table], key) for theirs in references.values()} for table, key in keys.items()}
        told = ", ".join(f"{len(tables[table])} {table} in {min(columns[table])} columns" for table in keys)
        print(f"{' and '.join(path.name for path in paths)}, a gap of {minutes} minutes, {100 * (share or 0):.1f} % observed, {len(alike)} stations in "
              f"{alike['behaviour'].n_unique()} zones by behaviour: {told}: "
              f"DataFrame = SQL = --overview = Python's polars = DuckDB [{time.monotonic() - began:.0f} s]", flush=True)


with tempfile.TemporaryDirectory() as folder:
    main(Path(folder))
