#!/usr/bin/env python3
"""Times the statistics that the assignment asks of the batch, from CSV and from Parquet, beside Polars from Python, DuckDB and pandas,
all in one run. Prints Markdown.

  python benches/batch.py --data HISTORY.parquet [--copies 1,10] [--rounds 5] [--json FILE]
  python benches/batch.py --data HISTORY.parquet --alone --copies 10,100

The history is laid end to end so often, each copy later than the one before it, and kept as CSV and as Parquet. Every side reads the
file and answers with the mean, least and most free docks of each station while open, how often it was empty, and the mean of each
commune, in a process of its own: `part3_stats --overview --json` (which answers more), or a Python that is asked as its users would.
- same: each (stationcode, duedate) counts once, the first fetched; the answers of all sides must be equal
- as read: repeats are counted, as peers do who do not look, and whose answers must be equal to each other; velib always leaves
  them out
Polars runs by its default engine. (DuckDB's arg_min passes over what is unknown: the check would say so.)

seconds: the whole process. inside: from asking to the answer, without the start of the interpreter and its imports.
--alone: velib only, for the peak memory by size. Needs: polars, pandas, pyarrow, duckdb."""
import argparse, json, math, multiprocessing, os, statistics, sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("VELIB_VAR") or TOP / "var").resolve() / "batch"

sys.path.insert(0, str(TOP / "benches"))
from streaming import built, run  # noqa: E402

KEYS, WHAT = ["stationcode", "duedate"], ["mean", "min", "max", "count", "empty"]

# Each reads `path`, leaves out repeats if `once`, and answers `stations`, a row of code, mean, least, most, count and times empty
# each, and `communes`, a row of name and mean.
PEERS = {
    "polars": """
import polars as pl
started = time.perf_counter()
c = pl.col
rows = pl.scan_parquet(path) if path.endswith(".parquet") else pl.scan_csv(path, schema_overrides={"stationcode": pl.String})
if once:
    rows = rows.unique(["stationcode", "duedate"], keep="first")
docks = pl.when(c("is_installed") & c("is_returning") & (c("capacity") > 0)).then(c("numdocksavailable"))
empty = c("is_installed") & c("is_renting") & (c("numbikesavailable") == 0)
rows = rows.select("stationcode", commune="nom_arrondissement_communes", docks=docks, empty=empty)
docks = [c("docks").mean().alias("mean"), c("docks").min().alias("min"), c("docks").max().alias("max"), c("docks").count().alias("count")]
stations = rows.group_by("stationcode").agg(*docks, c("empty").sum())
communes = rows.filter(c("commune").is_not_null()).group_by("commune").agg(c("docks").mean())
stations, communes = pl.collect_all([stations, communes])
stations, communes = stations.rows(), communes.rows()
""",
    "duckdb": """
import duckdb
duckdb.sql("SET enable_progress_bar = false")
started = time.perf_counter()
source = f"read_parquet('{path}')" if path.endswith(".parquet") else f"read_csv('{path}', types={{'stationcode': 'VARCHAR'}})"
names = ["is_installed", "is_returning", "is_renting", "capacity", "numdocksavailable", "numbikesavailable", "nom_arrondissement_communes"]
if once:
    firsts = ", ".join(f"arg_min({name}, fetched_at) AS {name}" for name in names)
    source = f"(SELECT stationcode, {firsts} FROM {source} GROUP BY stationcode, duedate)"
duckdb.sql(f'''CREATE TEMP TABLE rows AS SELECT stationcode, nom_arrondissement_communes AS commune,
    CASE WHEN is_installed AND is_returning AND capacity > 0 THEN numdocksavailable END AS docks,
    is_installed AND is_renting AND numbikesavailable = 0 AS empty FROM {source}''')
stations = duckdb.sql('''SELECT stationcode, avg(docks), min(docks), max(docks), count(docks), count(*) FILTER (empty)
    FROM rows GROUP BY stationcode''').fetchall()
communes = duckdb.sql("SELECT commune, avg(docks) FROM rows WHERE commune IS NOT NULL GROUP BY commune").fetchall()
""",
    "pandas": """
import pandas as pd
started = time.perf_counter()
names = ["stationcode", "is_installed", "is_returning", "is_renting", "capacity", "numdocksavailable", "numbikesavailable",
         "nom_arrondissement_communes", *(["duedate"] if once else [])]
if path.endswith(".parquet"):
    rows = pd.read_parquet(path, columns=names)
else:
    rows = pd.read_csv(path, usecols=names, dtype={"stationcode": str})
if once:
    rows = rows.drop_duplicates(["stationcode", "duedate"])
rows["docks"] = rows.numdocksavailable.where(rows.is_installed & rows.is_returning & (rows.capacity > 0))
rows["empty"] = rows.is_installed & rows.is_renting & (rows.numbikesavailable == 0)
docks = rows.groupby("stationcode").docks.agg(["mean", "min", "max", "count"])
stations = docks.join(rows.groupby("stationcode")["empty"].sum()).reset_index().values.tolist()
communes = list(rows.groupby("nom_arrondissement_communes").docks.mean().items())
""",
}
WRAPPED = """
import json, sys, time
path, once = sys.argv[1], sys.argv[2] == "same"
{peer}
seconds = time.perf_counter() - started
json.dump(dict(seconds=seconds, stations={{one[0]: one[1:] for one in stations}}, communes=dict(communes)), sys.stdout)
"""
SIDES = {"velib": "velib", "polars": "Polars from Python", "duckdb": "DuckDB", "pandas": "pandas"}


def history(data, copies, ending):
    """So many copies of a history, one after another, in one file."""
    path = HOME / f"{data.stem}-{data.stat().st_size}-{copies}.{ending}"
    if not path.exists():
        print(f"writing {path.name}", file=sys.stderr)
        # By a process of its own: what this one holds would be counted as the memory of those that it starts.
        writer = multiprocessing.get_context("spawn").Process(target=write, args=(data, copies, path))
        writer.start(), writer.join()
        if writer.exitcode:
            sys.exit(f"{path}: could not be written")
    return path


def write(data, copies, path):
    import polars as pl
    HOME.mkdir(parents=True, exist_ok=True)
    rows = pl.read_parquet(data)
    length = (rows["fetched_at"].max() - rows["fetched_at"].min()).total_seconds() + 3600
    later = lambda copy: rows.lazy().with_columns(pl.col("fetched_at", "duedate") + pl.duration(seconds=int(length) * copy))
    made = path.with_suffix(".making")
    if path.suffix == ".parquet":
        pl.concat([later(copy) for copy in range(copies)]).sink_parquet(made)
    else:
        with open(made, "wb") as file:
            for copy in range(copies):
                times = pl.col("fetched_at", "duedate").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
                later(copy).with_columns(times).collect().write_csv(file, include_header=copy == 0)
    made.rename(path)


def velib(program, path):
    (told,), measured = run([program, "--overview", "--json", "--data", path])
    told = json.loads(told)
    docks = lambda station: [station["free_docks"][what] for what in ("mean", "min", "max", "count")]
    stations = {one["stationcode"]: [*docks(one), one["empty"]["times"]] for one in told["overview"]["stations"]}
    communes = {one["zone"]: one["free_docks"]["mean"] for one in told["overview"]["communes"]}
    return dict(measured, inside=told["seconds"], readings=told["overview"]["readings"] + told["repeats"]), dict(stations=stations, communes=communes)


def peer(side, path, way):
    (told,), measured = run([sys.executable, "-c", WRAPPED.format(peer=PEERS[side]), path, way])
    told = json.loads(told)
    return dict(measured, inside=told.pop("seconds")), told


def flat(answer):
    number = lambda value: None if value is None or math.isnan(value) else value
    return {(kind, *key): number(value) for kind, rows in answer.items() for name, cells in rows.items()
            for key, value in ([((name,), cells)] if kind == "communes" else [((name, what), cell) for what, cell in zip(WHAT, cells)])}


def check(side, answer, reference):
    answer, reference = flat(answer), flat(reference)
    if answer.keys() != reference.keys():
        sys.exit(f"{side}: answers other stations or communes: {sorted(answer.keys() ^ reference.keys())[:3]}")
    for key, value in answer.items():
        if (value is None) != (reference[key] is None) or value is not None and not math.isclose(value, reference[key], rel_tol=1e-9):
            sys.exit(f"{side}: {key} is {value}, not {reference[key]}")


def compare(program, options):
    measured = {}
    runs = [("velib", "same"), *((side, way) for way in ("same", "as read") for side in PEERS)]
    for copies in options.copies:
        for ending in ("csv", "parquet"):
            path = history(options.data, copies, ending)
            for number in range(options.rounds):
                for side, way in runs:
                    print(f"{path.name}, round {number + 1} of {options.rounds}: {side}, {way}", file=sys.stderr)
                    one, answer = velib(program, path) if side == "velib" else peer(side, path, way)
                    if side == "velib":
                        readings, references = one["readings"], dict(same=answer)
                    check(side, answer, references.setdefault(way, answer))
                    measured.setdefault((copies, ending, side, way), []).append(one)
            report(measured, (copies, ending), runs, readings, options)
    if options.json:
        kept = [dict(copies=key[0], file=key[1], side=key[2], way=key[3], runs=ones) for key, ones in measured.items()]
        options.json.write_text(json.dumps(kept, indent=1))


def report(measured, size, runs, readings, options):
    median = lambda run, what: statistics.median(one[what] for one in measured[*size, *run])
    print(f"\n{readings:,} readings from {'CSV' if size[1] == 'csv' else 'Parquet'}; {os.cpu_count()} processors; medians of {options.rounds} runs.\n")
    header = ["", "answers", "seconds", "inside", "peak memory", "whole process to velib", "inside to velib"]
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for one in runs:
        ratios = [f"{median(one, what) / median(runs[0], what):.2f}" for what in ("seconds", "inside")]
        print(f"| {SIDES[one[0]]} | {one[1]} | {median(one, 'seconds'):.2f} | {median(one, 'inside'):.2f} | {median(one, 'memory'):,.0f} MB | {' | '.join(ratios)} |", flush=True)


def alone(program, options):
    print("| readings | file | seconds | readings per second | peak memory |\n|---|---|---|---|---|")
    for ending in ("csv", "parquet"):
        for copies in options.copies:
            path = history(options.data, copies, ending)
            ones = [velib(program, path)[0] for _ in range(options.rounds)]
            seconds, memory = (statistics.median(one[what] for one in ones) for what in ("seconds", "memory"))
            readings = ones[0]["readings"]
            print(f"| {readings:,} | {'CSV' if ending == 'csv' else 'Parquet'} | {seconds:.2f} | {readings / seconds:,.0f} | {memory:,.0f} MB |", flush=True)


def main():
    numbers = lambda text: [int(number) for number in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="a history as Parquet, in order of fetched_at")
    parser.add_argument("--copies", type=numbers, default=[1, 10], metavar="N,N", help="how often it is laid end to end [default: 1,10]")
    parser.add_argument("--rounds", type=int, default=5, help="how often each side is run [default: %(default)s]")
    parser.add_argument("--alone", action="store_true", help="velib only")
    parser.add_argument("--binaries", type=Path, metavar="DIR", help="where `part3_stats` is [default: the release build]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every single measurement is kept")
    options = parser.parse_args()
    (program,) = built(options, examples=["part3_stats"])
    alone(program, options) if options.alone else compare(program, options)


if __name__ == "__main__":
    main()
