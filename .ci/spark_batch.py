#!/usr/bin/env python3
"""Holds Spark's statistics to ours: the recorded history, an export of the portal, and what is dirty in every way that is known.

Usage: spark_batch.py SHARED (from the clone's top, after `cargo build --features spark --example part3_stats`). Takes the address of
a Spark server from VELIB_SPARK. Needs: polars."""
import json, os, signal, socket, subprocess, sys, tempfile, time
from pathlib import Path

import polars as pl

SHARED = Path(sys.argv[1]).resolve()
EXAMPLE = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "debug/examples/part3_stats"
SPARK = os.environ["VELIB_SPARK"]

# What a reading must have, then what it can do without; each line beside what is wrong with it.
HEADER = ("fetched_at,stationcode,name,is_installed,capacity,numdocksavailable,numbikesavailable,mechanical,ebike,is_renting,is_returning,"
          "duedate,lat,lon,nom_arrondissement_communes,weather")
DIRTY = """
2022-05-12T10:00:00Z,16107,"Benjamin Godard, Victor Hugo",true,35,5,30,20,10,true,true,2022-05-12T09:50:00Z,48.865983,2.275725,Paris,rain
2022-05-12T11:00:00Z,16107,"a ""quoted"" name",OUI,35.0,0,35, 25 ,10,oui,1,2022-05-12 10:50:00,48.865983,2.275725,Paris,rain
2022-05-12T12:00:00Z,16107,,true,35,7,,,,true,true,2022-05-12T13:50:00+02:00,48.865983,2.275725, Paris,rain
2022-05-12T12:30:00Z,16107,late and again,true,35,9,26,20,6,true,true,2022-05-12T11:50:00Z,48.865983,2.275725,Paris,rain
2022-05-12T13:00:00Z, 16107 ,spaces around the code,true,-1,x,3.5,NaN,12d,maybe,2,2022-05-12T12:50:00Z,148.8,2.27,Paris,rain
2022-05-12T14:00:00Z,16107,no docks,true,0,0,0,0,0,true,true,2022-05-12T13:50:00.250Z,48.865983,,Paris,rain
2022-05-12T10:00:00Z,31024_relais,not a number,true,10,10,0,0,0,true,true,2022-05-12T09:40:00Z,48.86,2.41,Paris,rain
2022-05-12T16:00:00Z,31024_relais,closed,false,10,0,0,0,0,false,false,2022-05-12T15:40:00Z,48.86,2.41,Montreuil,rain
2022-05-12T10:00:00Z,1013,never empty,true,4294967295,4294967296,1e1,10,0,true,true,2022-05-12T09:40:00Z,0,0,,rain
2022-05-12T10:00:00Z,,no station,true,35,5,30,20,10,true,true,2022-05-12T09:50:00Z,48.86,2.27,Paris,rain
2022-05-12T10:00:00Z,16108,no time,true,35,5,30,20,10,true,true,,48.86,2.27,Paris,rain
2022-05-12T10:00:00Z,16108,no time of day,true,35,5,30,20,10,true,true,2022-05-12,48.86,2.27,Paris,rain
2022-05-12T10:00:00Z,16108,before there were feeds,true,35,5,30,20,10,true,true,1969-12-31T23:59:59Z,48.86,2.27,Paris,rain
soon,16108,fetched at no time,true,35,5,30,20,10,true,true,2022-05-12T09:50:00Z,48.86,2.27,Paris,rain
2022-05-12T10:00:00Z,16108,too few cells,true,35
2022-05-12T10:00:00Z,16108,too many cells,true,35,5,30,20,10,true,true,2022-05-12T09:50:00Z,48.86,2.27,Paris,rain,and more
2022-05-12T10:00:00Z,16108,cut off before what nobody reads,true,35,5,30,20,10,true,true,2022-05-12T09:50:00Z,48.86,2.27,Paris
2022-05-12T10:00:00Z,16108,an offset without its colon,true,35,5,30,20,10,true,true,2022-05-12T09:50:00+0200,48.86,2.27,Paris,rain
"""
NONE_OF_THEM = 9


# So that its own Spark is stopped too where this is.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


def both(*data, overview=False, zone="grid:500m"):
    """Ends unless Spark's answer is ours in every number; Spark's answer."""
    began = time.monotonic()
    command = [EXAMPLE, "--engine", "spark", "--spark", SPARK, *(option for path in data for option in ("--data", path)), "--check", "--json",
               "--zone", zone, *(["--overview"] if overview else ["--runs", "1", "--max-gap", "1h"])]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr[-2000:]
    answer = json.loads(told.stdout)
    said = answer["overview" if overview else "statistics"]
    print(f"{' and '.join(path.name for path in data)}: {said['readings']} readings, {answer['repeats']} repeats, {len(said['stations'])} stations, "
          f"{len(said['zones'])} zones by {zone}{', in one pass' if overview else ''}: Spark by DataFrame"
          f"{'' if overview else ' = Spark SQL'} = polars in every number [{time.monotonic() - began:.0f} s]", flush=True)
    return answer


def breaks_off(history):
    """Told of a server that ends its answers after a second, as others do after two minutes: no row is lost in silence."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "VELIB_SPARK_PORT": str(port), "VELIB_SPARK_ANSWER": "1s"}
    script = lambda what: subprocess.run([".ci/spark", what], env=environment, check=True, stdout=subprocess.DEVNULL)
    try:
        script("start")
        refused(1, "it broke off its answer", "--spark", f"sc://127.0.0.1:{port}", "--overview", "--data", history)
    finally:
        script("stop")


def refused(code, said, *options, engine=("--engine", "spark")):
    """One line that says what is wrong."""
    told = subprocess.run([EXAMPLE, *engine, *options], capture_output=True, text=True)
    lines = told.stderr.strip().splitlines()
    assert told.returncode == code and len(lines) == 1 and said in lines[0] and not told.stdout, (told.returncode, told.stderr[-2000:])
    print(f"  {lines[0]} [exit {code}]", flush=True)


with tempfile.TemporaryDirectory() as folder:
    folder = Path(folder)
    folder.chmod(0o755)
    history = SHARED / "data/velib-2022.parquet"
    as_csv = folder / "velib-2022.csv"
    pl.read_parquet(history).write_csv(as_csv, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")
    dirty = folder / "dirty/dirty.csv"
    dirty.parent.mkdir()
    dirty.write_text(HEADER + DIRTY)

    # Parquet whose files have other columns, in another order.
    rows = pl.read_parquet(history)
    rows = [rows.filter(pl.col("stationcode") == code).unique("duedate") for code in ("16107", rows["stationcode"].min())]
    assert all(len(of_station) > 0 for of_station in rows)
    rows[0].drop("mechanical", "ebike").write_parquet(dirty.parent / "a.parquet")
    rows[1].select(reversed(rows[1].columns)).write_parquet(dirty.parent / "b.parquet")
    aliases, nanoseconds = folder / "aliases", folder / "nanoseconds.parquet"
    aliases.mkdir()
    rows[0].write_parquet(aliases / "a.parquet")
    rows[1].rename({"numdocksavailable": "Nombre bornettes libres"}).write_parquet(aliases / "b.parquet")
    exported, degrees = folder / "exported", folder / "degrees"
    for other in (exported, degrees):
        other.mkdir()
        rows[0].write_parquet(other / "a.parquet")
    rows[1].drop("fetched_at").write_parquet(exported / "b.parquet")
    rows[1].drop("lat", "lon").with_columns(coordonnees_geo=pl.lit("48.87, 2.48")).write_parquet(degrees / "b.parquet")
    rows[0].with_columns(pl.col("duedate").dt.cast_time_unit("ns")).write_parquet(nanoseconds)

    told, beside, unnamed = dirty.read_text(), folder / "beside", folder / "unnamed"
    beside.mkdir()
    (beside / "a.csv").write_text(told)
    (beside / "b.csv").write_text(told.replace("capacity,numdocksavailable", "numdocksavailable,capacity", 1))
    unnamed.mkdir()
    for file in beside.iterdir():
        (unnamed / file.name).write_text("".join(f"{number},{line}\n" for number, line in enumerate(file.read_text().splitlines())).replace("0", "", 1))
    history_without = folder / "without.csv"
    history_without.write_text("stationcode,duedate\n" + "".join(f"16107,2022-05-12T09:0{minute}:00Z\n" for minute in range(3)))
    nothing = folder / "nothing.csv"
    nothing.write_text(HEADER + "\n")
    other = folder / "other.csv"
    other.write_text("a,b\n1,2\n")

    # Beside an export of the portal: each --data is read by itself.
    told = both(dirty.parent, SHARED / "data/opendata-export-2023-02-26.csv", zone="arrondissement")
    found = told["rows"]
    assert (found["unreadable"] + found["torn"], found["torn"], found["repeats"]) == (NONE_OF_THEM, 3, 1), found
    print(f"  of its {len(DIRTY.strip().splitlines())} rows {found['unreadable']} are unreadable and {found['torn']} torn, as here", flush=True)
    both(history)
    # Each reading is in two files: it counts once.
    both(as_csv, history, overview=True)

    print("What cannot be asked:", flush=True)
    refused(1, "no Spark Connect server answers", "--spark", "sc://127.0.0.1:1", "--data", history)
    refused(2, "is no address of Spark Connect", "--spark", "spark://127.0.0.1:7077", "--data", history)
    refused(2, "which Spark is not said", "--data", history)
    refused(1, "finds nothing there", "--spark", SPARK, "--data", folder / "none.csv")
    refused(1, "columns missing: stationcode, duedate", "--spark", SPARK, "--data", other)
    refused(1, "its columns are not those of the file beside it", "--spark", SPARK, "--data", beside)
    refused(1, "a column has no name, or two have the same", "--spark", SPARK, "--data", unnamed)
    refused(1, "and another say the same", "--spark", SPARK, "--data", aliases)
    refused(1, "and another say the same", "--spark", SPARK, "--data", degrees)
    refused(1, "b.parquet: none of its rows is a reading", "--spark", SPARK, "--data", exported)
    refused(1, "such as times in nanoseconds", "--spark", SPARK, "--data", nanoseconds)
    refused(1, "give a path or an address that it can read", "--spark", SPARK, "--data", "nowhere://velib/a.csv")
    refused(2, "only Spark needs it", "--spark", SPARK, "--check", "--query", "SELECT 1", engine=())
    refused(1, "no `fetched_at`, and 3 readings of 1 stations", "--spark", SPARK, "--data", history_without)
    refused(1, "no reading: 0 rows", "--spark", SPARK, "--data", nothing)
    breaks_off(history)
