#!/usr/bin/env python3
"""Times the collector from a Kafka topic to CSV, beside a bare consumer and beside writing the same bytes. Prints Markdown.

  .ci/kafka start
  python benches/collecting.py [--sides bare,csv,write] [--rounds 3] [--readings 2622304] [--topic NAME] [--json FILE]
  python benches/collecting.py --memory 1000000,10000000

The topic is that of benches/streaming.py: 4 partitions, lz4, filled once and kept. The sides, in turns, each a process of its own:
- bare: a consumer of the same client library with the same settings that reads each message and forgets it; no work
- csv, parquet: `part3_collect --until-end` into a new file: every reading once, on the disk, with its place in the topic. Timed
  from asking for the topic to its known end; what the process takes besides is in the JSON
- write: the bytes of that CSV written to another file in pieces of a megabyte and brought to the disk once

--memory: the peak memory of the collector for topics of so many readings, one run each. Every CSV is held to the number of
readings in the topic."""
import argparse, json, os, statistics, subprocess, sys, tempfile, time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
HOME = Path(os.environ.get("VELIB_VAR") or TOP / "var").resolve() / "collecting"
SIDES = {"bare": "a consumer that reads and forgets", "csv": "velib, CSV", "parquet": "velib, Parquet", "write": "the same bytes written to a file"}
OURS = ("csv", "parquet")

sys.path.insert(0, str(TOP / "benches"))
from streaming import built, run  # noqa: E402


class Bench:
    def __init__(self, options, folder):
        self.options, self.folder, self.runs = options, folder, 0
        self.kafka, self.collect = built(options, ["part3_collect"], ["kafka"])

    def fill(self, readings):
        """The topic of so many readings. One with a name of ours may be made anew."""
        topic = self.options.topic or f"velib-bench-{readings}"
        command = [self.kafka, "fill", "--brokers", self.options.brokers, "--topic", topic, "--readings", readings]
        run(command if self.options.topic else [*command, "--replace"])
        return topic

    def measure(self, side, topic, readings):
        """One run of a side: seconds, processor seconds, memory, bytes written."""
        if side == "bare":
            (told,), measured = run([self.kafka, "bare", "--brokers", self.options.brokers, "--topic", topic])
            measured = dict(measured, **json.loads(told))
            if measured["messages"] != readings:
                sys.exit(f"bare: read {measured['messages']} of {readings} messages")
            return measured
        self.runs += 1
        out = self.folder / f"{self.runs}.{'parquet' if side == 'parquet' else 'csv'}"
        if side == "write":
            return self.write(out)
        (told,), measured = run([self.collect, "--brokers", self.options.brokers, "--topic", topic, "--out", out, "--until-end", "--json"])
        told = json.loads(told)
        if told["written"] != readings or told["repeated"]:
            sys.exit(f"{side}: {told['written']} of {readings} readings written, {told['repeated']} repeated")
        if side == "csv":
            self.last = self.folder / "last.csv"
            lines = sum(chunk.count(b"\n") for chunk in pieces(out))
            if lines != readings + 1:
                sys.exit(f"csv: {lines} lines for {readings} readings")
            out.rename(self.last)
        return dict(measured, seconds=told["seconds"], whole_process=measured["seconds"], bytes=(self.last if side == "csv" else out).stat().st_size)

    def write(self, out):
        # Piece by piece: what this process holds would be counted as the memory of those that it starts.
        started = time.perf_counter()
        with open(out, "wb", buffering=0) as file:
            for piece in pieces(self.last):
                file.write(piece)
            os.fdatasync(file.fileno())
        measured = dict(seconds=time.perf_counter() - started, cpu=0.0, memory=0.0, bytes=out.stat().st_size)
        out.unlink()
        return measured


def pieces(path):
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk


def compare(bench, options, sides):
    topic, measured = bench.fill(options.readings), {side: [] for side in sides}
    for round in range(options.rounds):
        for side in sides:
            print(f"round {round + 1} of {options.rounds}: {side}", file=sys.stderr)
            measured[side].append(bench.measure(side, topic, options.readings))
    if options.json:
        options.json.write_text(json.dumps(dict(readings=options.readings, measured=measured), indent=1))
    median = lambda side, what: statistics.median(one[what] for one in measured[side])
    rate = {side: options.readings / median(side, "seconds") for side in sides}
    ours = [side for side in sides if side in OURS]
    print(f"{os.cpu_count()} processors; {options.readings:,} readings; medians of {options.rounds} runs.\n")
    header = ["", "seconds", "readings per second", "processor seconds", "peak memory", *(f"{SIDES[side]} to it" for side in ours)]
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for side in sides:
        cells = [f"{median(side, 'seconds'):.2f}", f"{rate[side]:,.0f}", f"{median(side, 'cpu'):.1f}", f"{median(side, 'memory'):,.0f} MB",
                 *(f"{rate[one] / rate[side]:.2f}" for one in ours)]
        print(f"| {SIDES[side]} | {' | '.join(cells)} |")


def memory(bench, options):
    peaks = []
    for readings in options.memory:
        topic = bench.fill(readings)
        print(f"{readings} readings", file=sys.stderr)
        peaks.append(bench.measure("csv", topic, readings)["memory"])
    print(f"| peak memory | {' | '.join(f'{readings:,} readings' for readings in options.memory)} |\n|---|{'---|' * len(peaks)}")
    print(f"| velib, CSV | {' | '.join(f'{peak:.0f} MB' for peak in peaks)} |")


def main():
    numbers = lambda text: [int(number) for number in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", default="bare,csv,write", help=f"which are timed, of {','.join(SIDES)} [default: %(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side is run [default: %(default)s]")
    parser.add_argument("--readings", type=int, default=2_622_304, help="how many the topic holds [default: %(default)s]")
    parser.add_argument("--memory", type=numbers, metavar="N,N", help="measure the peak memory at so many readings instead")
    parser.add_argument("--topic", help="a topic to take or to make [default: velib-bench-READINGS]")
    parser.add_argument("--brokers", default=os.environ.get("VELIB_KAFKA"), help="[default: VELIB_KAFKA, or that of .ci/kafka]")
    parser.add_argument("--binaries", type=Path, metavar="DIR", help="where `kafka` and `part3_collect` are [default: the release builds]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every single measurement is kept")
    options = parser.parse_args()
    sides = options.sides.split(",")
    if unknown := [side for side in sides if side not in SIDES]:
        parser.error(f"--sides: there is no {unknown[0]} here; known: {', '.join(SIDES)}")
    if "write" in sides and "csv" not in sides[: sides.index("write")]:
        parser.error("--sides: write takes the bytes of csv, which must stand before it")
    options.brokers = options.brokers or run([TOP / ".ci/kafka", "address"])[0][0].strip()
    HOME.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HOME) as folder:
        bench = Bench(options, Path(folder))
        memory(bench, options) if options.memory else compare(bench, options, sides)


if __name__ == "__main__":
    main()
