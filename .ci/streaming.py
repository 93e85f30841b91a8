#!/usr/bin/env python3
"""Kills part2_stream at random moments and holds what it kept to a batch over the recorded history of 2022.

Usage: streaming.py SHARED (from the clone's top; VELIB_KAFKA set, and VELIB_POSTGRES for the checks on PostgreSQL)."""
import io, json, os, random, signal, sqlite3, subprocess, sys, tempfile, time
from pathlib import Path

import polars as pl

sys.path.insert(0, "tests/reference")
import streaming_reference as reference

PARQUET = Path(sys.argv[1]).resolve() / "data/velib-2022.parquet"
KAFKA, POSTGRES = os.environ["VELIB_KAFKA"], os.environ.get("VELIB_POSTGRES")
EXAMPLES = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "debug/examples"
TOPIC = f"ci-streaming-{os.getpid()}-{int(time.time())}"
KILLS = 6


class Sqlite:
    def __init__(self, folder):
        self.file = folder / "streaming.sqlite"
        self.url, self.results = f"sqlite:{self.file}", f"{TOPIC}-results-sqlite"

    def table(self, sql):
        with sqlite3.connect(f"file:{self.file}?mode=ro", uri=True) as connection:
            cursor = connection.execute(sql)
            columns = [column[0] for column in cursor.description]
            return pl.DataFrame(cursor.fetchall(), schema=columns, orient="row", infer_schema_length=None)

    def drop(self):
        pass  # Its folder is.


class Postgres:
    """A database of its own in the one that VELIB_POSTGRES names."""

    def __init__(self, name):
        server = POSTGRES.rsplit("/", 1)[0]
        subprocess.run(["psql", "-q", POSTGRES, "-c", f'CREATE DATABASE "{name}"'], check=True)
        self.url, self.results = f"{server}/{name}", f"{name}-results"

    def drop(self):
        subprocess.run(["psql", "-q", POSTGRES, "-c", f'DROP DATABASE "{self.url.rsplit("/", 1)[1]}"'], check=True)

    def table(self, sql):
        copied = subprocess.run(["psql", "-q", self.url, "-c", f"COPY ({sql}) TO STDOUT WITH (FORMAT csv, HEADER)"],
                                capture_output=True, check=True)
        return pl.read_csv(io.BytesIO(copied.stdout), infer_schema_length=None, schema_overrides={"station_code": pl.String})


def publish():
    """Everything to the topic, in the order of arrival; how many messages."""
    command = [EXAMPLES / "part1_fetch", "--source", PARQUET, "--publish", "--brokers", KAFKA, "--topic", TOPIC, "--json"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, f"exit {ended.returncode}: {ended.stderr[-2000:]}"
    return json.loads(ended.stdout)["published"]


def start(store, cwd):
    command = [EXAMPLES / "part2_stream", "--brokers", KAFKA, "--topic", TOPIC, "--store", store.url, "--until-end", "--json",
               "--transaction", "10000", "--results", store.results]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd)


def finish(process):
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, f"exit {process.returncode}: {err[-2000:]}"
    return out


def read_so_far(store):
    try:
        return int(store.table("SELECT COALESCE(SUM(next_offset), 0) AS total FROM positions")["total"][0])
    except (sqlite3.OperationalError, subprocess.CalledProcessError):
        return 0  # Not made yet.


def wait_until_read(store, process, messages):
    while process.poll() is None and read_so_far(store) < messages:
        time.sleep(0.02)


def killed_and_started_again(store, folder, messages, chance):
    """One process, killed by SIGKILL at random places in the topic, and each fourth time while it starts or joins."""
    began, at, while_working = time.monotonic(), [], 0
    for number, place in enumerate(sorted(chance.randrange(int(messages * 0.6)) for _ in range(KILLS))):
        before, process = read_so_far(store), start(store, folder)
        if number % 4 == 3:
            time.sleep(chance.uniform(0.0, 1.0))
        else:
            wait_until_read(store, process, max(place, before + 1))
            time.sleep(chance.uniform(0.0, 0.1))
        assert process.poll() is None, f"it ended before it was killed: exit {process.returncode}"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        at.append(read_so_far(store))
        while_working += at[-1] > before
    finish(start(store, folder))
    assert at[-1] < read_so_far(store) == messages, (at[-1], read_so_far(store), messages)
    print(f"  killed {KILLS} times, {while_working} of them after it had written something, at {at} of {messages} messages "
          f"[{time.monotonic() - began:.0f} s]", flush=True)


def shared_by_three(store, folder, messages, chance):
    """Three processes of one group: one is killed midway, another joins."""
    began, processes = time.monotonic(), [start(store, folder) for _ in range(3)]
    wait_until_read(store, processes[0], chance.randrange(messages // 4))
    assert processes[0].poll() is None, "it ended before it was killed"
    processes[0].send_signal(signal.SIGKILL)
    at_kill = read_so_far(store)
    joined = start(store, folder)
    processes[0].communicate()
    for process in processes[1:] + [joined]:
        finish(process)
    assert at_kill < read_so_far(store) == messages, (at_kill, read_so_far(store), messages)
    print(f"  three processes, one killed when {at_kill} of {messages} messages were read, one joined "
          f"[{time.monotonic() - began:.0f} s]", flush=True)


def compare(ours, theirs, key, exact):
    """Equal counts; equal to the last digit where `exact` says so, else but for rounding."""
    assert len(ours) == len(theirs), f"{len(ours)} rows against {len(theirs)}"
    both = ours.join(theirs, on=key, suffix="_theirs")
    assert len(both) == len(theirs), f"only {len(both)} of {len(theirs)} keys are the same"
    columns = [column for column in theirs.columns if column not in key]
    for column in columns:
        a, b = both[column].cast(pl.Float64), both[f"{column}_theirs"].cast(pl.Float64)
        assert (a.is_null() == b.is_null()).all(), f"{column}: unknown in different rows"
        allowed = 0.0 if exact(column) else 1e-9
        wrong = ((a - b).abs() > allowed * pl.Series(b.abs().clip(lower_bound=1.0))).fill_null(False)
        assert not wrong.any(), f"{column}: {wrong.sum()} rows differ, {both.filter(wrong).head(3)}"
    return len(columns)


def holds_what_the_batch_finds(store, batch, batch_zones):
    counts = ("readings", "closed", "stations", "_count", "_min", "_max")
    whole = ("mechanical_mean", "ebike_mean", "docks_mean", "_turnover", "capacity", "mechanical_time_weighted_mean",
             "ebike_time_weighted_mean", "docks_time_weighted_mean", *counts)
    ours = store.table("SELECT * FROM station_windows").drop("samples", "window_end", "revision")
    columns = compare(ours, batch, ["station_code", "window_start"],
                      lambda column: column.endswith(whole) and not column.startswith("occupancy"))
    zones = store.table("SELECT * FROM zone_statistics WHERE kind = 'commune'").drop("kind", "window_end", "revision", "expected")
    compare(zones, batch_zones, ["zone", "window_start"], lambda column: column.endswith(counts) and "occupancy" not in column)
    late = int(store.table("SELECT SUM(revision) AS late FROM station_windows")["late"][0])
    aside = int(store.table("SELECT COUNT(*) AS count FROM too_late")["count"][0])
    assert aside == 0 and int(ours["readings"].sum()) == int(batch["readings"].sum())
    print(f"  equal to the batch: {len(ours)} windows of stations, {len(zones)} of communes, {columns} columns; "
          f"{int(ours['readings'].sum())} readings, {late} of them late, {aside} too late", flush=True)


def main():
    seed = int(os.environ.get("VELIB_SEED", time.time()))
    chance = random.Random(seed)
    print(f"streaming, killed at random moments (VELIB_SEED={seed})", flush=True)
    messages = publish()
    batch = reference.stations(PARQUET, 600)
    batch_zones = reference.zones(batch, PARQUET)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        stores = [Sqlite(folder)] + ([Postgres(f"{TOPIC}-killed")] if POSTGRES else [])
        for store in stores:
            print(f" {store.url.split(':')[0]}", flush=True)
            killed_and_started_again(store, folder, messages, chance)
            holds_what_the_batch_finds(store, batch, batch_zones)
            store.drop()
        if POSTGRES:
            shared = Postgres(f"{TOPIC}-shared")
            shared_by_three(shared, folder, messages, chance)
            holds_what_the_batch_finds(shared, batch, batch_zones)
            shared.drop()


main()
