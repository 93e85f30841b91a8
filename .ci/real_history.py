#!/usr/bin/env python3
"""Holds the examples to the recorded history of 2022.

Usage: real_history.py SHARED (from the clone's top, after `cargo build --examples`; VELIB_KAFKA set)."""
import csv, json, math, os, subprocess, sys, tempfile, time, urllib.request
from pathlib import Path

SHARED = Path(sys.argv[1]).resolve()
HISTORY, PARQUET = SHARED / "data/velib-2022.csv.xz", SHARED / "data/velib-2022.parquet"
EXAMPLES = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "debug/examples"
KAFKA = os.environ["VELIB_KAFKA"]


def example(name, *options, status=0):
    """Runs an example, with its output as text; fails unless it exits as expected."""
    command = [EXAMPLES / name, *map(str, options)]
    started = time.monotonic()
    ended = subprocess.run(command, capture_output=True, text=True)
    print(f"  $ {' '.join([name, *command[1:]])}  [{time.monotonic() - started:.1f} s]", flush=True)
    assert ended.returncode == status, f"exit {ended.returncode}:\n{ended.stdout[-2000:]}\n{ended.stderr[-2000:]}"
    return ended.stdout


def ask(address, path):
    with urllib.request.urlopen(address + path) as answer:
        return json.load(answer)


class Portal:
    """The stand-in for the portal, on a free port of loopback."""

    def __enter__(self):
        command = [sys.executable, SHARED / "tools/opendata_server.py", HISTORY, "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        return self.process.stdout.readline().strip()

    def __exit__(self, *_):
        self.process.kill()


def both_interfaces_bring_every_station():
    with Portal() as address:
        counted = {}
        for api in ("v2.1", "v1.0"):
            poll = json.loads(example("part1_fetch", "--endpoint", address, "--api", api, "--rows", 10000, "--json"))
            stations = [{name: value for name, value in s.items() if name != "fetched_at"} for s in poll.pop("stations")]
            different = {json.dumps(station, sort_keys=True) for station in stations}
            # One code, 31706, stands there twice, as two stations of different capacity.
            assert poll["distinct"] == poll["counted"] == len(stations) == len(different), poll
            assert poll["codes"] == len({s["stationcode"] for s in stations}) == poll["counted"] - 1, poll
            counted[api] = poll["distinct"]
        station = json.loads(example("part1_fetch", "--endpoint", address, "--station", "16107", "--json"))
        assert station["stationcode"] == "16107" and station["capacity"] == 35, station
        print(f"both interfaces: {counted} distinct stations, as many as the portal counts")


def twenty_polls_reach_the_csv_once_each(folder):
    topic, out = f"ci-{os.getpid()}-{int(time.time())}", folder / "collected.csv"
    with Portal() as address:
        for _ in range(20):
            example("part1_fetch", "--endpoint", address, "--publish", "--brokers", KAFKA, "--topic", topic, "--polls", 1)
            ask(address, "/__next")
        served = {(code, due.replace("+00:00", "Z")) for code, due in ask(address, "/__served")}
    example("part3_collect", "--brokers", KAFKA, "--topic", topic, "--out", out, "--until-end")
    with open(out, encoding="utf-8", newline="") as file:
        rows = [(row["stationcode"], row["duedate"]) for row in csv.DictReader(file)]
    assert len(rows) == len(set(rows)), f"{len(rows) - len(set(rows))} rows are there twice"
    assert set(rows) == served, f"{len(served - set(rows))} missing, {len(set(rows) - served)} extra"
    print(f"20 polls through Kafka: {len(rows)} rows in the CSV, the same set as the portal served")


def forecast_meets_the_reference(folder):
    """Each model against what it must reach: Brier skill beside calibrated persistence, and average precision."""
    split, rule = "2022-05-26T00:00:00Z", ["--horizon", "60", "--tolerance", "20"]
    for model, least_skill, least_precision in (("logistic", 0.065, 0.455), ("blend", 0.095, 0.49)):
        predictions, scores = folder / f"{model}.csv", folder / f"{model}.json"
        told = json.loads(example("part4_train", "--pooled", "--data", PARQUET, "--split", split, "--horizon", "60m",
                                  "--tolerance", "20m", "--model", model, "--predictions", predictions,
                                  "--out", folder / model, "--json"))
        command = [sys.executable, SHARED / "tools/forecast_reference.py", "score", PARQUET, "--split", split, *rule,
                   "--predictions", predictions, "--json", scores]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        score = json.loads(scores.read_text())
        got, base = score["predictions"], score["calibrated_persistence"]
        print(f"forecast, {model}: {json.dumps(got)}", flush=True)
        assert score["missing"] == score["extra"] == 0, score
        assert f"{base['brier']:.5f}" == "0.01507", base
        ours, calibrated = (next(scores for scores in told["test"] if scores["model"] == name) for name in (model, "calibrated"))
        assert math.isclose(calibrated["brier"], base["brier"], rel_tol=1e-9), (calibrated, base)
        for name, theirs in (("brier", got["brier"]), ("average_precision", got["ap"]), ("auc", got["auc"])):
            assert math.isclose(ours[name], theirs, rel_tol=1e-4), f"{name}: {ours[name]} against {theirs}"
        skill = got["bss_vs_calibrated_persistence"]
        assert skill >= least_skill and got["ap"] >= least_precision, (skill, got)
        assert math.isclose(ours["brier_skill"], skill, abs_tol=1e-4), (ours, skill)


with tempfile.TemporaryDirectory() as temporary:
    folder = Path(temporary)
    both_interfaces_bring_every_station()
    twenty_polls_reach_the_csv_once_each(folder)
    forecast_meets_the_reference(folder)
print("4 passed, 0 failed")
