#!/usr/bin/env python3
"""Kills publishers and collectors at random moments, stops the broker, and holds each CSV to what the portal has served.

Usage: collector.py SHARED [--polls 200] [--kills 25] [--stops 3] [--others 1] [--only v2.1|v1.0|gbfs] [--drop-one]
(from the clone's top, after `cargo build --examples`). It starts a Kafka of its own, whose port is VELIB_KAFKA_PORT or a free one.

The portal's three interfaces are collected side by side: each has a stand-in for the portal, a topic, publishers and a collector of
its own; the broker they share. A stand-in (SHARED/tools/opendata_server.py) breaks three of ten answers. It steps to its next
snapshot only when a publisher, one process for each poll, has ended well: what a killed one had fetched and not published is still
on offer then. At the end the rows of each CSV must be what was served, as a set and in number. --drop-one leaves a row out before
that: the run must fail. Then a topic is collected once more into a folder, by three processes that share it: one is killed, one is
put to sleep until the group has given its partitions away, one joins late."""
import argparse, contextlib, csv, json, os, random, shutil, signal, socket, subprocess, sys, tempfile, threading, time, urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

EXAMPLES = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "debug/examples"
VAR = Path(os.environ.get("VELIB_VAR") or "var").resolve()
# What asks for each, after the stand-in's address.
INTERFACES = {"v2.1": ["", "--api", "v2.1"], "v1.0": ["", "--api", "v1.0"], "gbfs": ["/opendata/Velib_Metropole/gbfs.json", "--source", "gbfs"]}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--polls", type=int, default=200)
    parser.add_argument("--kills", type=int, default=25, help="of each interface's publisher, and as many of its collector")
    parser.add_argument("--stops", type=int, default=3, help="of the broker")
    parser.add_argument("--others", type=float, default=1, metavar="SHARE", help="of the polls and kills, for all interfaces but the first")
    parser.add_argument("--only", choices=INTERFACES, help="this interface alone")
    parser.add_argument("--fault-rate", type=float, default=0.3)
    parser.add_argument("--drop-one", action="store_true", help="leave one row out: the run must fail")
    return parser.parse_args()


def free_port():
    """A port that nobody listens on, nor on the two after it."""
    while True:
        port = random.randrange(20_000, 30_000)
        try:
            for after in range(3):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port + after))
            return port
        except OSError:
            pass


class Kafka:
    """A broker with a port and a folder of its own, empty at first."""

    def __init__(self):
        port = os.environ.get("VELIB_KAFKA_PORT") or str(free_port())
        home = VAR / "collector"
        self.environment = {**os.environ, "VELIB_VAR": str(home), "VELIB_KAFKA_PORT": port, "VELIB_KAFKA_HEAP": "384m"}
        self.address, self.stopped = f"127.0.0.1:{port}", 0
        # A run that was ended from outside may have left one.
        subprocess.run([".ci/kafka", "stop"], env=self.environment, stdout=subprocess.DEVNULL)
        shutil.rmtree(home / "kafka/data", ignore_errors=True)
        for library in (VAR / "kafka").glob("lib-*"):  # fetched before
            (home / "kafka").mkdir(parents=True, exist_ok=True)
            if not (home / "kafka" / library.name).exists():
                (home / "kafka" / library.name).symlink_to(library)

    def run(self, what):
        for attempt in range(5):  # On a busy machine it may look for its process a moment before that is there.
            if subprocess.run([".ci/kafka", what], env=self.environment, stdout=subprocess.DEVNULL).returncode == 0:
                break
            assert attempt < 4, f".ci/kafka {what} failed"
            time.sleep(1)
        self.stopped += what == "stop"

    def __enter__(self):
        self.run("start")
        return self

    def __exit__(self, *_):
        self.run("stop")


class Portal:
    """The stand-in, on a free port of loopback. It reads the history first: begin all before waiting for one."""

    def __init__(self, shared, fault_rate, seed):
        command = [sys.executable, shared / "tools/opendata_server.py", shared / "data/velib-2022.csv.xz", "--port", "0",
                   "--step", "--fault-rate", str(fault_rate), "--seed", str(seed)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        self.address = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_):
        self.process.kill()

    def ask(self, path):
        with urllib.request.urlopen(self.address + path) as answer:
            return json.load(answer)


class Collector:
    """part3_collect, always running: whoever ends it starts it again."""

    def __init__(self, kafka, topic, out, over):
        self.kafka, self.out, self.over = kafka, out, over
        self.command = [EXAMPLES / "part3_collect", "--brokers", kafka.address, "--topic", topic, "--out", out]
        self.log = open(out.with_suffix(".log"), "w+")
        self.process, self.killed, self.refused, self.while_writing = None, 0, 0, 0

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=self.log)

    def size(self):
        return self.out.stat().st_size if self.out.exists() else 0

    def kill(self):
        self.look()
        before = self.size()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.killed += 1
        self.while_writing += self.size() > before
        self.start()

    def look(self):
        """It may end by itself only because there was no broker when it started."""
        while self.process.poll() is not None and not self.over.is_set():
            told = self.told()
            assert "no broker there" in told or "does not answer" in told, f"exit {self.process.returncode}: {told[-2000:]}"
            self.log.truncate(0)
            self.refused += 1
            time.sleep(0.3)
            self.start()

    def told(self):
        return Path(self.log.name).read_text().replace("\0", "")

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        self.log.close()

    def finish(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        ended = subprocess.run([*self.command, "--until-end", "--json"], capture_output=True, text=True)
        assert ended.returncode == 0, f"exit {ended.returncode}: {ended.stderr[-2000:]}"
        return json.loads(ended.stdout)


class Outages:
    """The broker's, so many, as the first interface's polls go on."""

    def __init__(self, kafka, wanted, chance, over):
        self.kafka, self.chance, self.over, self.thread, self.error = kafka, chance, over, None, None
        self.left = moments(wanted.stops, wanted, chance)

    def reach(self, poll):
        if self.left and self.left[0] <= poll and not (self.thread and self.thread.is_alive()):
            self.left.pop(0)
            self.thread = threading.Thread(target=self.one)
            self.thread.start()

    def one(self):
        try:
            self.kafka.run("stop")
            time.sleep(self.chance.uniform(0, 3))
            self.kafka.run("start")
        except BaseException as error:
            self.error = error
            self.over.set()

    def end(self):
        if self.thread:
            self.thread.join()
        if self.error:
            raise self.error


def moments(count, wanted, chance):
    """The polls at which something goes wrong."""
    return sorted(chance.choices(range(1, wanted.polls), k=count))


class Run:
    """One interface: its stand-in, its topic, its publishers and its collector."""

    def __init__(self, name, kafka, portal, folder, wanted, chance, over):
        self.name, self.kafka, self.portal, self.wanted, self.chance, self.over = name, kafka, portal, wanted, chance, over
        self.topic, self.out, gaps = f"velib-{name}", folder / f"velib-{name}.csv", folder / f"gaps-{name}.jsonl"
        path, *flags = INTERFACES[name]
        self.command = [EXAMPLES / "part1_fetch", "--publish", "--polls", "1", "--brokers", kafka.address, "--topic", self.topic,
                        "--gaps", gaps, "--json", "--endpoint", portal.address + path, *flags]
        self.collector = Collector(kafka, self.topic, self.out, over)
        self.began, self.ended_badly, self.killed, self.reasons = 0, 0, 0, {}

    def publish(self):
        self.began += 1
        return subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def polls(self, outages):
        """All of them, with everything going wrong; what does not go as it must ends the other interfaces' too."""
        try:
            self.all_polls(outages)
        except BaseException:
            self.over.set()
            raise

    def all_polls(self, outages):
        kills, collector_kills = (moments(self.wanted.kills, self.wanted, self.chance) for _ in range(2))
        took, poll = [0.5], 0
        while not self.over.is_set() and (poll < self.wanted.polls or kills or collector_kills or (outages and outages.left)):
            if outages:
                outages.reach(poll)
            process, began = self.publish(), time.monotonic()
            if kills and kills[0] <= poll:
                time.sleep(self.chance.uniform(0, 1.2 * sorted(took)[len(took) // 2]))
                if process.poll() is None:
                    kills.pop(0)
                    process.send_signal(signal.SIGKILL)
                    process.communicate()
                    self.killed += 1
                    continue
            while collector_kills and collector_kills[0] <= poll:
                time.sleep(self.chance.uniform(0, 0.5))
                self.collector.kill()
                collector_kills.pop(0)
            if poll > 0:
                self.collector.look()
            _, told = process.communicate(timeout=300)
            if process.returncode == 0:
                took.append(time.monotonic() - began)
                self.portal.ask("/__next")
                poll += 1
                if poll == 1:
                    self.collector.start()  # The topic is there now.
            else:
                self.ended_badly += 1
                reason = (told.strip().splitlines() or ["?"])[-1]
                reason = reason.replace(self.portal.address, "PORTAL").replace(self.kafka.address, "KAFKA")[:110]
                self.reasons[reason] = self.reasons.get(reason, 0) + 1
                time.sleep(0.2)

    def served(self):
        return {(code, datetime.fromisoformat(due)) for code, due in self.portal.ask("/__served")}

    def check(self):
        """The CSV holds what was served; prints what happened."""
        collector = self.collector
        collector.look()
        told, last, served = collector.told(), collector.finish(), self.served()
        status, rows = self.portal.ask("/__status"), rows_of(self.out)
        if self.wanted.drop_one:
            rows.pop(self.chance.randrange(len(rows)))
        print(f"  {self.name}: {status['requests']} requests, {status['faults']} of them spoilt; {self.began} runs of the publisher: "
              f"{self.began - self.killed - self.ended_badly} ended well, {self.killed} killed, {self.ended_badly} failed; the collector "
              f"killed {collector.killed} times, {collector.while_writing} of them while it wrote; {told.count('the broker is away')} "
              f"outages told, {collector.refused} starts without a broker; {last['repeated']} repeats, {last['set_aside']} set aside in "
              "its last run", flush=True)
        for reason, count in self.reasons.items():
            print(f"    {count} x {reason}")
        hold(rows, served)
        try:
            hold(rows[:-1], served)
        except AssertionError:
            pass
        else:
            raise AssertionError("a row that is missing was not missed")
        print(f"    {len(rows)} rows in the CSV, the {len(served)} that were served, each once", flush=True)


def rows_of(*files):
    rows = []
    for file in files:
        with open(file, encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines, strict=True):
                assert None not in row and None not in row.values(), f"{file}: a torn line: {row}"
                rows.append((row["stationcode"], datetime.fromisoformat(row["duedate"].replace("Z", "+00:00"))))
    return rows


def hold(rows, served):
    """The rows are what was served, each once."""
    assert len(rows) == len(set(rows)), f"{len(rows) - len(set(rows))} rows are there twice"
    missing, extra = served - set(rows), set(rows) - served
    assert not missing and not extra, f"{len(missing)} rows are missing, {len(extra)} are too many: {sorted(missing)[:3]} {sorted(extra)[:3]}"
    assert len(rows) == len(served), (len(rows), len(served))


def shared_by_three(kafka, topic, folder, served):
    """Three collectors of one folder: one killed, one asleep until the group has given it up, one that joins."""
    out = folder / "shared"
    command = [EXAMPLES / "part3_collect", "--brokers", kafka.address, "--topic", topic, "--out", f"{out}/", "--until-end", "--json"]
    start = lambda: subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    asleep = start()
    while not list(out.glob("*.offsets")) and asleep.poll() is None:
        time.sleep(0.005)
    asleep.send_signal(signal.SIGSTOP)
    killed, third = start(), start()
    time.sleep(9)  # The group misses a member after six seconds.
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    joined = start()
    time.sleep(9)
    asleep.send_signal(signal.SIGCONT)
    written = []
    for process in (asleep, third, joined):
        told, wrong = process.communicate(timeout=120)
        assert process.returncode == 0, f"exit {process.returncode}: {wrong[-2000:]}"
        written.append(json.loads(told)["written"])
    files = sorted(out.glob("*.csv"))
    hold(rows_of(*files), served)
    print(f"  shared: {len(served)} rows in {len(files)} files by three collectors and one that was killed; the one that slept wrote "
          f"{written[0]}, the others {written[1:]}", flush=True)


def main():
    wanted, began = options(), time.monotonic()
    seed = int(os.environ.get("VELIB_SEED", time.time()))
    names = [wanted.only] if wanted.only else list(INTERFACES)
    passed = lambda: f"[{time.monotonic() - began:.0f} s]"
    print(f"collector, {', '.join(names)}: {wanted.polls} polls, faults {wanted.fault_rate:.0%} (VELIB_SEED={seed})", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = stack.enter_context(Kafka())
        runs, over = [], threading.Event()  # Set when something went so wrong that the rest need not be waited for.
        portals = [Portal(wanted.shared.resolve(), wanted.fault_rate, seed + number) for number in range(len(names))]
        for number, (name, portal) in enumerate(zip(names, portals)):
            stack.enter_context(portal)
            if number == 1:
                fewer = {what: round(getattr(wanted, what) * wanted.others) for what in ("polls", "kills")}
                wanted = argparse.Namespace(**{**vars(wanted), **fewer})
            runs.append(Run(name, kafka, portal, folder, wanted, random.Random(seed + number), over))
            stack.callback(runs[-1].collector.end)
        outages = Outages(kafka, runs[0].wanted, random.Random(seed), over)
        with ThreadPoolExecutor(len(runs)) as pool:
            try:
                for ended in [pool.submit(run.polls, outages if run is runs[0] else None) for run in runs]:
                    ended.result()
            except BaseException:
                over.set()
                raise
        outages.end()
        print(f"  the broker was stopped {kafka.stopped} times {passed()}", flush=True)
        for run in runs:
            run.check()
        shared_by_three(kafka, runs[0].topic, folder, runs[0].served())
        print(f"  {passed()}")


main()
