#!/usr/bin/env python3
"""Holds the windows of a real Spark to our engine's, and to Spark's own rule of lateness, over the recorded history of 2022.

Usage: spark_stream.py SHARED (from the clone's top, after `cargo build --features spark --examples`; VELIB_KAFKA set; VELIB_VAR where
`.ci/spark` keeps its files, if that is not var/; VELIB_EXAMPLES where the programs are that do without Spark, if others are to do that
part). It starts a Spark of its own."""
import csv, json, os, shutil, signal, socket, sqlite3, subprocess, sys, tempfile, time
from pathlib import Path

import polars as pl

PARQUET = Path(sys.argv[1]).resolve() / "data/velib-2022.parquet"
KAFKA = os.environ["VELIB_KAFKA"]
WITH_SPARK = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "debug/examples"
EXAMPLES = Path(os.environ.get("VELIB_EXAMPLES") or WITH_SPARK)
VAR = Path(os.environ.get("VELIB_VAR", "var")).resolve()
TOPIC = f"ci-spark-stream-{os.getpid()}-{int(time.time())}"
WINDOW = 6 * 3600  # The polls are an hour apart: so there are several readings in a window.
LATENESS = 90 * 60  # What the example has unless told otherwise.
SUMMARY = ("count", "mean", "time_weighted_mean", "min", "max", "last", "rate", "turnover")
QUANTITIES = ("mechanical", "ebike", "docks", "occupancy")
LATE = 50
KEY = ["station_code", "window_start"]


def said(text, began):
    print(f"  {text} [{time.monotonic() - began:.0f} s]", flush=True)


def example(name, *options, examples=EXAMPLES):
    ended = subprocess.run([examples / name, *map(str, options)], capture_output=True, text=True)
    assert ended.returncode == 0, f"{name}: exit {ended.returncode}: {ended.stderr[-2000:]}"
    return json.loads(ended.stdout)


def publish(source):
    return example("part1_fetch", "--source", source, "--publish", "--brokers", KAFKA, "--topic", TOPIC, "--json")["published"]


FIELDS = ("fetched_at", "stationcode", "name", "is_installed", "capacity", "numdocksavailable", "numbikesavailable", "mechanical",
          "ebike", "is_renting", "is_returning", "duedate", "lat", "lon", "nom_arrondissement_communes")


def recording(path, rows):
    """A recording of readings that say a time and a few fields, the rest unknown."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(dict.fromkeys(FIELDS, "") | row for row in rows)
    return path


def late_readings(folder):
    """New stations, which report at the end of the history from a week ago: late for the network, not for themselves."""
    return recording(folder / "late.csv", [
        {"fetched_at": f"2022-06-02T{hour:02}:00:00Z", "stationcode": f"late-{station}", "duedate": f"2022-05-25T{hour:02}:10:00Z",
         "is_installed": "true", "is_returning": "true", "capacity": 30, "numdocksavailable": (station + hour) % 30}
        for hour in (4, 10) for station in range(LATE)])


def closing_reading(folder):
    """A station that reports in the next year: by its time all windows before it are closed, whatever the lateness here."""
    time = "2023-01-01T00:00:00Z"
    return recording(folder / "closing.csv", [{"fetched_at": time, "stationcode": "closing", "duedate": time}])


def options(folder, name, *more):
    return ["--engine", "spark", "--brokers", KAFKA, "--topic", TOPIC, "--checkpoint", folder / f"checkpoint-{name}",
            "--out", folder / f"windows-{name}", "--window", f"{WINDOW}s", "--zone", "arrondissement", "--until-end", "--json", *more]


def files_of(folder):
    """The files that Spark's own log of the folder names: others may be left of a batch that was broken off."""
    log = sorted((path for path in (folder / "_spark_metadata").iterdir() if path.name.split(".")[0].isdigit()),
                 key=lambda path: (int(path.name.split(".")[0]), path.suffix))
    compact = max((number for number, path in enumerate(log) if path.suffix == ".compact"), default=0)
    lines = [line for path in log[compact:] for line in path.read_text().splitlines()[1:]]
    return list(dict.fromkeys(json.loads(line)["path"].removeprefix("file://") for line in lines))


def written(folder):
    windows = pl.read_parquet(files_of(folder)).with_columns(pl.col("start").dt.epoch("s").alias("window_start"))
    windows = windows.rename({"full": "full_share", "empty": "empty_share"})
    windows = windows.with_columns(pl.col(quantity).struct.field(field).alias(f"{quantity}_{field}")
                                   for quantity in QUANTITIES for field in SUMMARY)
    assert windows.select(KEY).is_duplicated().sum() == 0, "a window was written twice"
    return windows


def equal(ours, theirs, columns, key=KEY):
    """The same keys; equal counts, and all else equal but for rounding."""
    both = ours.join(theirs, on=key, suffix="_theirs")
    assert len(both) == len(ours) == len(theirs), f"{len(ours)} rows against {len(theirs)}, {len(both)} keys are the same"
    for column in columns:
        a, b = both[column].cast(pl.Float64), both[f"{column}_theirs"].cast(pl.Float64)
        assert (a.is_null() == b.is_null()).all(), f"{column}: unknown in different rows"
        allowed = 0.0 if column in ("readings", "closed") or column.endswith("_count") else 1e-9
        wrong = ((a - b).abs() > allowed * b.abs().clip(lower_bound=1.0)).fill_null(False)
        assert not wrong.any(), f"{column}: {wrong.sum()} rows differ, {both.filter(wrong).head(3)}"
    return len(columns)


def alike(ours, theirs, place):
    """The same of JSON."""
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), (place, ours.keys() ^ theirs.keys())
        for name in ours.keys() - {"revision"}:
            alike(ours[name], theirs[name], f"{place} {name}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), (place, len(ours), len(theirs))
        for number, pair in enumerate(zip(ours, theirs)):
            alike(*pair, f"{place} {number}")
    elif isinstance(ours, float):
        assert abs(ours - theirs) <= 1e-9 * max(1.0, abs(theirs)), (place, ours, theirs)
    else:
        assert ours == theirs, (place, ours, theirs)


def all_of_zones(file):
    return [json.loads(line) for line in file.read_text().splitlines()]


def our_windows(folder):
    store = folder / "ours.sqlite"
    answer = example("part2_stream", "--brokers", KAFKA, "--topic", TOPIC, "--store", f"sqlite:{store}", "--until-end", "--json",
                     "--window", f"{WINDOW}s", "--zone", "arrondissement", "--zone-windows", folder / "zones.jsonl")
    with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
        cursor = connection.execute("SELECT * FROM station_windows WHERE station_code <> 'closing'")
        columns = [column[0] for column in cursor.description]
        rows = pl.DataFrame(cursor.fetchall(), schema=columns, orient="row", infer_schema_length=None)
    return answer, rows.drop("samples", "window_end", "revision")


def messages(folder, spark):
    """What is in the topic, with its places, read by Spark."""
    # By the Python that has PySpark.
    program = f"""
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote("{spark}").getOrCreate()
table = spark.read.format("kafka").option("kafka.bootstrap.servers", "{KAFKA}").option("subscribe", "{TOPIC}").load()
table.selectExpr("partition", "offset", "CAST(value AS STRING) AS value").write.parquet("{folder}/messages")
spark.stop()
"""
    python = subprocess.run([".ci/spark", "python"], capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run([python, "-c", program], check=True)
    text = pl.col("value")
    fact = lambda name: text.str.json_path_match(f"$.{name}") == "true"
    number = lambda name: text.str.json_path_match(f"$.{name}").cast(pl.Int64)
    rows = pl.read_parquet(f"{folder}/messages/*.parquet").select(
        "partition", "offset", text.str.json_path_match("$.stationcode").alias("station_code"),
        text.str.json_path_match("$.duedate").str.to_datetime(time_zone="UTC").dt.epoch("ms").alias("at"),
        (fact("is_installed") & fact("is_returning") & (number("capacity") > 0)).alias("open"),
        number("numdocksavailable").alias("docks"))
    return rows.with_columns((pl.col("at") // (WINDOW * 1000) * WINDOW).alias("window_start"))


def batches(checkpoint):
    """For each batch the offsets behind it, by partition, as Spark has noted them before it began."""
    ends = {}
    for path in (checkpoint / "offsets").iterdir():
        if path.name.isdigit():
            ends[int(path.name)] = {int(one): end for one, end in json.loads(path.read_text().splitlines()[2])[TOPIC].items()}
    return [ends[number] for number in sorted(ends)]


def by_sparks_rule(rows, checkpoint):
    """The windows that Spark is to write, with how many readings, and how many messages it is to drop."""
    kept, dropped, watermarks, newest, begin = [], 0, [0], None, {}
    for end in batches(checkpoint):
        of_batch = rows.filter(pl.any_horizontal(
            (pl.col("partition") == one) & pl.col("offset").is_between(begin.get(one, 0), to - 1) for one, to in end.items()))
        # By the watermark of the batch before: this batch's own closes windows when it has been read.
        late = (pl.col("window_start") + WINDOW) * 1000 <= watermarks[max(0, len(watermarks) - 2)]
        dropped += len(of_batch.filter(late))
        kept.append(of_batch.filter(~late))
        newest = max(filter(None, [newest, of_batch["at"].max()]), default=None)
        watermarks.append(max(watermarks[-1], newest - LATENESS * 1000))
        begin = end
    once = pl.concat(kept).sort("offset").unique(["station_code", "at"], keep="first", maintain_order=True)
    closed = once.filter((pl.col("window_start") + WINDOW) * 1000 <= watermarks[-2])
    known = pl.col("docks").filter(pl.col("open"))
    return closed.group_by(KEY).agg(pl.len().alias("readings"), known.mean().alias("docks_mean"), known.len().alias("docks_count")), dropped


def by_default_lateness(folder, name, rows, ours):
    expected, dropped = by_sparks_rule(rows, folder / f"checkpoint-{name}")
    windows = written(folder / f"windows-{name}")
    equal(windows, expected, ["readings", "docks_count", "docks_mean"])
    assert dropped >= 2 * LATE and not windows["station_code"].str.starts_with("late-").any(), dropped
    both = ours.join(windows, on=KEY, how="left", suffix="_theirs")
    differ = (both["readings"] != both["readings_theirs"]).fill_null(True).sum()
    return f"{len(windows)} windows as Spark's rule has them, {dropped} messages dropped by it; {differ} windows differ from ours"


# So that its own Spark is stopped too where this is.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))


class OwnSpark:
    """A Spark that may be killed."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.own = VAR / f"spark/{self.port}"
        self.environment = {**os.environ, "VELIB_SPARK_PORT": str(self.port)}
        self.url = f"sc://127.0.0.1:{self.port}"

    def start(self):
        subprocess.run([".ci/spark", "start"], env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def kill(self):
        os.kill(int((self.own / "pid").read_text()), signal.SIGKILL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                time.sleep(0.1)
            except OSError:
                return

    def stop(self):
        subprocess.run([".ci/spark", "stop"], env=self.environment, stdout=subprocess.DEVNULL)
        shutil.rmtree(self.own, ignore_errors=True)


class Shown:
    """A program that takes its stderr for a terminal, and so shows how far it is after each batch."""

    def __init__(self, command):
        self.terminal, inside = os.openpty()
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=inside)
        os.close(inside)
        os.set_blocking(self.terminal, False)
        self.shown = b""

    def told(self):
        try:
            while part := os.read(self.terminal, 65536):
                self.shown += part
        except OSError:  # Nothing now, or nothing any more.
            pass
        return self.shown.decode().replace("\x1b[K", "").replace("\r", "\n")

    def wait_until(self, so):
        """And a second more, into the next batch."""
        while self.process.poll() is None and not so(self.told()):
            time.sleep(0.05)
        assert self.process.poll() is None, f"it ended before it was killed: {self.told()}"
        time.sleep(1.0)

    def end(self):
        return self.process.wait(timeout=60), self.told().rstrip()


def killed_and_started_again(spark, folder, arguments):
    """The answer over the whole topic, of which the client was killed in the middle of a batch and started again beside the query,
    which lives on in the server; then the server was killed, which the client tells; then both began again, on what they had kept."""
    arguments = [*map(str, arguments), "--spark", spark.url]
    commits = folder / "checkpoint-all/commits"

    first = Shown([WITH_SPARK / "part2_stream", *arguments])
    first.wait_until(lambda _: (commits / "1").exists())
    first.process.kill()
    first.process.wait()
    # A query of its own has ended a batch, not the first one's, which lived on.
    second = Shown([WITH_SPARK / "part2_stream", *arguments])
    second.wait_until(lambda told: " took " in told)
    spark.kill()
    at, began = max(int(path.name) for path in commits.iterdir() if path.name.isdigit()), time.monotonic()
    code, told = second.end()
    last, took = told.splitlines()[-1], time.monotonic() - began
    assert code == 1 and last.startswith(f"error: {spark.url}: no Spark Connect server answers"), told
    spark.start()
    answer = example("part2_stream", *arguments, examples=WITH_SPARK)
    rest = answer["totals"]["batches"]
    assert rest > 2, rest
    return answer, f"client killed, then the server after batch {at}, told in {took:.0f} s; {rest} batches after that"


def the_whole_history(spark, folder):
    """Both engines over all of it, nothing late, Spark killed in the middle: every window of stations and zones is the same. How many
    messages there are, and the windows of our engine."""
    began = time.monotonic()
    published = publish(PARQUET) + publish(late_readings(folder)) + publish(closing_reading(folder))
    said(f"{published} messages in the topic", began)

    began = time.monotonic()
    answer, ours = our_windows(folder)
    said(f"our engine: {len(ours)} windows", began)

    began = time.monotonic()
    sparks, killed = killed_and_started_again(spark, folder, options(folder, "all", "--lateness", "60d", "--batch", "60000",
                                                                     "--zone-windows", folder / "zones-spark.jsonl"))
    columns = [column for column in ours.columns if column not in KEY]
    windows = written(folder / "windows-all")
    compared = equal(windows, ours, columns)
    # Our engine knows the closing station too: Spark has written no window of it yet.
    answer["division"]["unknown"] -= 1
    for part in ("window", "zones", "division", "stations", "usage"):
        alike(sparks[part], answer[part], part)
    zones = all_of_zones(folder / "zones.jsonl")
    alike(all_of_zones(folder / "zones-spark.jsonl"), zones, "windows of zones")
    assert len(zones) > 60 * len(windows["window_start"].unique()), len(zones)
    said(f"{killed}: equal to ours, {len(windows)} windows in {compared} columns, {len(zones)} of zones; and the use of the network "
         f"in the newest", began)
    return published, ours


def what_is_late(spark, folder, published, ours):
    """Spark has a rule of its own for what is late: it keeps to it, reading by reading."""
    began = time.monotonic()
    example("part2_stream", *options(folder, "late", "--batch", "60000", "--spark", spark.url), examples=WITH_SPARK)
    rows = messages(folder, spark.url)
    assert len(rows) == published
    said(by_default_lateness(folder, "late", rows, ours), began)


def main():
    print("the windows of a real Spark", flush=True)
    spark = OwnSpark()
    with tempfile.TemporaryDirectory() as folder:
        try:
            spark.start()
            what_is_late(spark, Path(folder), *the_whole_history(spark, Path(folder)))
        finally:
            spark.stop()


main()
