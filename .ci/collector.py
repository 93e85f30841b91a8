#!/usr/bin/env python3
"""Kills publisher and collector at random moments, stops the broker, and holds the CSV to what the portal has served.

Usage: collector.py SHARED [--polls 200] [--kills 25] [--stops 3] [--api v2.1|v1.0] [--source gbfs] [--drop-one]
(from the clone's top, after `cargo build --examples`). It starts a Kafka of its own, whose port is VELIB_KAFKA_PORT or a free one.

The stand-in for the portal (SHARED/tools/opendata_server.py) breaks three of ten answers. It steps to its next snapshot only when
a publisher, one process for each poll, has ended well: what a killed one had fetched and not published is still on offer then.
At the end the rows of the CSV must be what was served, as a set and in number. --drop-one leaves a row out before that: the run
must fail. Then the same topic is collected once more into a folder, by three processes that share it: one is killed, one is put
to sleep until the group has given its partitions away, one joins late."""
import argparse, csv, json, os, random, shutil, signal, socket, subprocess, sys, tempfile, threading, time, urllib.request
from datetime import datetime
from pathlib import Path

EXAMPLES = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "debug/examples"
VAR = Path(os.environ.get("VELIB_VAR") or "var").resolve()


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("--polls", type=int, default=200)
    parser.add_argument("--kills", type=int, default=25, help="of the publisher, and as many of the collector")
    parser.add_argument("--stops", type=int, default=3, help="of the broker")
    parser.add_argument("--api", choices=["v2.1", "v1.0"], default="v2.1")
    parser.add_argument("--source", choices=["gbfs"], help="instead of the portal's interface")
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
        self.address, self.is_up = f"127.0.0.1:{port}", False
        shutil.rmtree(home / "kafka/data", ignore_errors=True)
        for library in (VAR / "kafka").glob("lib-*"):  # fetched before
            (home / "kafka").mkdir(parents=True, exist_ok=True)
            if not (home / "kafka" / library.name).exists():
                (home / "kafka" / library.name).symlink_to(library)

    def run(self, what):
        self.is_up = False
        for attempt in range(5):  # On a busy machine it may look for its process a moment before that is there.
            if subprocess.run([".ci/kafka", what], env=self.environment, stdout=subprocess.DEVNULL).returncode == 0:
                break
            assert attempt < 4, f".ci/kafka {what} failed"
            time.sleep(1)
        self.is_up = what == "start"

    def __enter__(self):
        self.run("start")
        return self

    def __exit__(self, *_):
        self.run("stop")


class Portal:
    """The stand-in, on a free port of loopback."""

    def __init__(self, shared, fault_rate, seed):
        self.command = [sys.executable, shared / "tools/opendata_server.py", shared / "data/velib-2022.csv.xz", "--port", "0",
                        "--step", "--fault-rate", str(fault_rate), "--seed", str(seed)]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_):
        self.process.kill()

    def ask(self, path):
        with urllib.request.urlopen(self.address + path) as answer:
            return json.load(answer)


class Collector:
    """part3_collect, always running: whoever ends it starts it again."""

    def __init__(self, kafka, topic, out):
        self.kafka, self.out = kafka, out
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
        while self.process.poll() is not None:
            told = self.told()
            assert "no broker there" in told or "does not answer" in told, f"exit {self.process.returncode}: {told[-2000:]}"
            self.log.truncate(0)
            self.refused += 1
            time.sleep(0.3)
            self.start()

    def told(self):
        return Path(self.log.name).read_text().replace("\0", "")

    def finish(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        ended = subprocess.run([*self.command, "--until-end", "--json"], capture_output=True, text=True)
        assert ended.returncode == 0, f"exit {ended.returncode}: {ended.stderr[-2000:]}"
        return json.loads(ended.stdout)


def publish(kafka, portal, topic, wanted):
    source = ["--source", "gbfs", "--endpoint", f"{portal.address}/opendata/Velib_Metropole/gbfs.json"]
    portals = ["--api", wanted.api, "--endpoint", portal.address]
    return subprocess.Popen([EXAMPLES / "part1_fetch", "--publish", "--polls", "1", "--brokers", kafka.address, "--topic", topic,
                             "--gaps", wanted.gaps, "--json", *(source if wanted.source else portals)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def polls_with_everything_going_wrong(kafka, portal, topic, collector, wanted, chance):
    """All polls; what became of the publisher's runs."""
    spread = lambda count: sorted(chance.choices(range(1, wanted.polls), k=count))
    kills, collector_kills, stops = spread(wanted.kills), spread(wanted.kills), spread(wanted.stops)
    runs, took, ended_badly, reasons = 0, [0.5], 0, {}
    outage, poll = None, 0
    while poll < wanted.polls or kills or collector_kills or stops:
        if stops and stops[0] <= poll and not (outage and outage.is_alive()):
            stops.pop(0)
            outage = threading.Thread(target=lambda: (kafka.run("stop"), time.sleep(chance.uniform(0, 3)), kafka.run("start")))
            outage.start()
        process, began = publish(kafka, portal, topic, wanted), time.monotonic()
        runs += 1
        if kills and kills[0] <= poll:
            time.sleep(chance.uniform(0, 1.2 * sorted(took)[len(took) // 2]))
            if process.poll() is None:
                kills.pop(0)
                process.send_signal(signal.SIGKILL)
                process.communicate()
                continue
        while collector_kills and collector_kills[0] <= poll:
            time.sleep(chance.uniform(0, 0.5))
            collector.kill()
            collector_kills.pop(0)
        if poll > 0:
            collector.look()
        _, told = process.communicate(timeout=300)
        if process.returncode == 0:
            took.append(time.monotonic() - began)
            portal.ask("/__next")
            poll += 1
            if poll == 1:
                collector.start()  # The topic is there now.
        else:
            ended_badly += 1
            reason = (told.strip().splitlines() or ["?"])[-1]
            reason = reason.replace(portal.address, "PORTAL").replace(kafka.address, "KAFKA")[:110]
            reasons[reason] = reasons.get(reason, 0) + 1
            time.sleep(0.2)
    if outage:
        outage.join()
    return runs, wanted.kills - len(kills), wanted.stops - len(stops), ended_badly, reasons


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
    chance, topic = random.Random(seed), "velib"
    name = wanted.source or wanted.api
    print(f"collector, {name}, {wanted.polls} polls, faults {wanted.fault_rate:.0%} (VELIB_SEED={seed})", flush=True)
    with tempfile.TemporaryDirectory() as folder, Kafka() as kafka, Portal(wanted.shared.resolve(), wanted.fault_rate, seed) as portal:
        folder = Path(folder)
        out, wanted.gaps = folder / "velib.csv", folder / "gaps.jsonl"
        collector = Collector(kafka, topic, out)
        runs, killed, stopped, ended_badly, reasons = polls_with_everything_going_wrong(kafka, portal, topic, collector, wanted, chance)
        collector.look()
        told, last = collector.told(), collector.finish()
        served = {(code, datetime.fromisoformat(due)) for code, due in portal.ask("/__served")}
        status = portal.ask("/__status")
        rows = rows_of(out)
        if wanted.drop_one:
            rows.pop(chance.randrange(len(rows)))
        print(f"  {status['requests']} requests, {status['faults']} of them spoilt; {runs} runs of the publisher: {runs - killed - ended_badly} ended well, "
              f"{killed} killed, {ended_badly} failed; the collector killed {collector.killed} times, {collector.while_writing} of them "
              f"while it wrote; the broker stopped {stopped} times, {told.count('the broker is away')} outages told, "
              f"{collector.refused} starts without a broker; {last['repeated']} repeats, {last['set_aside']} set aside in its last run", flush=True)
        for reason, count in reasons.items():
            print(f"    {count} x {reason}")
        hold(rows, served)
        try:
            hold(rows[:-1], served)
        except AssertionError:
            pass
        else:
            raise AssertionError("a row that is missing was not missed")
        print(f"  {len(rows)} rows in the CSV, the {len(served)} that were served, each once [{time.monotonic() - began:.0f} s]", flush=True)
        shared_by_three(kafka, topic, folder, served)
        print(f"  [{time.monotonic() - began:.0f} s]")


main()
