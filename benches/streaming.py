#!/usr/bin/env python3
"""Times the stream against Spark and Flink: one Kafka topic, the same windows, in one run, in turns. Prints Markdown.

  .ci/kafka start
  python benches/streaming.py [--sides bare,sqlite,spark,flink] [--rounds 3] [--readings 2622304] [--topic NAME] [--json FILE]
  python benches/streaming.py --memory 1000000,10000000 [--sides sqlite]

The topic: readings as JSON, one poll a minute of a simulated network as large as Vélib', 4 partitions, lz4, filled once and
kept (`cargo run --release --bench kafka fill`). The question: per station and ten minutes of event time, with a watermark 90
minutes back, mean, minimum, maximum and count of the free docks, mean mechanical and electric bikes, those of closed stations
left out. The sides:
- bare: a consumer of the same client library with the same settings that reads each message and forgets it; no work
- sqlite, postgres, postgres-2: ours, `part2_stream --until-end`, into a new store: SQLite; PostgreSQL; the same store of
  PostgreSQL shared by two processes of one group, which takes `.ci/postgres start`. It keeps minimum and maximum of the bikes,
  the occupancy and which readings it has counted besides
- spark: Structured Streaming, local[2], the whole topic in one batch (availableNow), appended to Parquet
- flink: SQL, parallelism 2, bounded, into CSV, a checkpoint every ten seconds

Each measurement is of processes of their own; the sides take turns, and the median of the rounds counts. Timed is the work, from
subscribing or starting the query to the last message read (bare), the last transaction written and the end of the topic
known (ours), the end of the query (Spark, Flink); the seconds that a process takes besides are in the JSON, as whole_process. Every answer is held to that of ours in SQLite: the number of
windows, readings, and sums over all of them; an answer that differs ends the run. Spark appends a window when the watermark
has passed it, so its answer is held to those windows.

--memory: the peak memory of ours for topics of so many readings, one run each.

Spark and Flink are fetched on first use, by pip into environments of their own and by Maven, into the folder VELIB_VAR (the
project's var/)."""
import argparse, csv, glob, json, os, shutil, sqlite3, statistics, subprocess, sys, tempfile, time, urllib.parse
from datetime import datetime
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("VELIB_VAR") or TOP / "var").resolve() / "streaming"
SPARK, FLINK = "4.2.0", "2.3.0"
PYTHON = {"spark": f"pyspark=={SPARK}", "flink": f"apache-flink=={FLINK}"}
JARS = {
    "spark": [f"org.apache.spark:spark-sql-kafka-0-10_2.13:{SPARK}", f"org.apache.spark:spark-token-provider-kafka-0-10_2.13:{SPARK}",
              "org.apache.kafka:kafka-clients:3.9.2", "org.apache.commons:commons-pool2:2.13.1"],
    "flink": ["org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2"],
}
SIDES = {
    "bare": "a consumer that reads and forgets",
    "sqlite": "velib, SQLite",
    "postgres": "velib, PostgreSQL",
    "postgres-2": "velib, PostgreSQL, 2 processes",
    "spark": f"Spark {SPARK} Structured Streaming, local[2]",
    "flink": f"Flink {FLINK} SQL, parallelism 2",
}
OURS = [side for side in SIDES if side.startswith(("sqlite", "postgres"))]

FIELDS = dict(capacity="INT", numdocksavailable="INT", mechanical="INT", ebike="INT", is_installed="BOOLEAN", is_returning="BOOLEAN")
WATERMARK_MINUTES = 90
ANSWER = ("windows", "readings", "docks_count", "docks_sum", "docks_min", "docks_max", "mechanical", "ebike")
AGGREGATES = """COUNT(*) AS readings, COUNT(docks) AS docks_count, AVG(docks) AS docks_mean, MIN(docks) AS docks_min,
    MAX(docks) AS docks_max, AVG(mechanical_bikes) AS mechanical_mean, AVG(electric_bikes) AS ebike_mean"""
# What an answer is held to, from windows with those columns.
DIGEST = """SELECT COUNT(*), SUM(readings), SUM(docks_count), SUM(docks_mean * docks_count), SUM(docks_min), SUM(docks_max),
    SUM(mechanical_mean), SUM(ebike_mean) FROM"""


def unless_closed(column):
    """A quantity of a station that is open: SQL that both engines understand."""
    return f"CASE WHEN is_installed AND is_returning AND capacity > 0 THEN CAST({column} AS DOUBLE) END"


QUANTITIES = dict(docks="numdocksavailable", mechanical_bikes="mechanical", electric_bikes="ebike")


# What is measured in Python, in a process of its own: each of these prints one JSON object.

def children():
    """Peak memory in MB and processor seconds of this process and all that it has started: the virtual machine is one of them."""
    parents, memory, ticks = {os.getpid()}, 0, 0
    for folder in sorted(glob.glob("/proc/[0-9]*"), key=lambda path: int(path.split("/")[2])):
        try:
            stat = Path(folder, "stat").read_text().rsplit(")", 1)[1].split()
            peak = [line for line in Path(folder, "status").read_text().splitlines() if line.startswith("VmHWM")]
        except OSError:
            continue
        process = int(folder.split("/")[2])
        if process in parents or int(stat[1]) in parents:
            parents.add(process)
            memory += int(peak[0].split()[1]) / 1024 if peak else 0
            ticks += int(stat[11]) + int(stat[12])
    return dict(memory=memory, cpu=ticks / os.sysconf("SC_CLK_TCK"))


def spark(brokers, topic, jars, folder):
    from pyspark.sql import SparkSession
    settings = {"spark.jars": jars, "spark.ui.enabled": "false", "spark.driver.memory": "4g", "spark.sql.shuffle.partitions": "4",
                "spark.sql.session.timeZone": "UTC"}
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    schema = ", ".join(f"{name} {kind}" for name, kind in dict(stationcode="STRING", duedate="TIMESTAMP", **FIELDS).items())
    messages = (session.readStream.format("kafka").option("kafka.bootstrap.servers", brokers).option("subscribe", topic)
                .option("startingOffsets", "earliest").load())
    readings = messages.selectExpr(f"from_json(CAST(value AS STRING), '{schema}') AS r").select("r.*")
    readings.withWatermark("duedate", "90 minutes").createOrReplaceTempView("readings")
    quantities = ", ".join(f"{unless_closed(column)} AS {name}" for name, column in QUANTITIES.items())
    windows = session.sql(f"""
        SELECT stationcode, window.start AS window_start, window.end AS window_end, {AGGREGATES}
        FROM (SELECT stationcode, duedate, {quantities} FROM readings) GROUP BY stationcode, window(duedate, '10 minutes')""")
    started = time.perf_counter()
    query = (windows.writeStream.format("parquet").option("path", f"{folder}/windows").outputMode("append")
             .option("checkpointLocation", f"{folder}/checkpoint").trigger(availableNow=True).start())
    query.awaitTermination()
    measured = dict(seconds=time.perf_counter() - started, **children())
    read = sum(progress["numInputRows"] for progress in query.recentProgress)
    session.read.parquet(f"{folder}/windows").createOrReplaceTempView("windows")
    return dict(measured, read=read, answer=list(session.sql(f"{DIGEST} windows").first()))


def flink(brokers, topic, jars, folder):
    from pyflink.common import Configuration
    from pyflink.table import EnvironmentSettings, TableEnvironment
    settings = {"pipeline.jars": jars, "parallelism.default": "2", "table.local-time-zone": "UTC",
                "execution.checkpointing.interval": "10 s", "execution.checkpointing.dir": f"file://{folder}/checkpoints",
                "io.tmp.dirs": f"{folder}/temporary", "web.tmpdir": f"{folder}/temporary"}
    configuration = Configuration()
    for name, value in settings.items():
        configuration.set_string(name, value)
    tables = TableEnvironment.create(EnvironmentSettings.new_instance().in_streaming_mode().with_configuration(configuration).build())
    fields = ", ".join(f"{name} {kind}" for name, kind in FIELDS.items())
    quantities = ", ".join(f"{name} AS {unless_closed(column)}" for name, column in QUANTITIES.items())
    tables.execute_sql(f"""
        CREATE TABLE readings (stationcode STRING, duedate TIMESTAMP_LTZ(3), {fields}, {quantities},
            WATERMARK FOR duedate AS duedate - INTERVAL '90' MINUTE)
        WITH ('connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{brokers}',
            'properties.group.id' = 'velib-bench-flink', 'scan.startup.mode' = 'earliest-offset',
            'scan.bounded.mode' = 'latest-offset', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601')""")
    tables.execute_sql(f"""
        CREATE TABLE windows (stationcode STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), readings BIGINT,
            docks_count BIGINT, docks_mean DOUBLE, docks_min DOUBLE, docks_max DOUBLE, mechanical_mean DOUBLE, ebike_mean DOUBLE)
        WITH ('connector' = 'filesystem', 'path' = 'file://{folder}/windows', 'format' = 'csv')""")
    started = time.perf_counter()
    tables.execute_sql(f"""
        INSERT INTO windows SELECT stationcode, window_start, window_end, {AGGREGATES}
        FROM TABLE(TUMBLE(TABLE readings, DESCRIPTOR(duedate), INTERVAL '10' MINUTES))
        GROUP BY stationcode, window_start, window_end""").wait()
    measured = dict(seconds=time.perf_counter() - started, **children())
    store = sqlite3.connect(":memory:")
    store.execute("CREATE TABLE windows (stationcode, window_start, window_end, readings INT, docks_count INT, docks_mean REAL, "
                  "docks_min REAL, docks_max REAL, mechanical_mean REAL, ebike_mean REAL)")
    for file in Path(folder, "windows").iterdir():
        if not file.name.startswith("."):  # those are not finished
            rows = ([cell or None for cell in row] for row in csv.reader(file.open()))
            store.executemany(f"INSERT INTO windows VALUES ({', '.join('?' * 10)})", rows)
    return dict(measured, answer=store.execute(f"{DIGEST} windows").fetchone())


# What measures.

def run(*commands, cwd=None):
    """Runs commands side by side to their ends: their output, the seconds until the last has ended, and together their
    processor seconds and peak memory in MB."""
    files = [(tempfile.TemporaryFile(), tempfile.TemporaryFile()) for _ in commands]
    started = time.perf_counter()
    processes = [subprocess.Popen(list(map(str, command)), stdout=out, stderr=err, cwd=cwd or TOP)
                 for command, (out, err) in zip(commands, files)]
    usages = []
    for process in processes:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        usages.append(usage)
    seconds, told = time.perf_counter() - started, []
    for process, (out, err) in zip(processes, files):
        out.seek(0), err.seek(0)
        told.append(out.read().decode())
        if process.returncode:
            sys.exit(f"{' '.join(process.args)}: exit {process.returncode}\n{err.read().decode()[-3000:]}")
    return told, dict(seconds=seconds, cpu=sum(usage.ru_utime + usage.ru_stime for usage in usages),
                      memory=sum(usage.ru_maxrss for usage in usages) / 1024)


def once(folder, name, make):
    """`folder`, made by `make` unless that was done before."""
    complete = folder / f".complete {name}"
    if not complete.exists():
        print(f"fetching {name} (once)", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make()
        complete.touch()
    return folder


def environment(engine):
    """The Python of an engine, and its jars."""
    def install():
        run([sys.executable, "-m", "venv", HOME / engine])
        run([HOME / engine / "bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check", PYTHON[engine]])

    def fetch():
        if not shutil.which("mvn"):
            sys.exit("`mvn` is missing; install it, on Debian and Ubuntu by: apt-get install maven")
        name = lambda part, text: f"<{part}>{text}</{part}>"
        exclusions = name("exclusions", name("exclusion", name("groupId", "*") + name("artifactId", "*")))
        wanted = "".join(name("dependency", "".join(map(name, ("groupId", "artifactId", "version"), jar.split(":"))) + exclusions)
                         for jar in JARS[engine])
        pom = (name("modelVersion", "4.0.0") + name("groupId", "velib") + name("artifactId", engine) + name("version", "1")
               + name("packaging", "pom") + name("dependencies", wanted))
        (jars / "pom.xml").write_text(f'<project xmlns="http://maven.apache.org/POM/4.0.0">{pom}</project>')
        run(["mvn", "-q", "-B", "-f", jars / "pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={jars}"])

    jars = HOME / f"{engine}-jars"
    once(HOME / engine, PYTHON[engine], install)
    once(jars, f"the connector of {PYTHON[engine]}", fetch)
    return HOME / engine / "bin/python", sorted(jars.glob("*.jar"))


def built(options, examples, benches=(), features=()):
    """The release builds of these, unless they are in a folder that is named."""
    if options.binaries:
        return [options.binaries.resolve() / name for name in (*benches, *examples)]
    targets = [part for kind, names in (("--bench", benches), ("--example", examples)) for name in names for part in (kind, name)]
    command = ["cargo", "build", "--release", *targets, "--features", ",".join(features), "--message-format", "json"]
    lines = subprocess.run(command, cwd=TOP, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    made = {one["target"]["name"]: one["executable"] for one in map(json.loads, lines) if one.get("executable")}
    return [made[name] for name in (*benches, *examples)]


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder, self.brokers, self.runs = options, folder, options.brokers, 0
        self.kafka, self.stream = built(options, ["part2_stream"], ["kafka"])

    def fill(self, readings):
        """The topic of so many readings. One with a name of ours may be made anew."""
        topic = self.options.topic or f"velib-bench-{readings}"
        command = [self.kafka, "fill", "--brokers", self.brokers, "--topic", topic, "--readings", readings]
        run(command if self.options.topic else [*command, "--replace"])
        return topic

    def measure(self, side, topic):
        """One run of a side: seconds, processor seconds, memory, and for all but the bare consumer its answer."""
        self.runs += 1
        folder = self.folder / f"{side}-{self.runs}"
        folder.mkdir()
        try:
            if side == "bare":
                (told,), measured = run([self.kafka, "bare", "--brokers", self.brokers, "--topic", topic])
                return dict(measured, **json.loads(told))
            if side in OURS:
                return self.ours(side, topic, folder)
            python, jars = environment(side)
            jars = (";" if side == "flink" else ",").join(jar.as_uri() for jar in jars)
            (told,), measured = run([python, Path(__file__).resolve(), "--worker", side, self.brokers, topic, jars, folder])
            told = json.loads(told.splitlines()[-1])
            return dict(told, answer=dict(zip(ANSWER, told["answer"])), whole_process=measured["seconds"])
        finally:
            shutil.rmtree(folder)

    def ours(self, side, topic, folder):
        database = f"velib_bench_{os.getpid()}_{self.runs}" if side.startswith("postgres") else None
        store = psql_url(self.options, database) if database else f"sqlite:{folder / 'store.sqlite'}"
        if database:
            psql(psql_url(self.options), f"CREATE DATABASE {database}")
        try:
            command = [self.stream, "--brokers", self.brokers, "--topic", topic, "--window", "10m", "--store", store,
                       "--until-end", "--json"]
            told, measured = run(*[command] * (2 if side.endswith("-2") else 1), cwd=folder)
            told = [json.loads(one) for one in told]
            measured = dict(measured, seconds=max(one["seconds"] for one in told), whole_process=measured["seconds"])
            # Times are seconds since 1970 in SQLite; PostgreSQL is asked for all windows alone.
            newest = max(datetime.fromisoformat(one["freshness"]["newest"].replace("Z", "+00:00")) for one in told if one["freshness"])
            watermark = newest.timestamp() - WATERMARK_MINUTES * 60
            if database:
                return dict(measured, answer=digest(psql(store, f"{DIGEST} station_statistics").split("|")))
            with sqlite3.connect(folder / "store.sqlite") as kept:
                ask = lambda query: digest(kept.execute(query).fetchone())
                return dict(measured, answer=ask(f"{DIGEST} station_statistics"),
                            closed=ask(f"{DIGEST} station_statistics WHERE window_end <= {watermark}"))
        finally:
            if database:
                psql(psql_url(self.options), f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")


def digest(cells):
    return dict(zip(ANSWER, map(float, cells)))


def psql_url(options, database=None):
    """The address of the server's own database, or of another one there."""
    url = options.postgres or run([TOP / ".ci/postgres", "address"])[0][0].strip()
    return urllib.parse.urlsplit(url)._replace(path=f"/{database}").geturl() if database else url


def psql(url, query):
    program = shutil.which("psql") or max(glob.glob("/usr/lib/postgresql/*/bin/psql"), default="psql")
    (told,), _ = run([program, "-X", "-A", "-t", "-q", url, "-c", query])
    return told.strip()


def check(side, measured, reference, readings):
    """Ends the run if a side has not read everything or answers otherwise than ours in SQLite."""
    if side == "bare":
        if measured["messages"] != readings:
            sys.exit(f"bare: read {measured['messages']} of {readings} messages")
        return
    wanted = reference["closed" if side == "spark" else "answer"]
    if measured.get("read", readings) != readings:
        sys.exit(f"{side}: read {measured['read']} of {readings} messages")
    for name in ANSWER:
        ours, theirs = wanted[name], measured["answer"][name]
        if abs(ours - theirs) > 1e-9 * abs(ours):
            sys.exit(f"{side}: {name} is {theirs}, ours in SQLite {ours}")


def compare(bench, options, sides):
    topic, measured = bench.fill(options.readings), {side: [] for side in sides}
    reference = None if "sqlite" in sides else bench.measure("sqlite", topic)
    for round in range(options.rounds):
        for side in sorted(sides, key=lambda side: (round == 0 and side != "sqlite", sides.index(side))):
            print(f"round {round + 1} of {options.rounds}: {side}", file=sys.stderr)
            one = bench.measure(side, topic)
            reference = reference or one
            check(side, one, reference, options.readings)
            measured[side].append(one)
    if reference["answer"]["readings"] != options.readings:
        sys.exit(f"ours in SQLite has counted {reference['answer']['readings']:.0f} of {options.readings} readings")
    if options.json:
        options.json.write_text(json.dumps(dict(readings=options.readings, reference=reference, measured=measured), indent=1))
    report(measured, reference["answer"], options)


def report(measured, answer, options):
    median = lambda side, what: statistics.median(one[what] for one in measured[side])
    rate = {side: options.readings / median(side, "seconds") for side in measured}
    ours = [side for side in measured if side in OURS]
    print(f"{os.cpu_count()} processors; {options.readings:,} readings, {answer['windows']:,.0f} windows; "
          f"medians of {options.rounds} runs.\n")
    ratios = [f"{SIDES[side]} to it" for side in ours]
    header = ["", "seconds", "readings per second", "processor seconds", "peak memory", *ratios]
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for side in measured:
        cells = [f"{median(side, 'seconds'):.1f}", f"{rate[side]:,.0f}", f"{median(side, 'cpu'):.1f}",
                 f"{median(side, 'memory'):,.0f} MB", *(f"{rate[one] / rate[side]:.2f}" for one in ours)]
        print(f"| {SIDES[side]} | {' | '.join(cells)} |")


def memory(bench, options, sides):
    measured = {}
    for readings in options.memory:
        topic = bench.fill(readings)
        for side in sides:
            print(f"{readings} readings: {side}", file=sys.stderr)
            one = bench.measure(side, topic)
            if one["answer"]["readings"] != readings:
                sys.exit(f"{side} has counted {one['answer']['readings']:.0f} of {readings} readings")
            measured[side, readings] = one
    print(f"| peak memory | {' | '.join(f'{readings:,} readings' for readings in options.memory)} |")
    print(f"|---|{'---|' * len(options.memory)}")
    for side in sides:
        print(f"| {SIDES[side]} | {' | '.join('{:.0f} MB'.format(measured[side, readings]['memory']) for readings in options.memory)} |")
    if options.json:
        options.json.write_text(json.dumps([dict(side=side, readings=n, **one) for (side, n), one in measured.items()], indent=1))


def main():
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(dict(spark=spark, flink=flink)[sys.argv[2]](*sys.argv[3:])))
        return
    numbers = lambda text: [int(number) for number in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", help=f"which are timed, of {','.join(SIDES)} [default: bare,sqlite,spark,flink]")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side is run [default: %(default)s]")
    parser.add_argument("--readings", type=int, default=2_622_304, help="how many the topic holds [default: %(default)s]")
    parser.add_argument("--memory", type=numbers, metavar="N,N", help="measure the peak memory of ours at so many readings instead")
    parser.add_argument("--topic", help="a topic to take or to make [default: velib-bench-READINGS]")
    parser.add_argument("--brokers", default=os.environ.get("VELIB_KAFKA"), help="[default: VELIB_KAFKA, or that of .ci/kafka]")
    parser.add_argument("--postgres", default=os.environ.get("VELIB_POSTGRES"), metavar="URL",
                        help="where databases are made and deleted [default: VELIB_POSTGRES, or that of .ci/postgres]")
    parser.add_argument("--binaries", type=Path, metavar="DIR", help="where `kafka` and `part2_stream` are [default: the release builds]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every single measurement is kept")
    options = parser.parse_args()
    sides = (options.sides or ("sqlite" if options.memory else "bare,sqlite,spark,flink")).split(",")
    for side in sides:
        if side not in (OURS if options.memory else SIDES):
            parser.error(f"--sides: there is no {side} here; known: {', '.join(OURS if options.memory else SIDES)}")
    options.brokers = options.brokers or run([TOP / ".ci/kafka", "address"])[0][0].strip()
    HOME.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HOME) as folder:
        (memory if options.memory else compare)(Bench(options, Path(folder)), options, sides)


if __name__ == "__main__":
    main()
