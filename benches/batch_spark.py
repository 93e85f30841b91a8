#!/usr/bin/env python3
"""What the statistics of Part 3 cost by the size of the history, on one core and on two: velib, and a Spark server that `part3_stats`
asks. Prints Markdown.

  python benches/batch_spark.py --data HISTORY.parquet [--copies 1,10,100] [--cores 1,2] [--rounds 1] [--file parquet] [--json FILE]

The history is laid end to end so often, each copy later than the one before it. Both sides read that file and answer
`part3_stats --overview`: free docks of each station, the mean of each zone, the stations sometimes empty, each reading counted once.
The answers must be equal to the last digit. Both are held to so many cores of this machine, Spark by local[N] besides.

Each server is started anew for one size and one number of cores, and asked for the smallest history once before, so that its
virtual machine is warm; that is not timed. seconds: from asking to the answer. memory: the peak of the whole process, for Spark the
server's, whose heap may grow to --heap, with what its warming took.

Spark is fetched by `.ci/spark` on first use, and needs Java. Needs: polars."""
import argparse, json, os, shutil, statistics, subprocess, sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "benches"))
from batch import history  # noqa: E402
from streaming import built, run  # noqa: E402

PORT = 15102
SIDES = {"velib": "velib", "spark": "Spark"}


class Server:
    """A Spark of its own on the first cores of this machine."""

    def __init__(self, cores, heap):
        self.cores = cores
        self.environment = os.environ | dict(VELIB_SPARK_PORT=str(PORT), VELIB_SPARK_HEAP=heap, VELIB_SPARK_CORES=str(cores))

    def __enter__(self):
        self.script("stop")
        self.script("start", wrap=held_to(self.cores))
        return self

    def __exit__(self, *_):
        self.script("stop")

    def script(self, what, wrap=()):
        subprocess.run([*wrap, TOP / ".ci/spark", what], check=True, env=self.environment, stdout=subprocess.DEVNULL)

    def memory(self):
        """The peak so far, MB."""
        var = Path(os.environ.get("VELIB_VAR") or TOP / "var")
        process = (var / f"spark/{PORT}/pid").read_text().strip()
        (peak,) = (line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) / 1024


def held_to(cores):
    return ["taskset", "-c", f"0-{cores - 1}"]


def ask(program, path, cores, *more):
    (told,), measured = run([*held_to(cores), program, "--overview", "--json", "--data", path, *more])
    told = json.loads(told)
    return dict(seconds=told.pop("seconds"), memory=measured["memory"]), told


def measure(options, program):
    measured = {}
    smallest = history(options.data, 1, options.file)
    for copies in options.copies:
        path = history(options.data, copies, options.file)
        for cores in options.cores:
            answer = None
            for number in range(options.rounds):
                print(f"{path.name}, {cores} cores, round {number + 1} of {options.rounds}", file=sys.stderr)
                one, answer = ask(program, path, cores)
                measured.setdefault((copies, cores, "velib"), []).append(one)
            with Server(cores, options.heap) as server:
                asked = ("--engine", "spark", "--spark", f"sc://127.0.0.1:{PORT}")
                ask(program, smallest, cores, *asked)
                for _ in range(options.rounds):
                    one, told = ask(program, path, cores, *asked)
                    if told != answer:
                        sys.exit(f"{path.name}: Spark and velib answer differently")
                    measured.setdefault((copies, cores, "spark"), []).append(dict(one, memory=server.memory()))
            readings = answer["overview"]["readings"] + answer["repeats"]
            report(measured, (copies, cores), readings)
    if options.json:
        options.json.write_text(json.dumps([dict(copies=key[0], cores=key[1], side=key[2], runs=ones) for key, ones in measured.items()], indent=1))


def report(measured, size, readings):
    median = lambda side, what: statistics.median(one[what] for one in measured[*size, side])
    cells = [f"{readings:,}", str(size[1])]
    cells += [cell for side in SIDES for cell in (f"{median(side, 'seconds'):.2f} s", f"{median(side, 'memory'):,.0f} MB")]
    print(f"| {' | '.join(cells)} | {median('spark', 'seconds') / median('velib', 'seconds'):.1f} |", flush=True)


def main():
    numbers = lambda text: [int(number) for number in text.split(",")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="a history as Parquet, in order of fetched_at")
    parser.add_argument("--copies", type=numbers, default=[1, 10, 100], metavar="N,N", help="how often it is laid end to end [default: 1,10,100]")
    parser.add_argument("--cores", type=numbers, default=[1, 2], metavar="N,N", help="on how many cores [default: 1,2]")
    parser.add_argument("--file", choices=["csv", "parquet"], default="parquet", help="as what it is kept [default: %(default)s]")
    parser.add_argument("--heap", default="6g", help="the most that Spark's heap may grow to [default: %(default)s]")
    parser.add_argument("--rounds", type=int, default=1, help="how often each side is asked [default: %(default)s]")
    parser.add_argument("--binaries", type=Path, metavar="DIR", help="where `part3_stats` with the feature `spark` is [default: the release build]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every single measurement is kept")
    options = parser.parse_args()
    if not shutil.which("taskset"):
        sys.exit("`taskset` is missing; install it, on Debian and Ubuntu by: apt-get install util-linux")
    options.data = options.data.resolve()
    program = built(options, ["part3_stats"], features=["spark"])[0]
    print(f"Spark's heap may grow to {options.heap}; medians of {options.rounds} runs.\n")
    print(f"| readings | cores | velib | memory | Spark | memory | Spark to velib |\n|{'---|' * 7}")
    measure(options, program)


if __name__ == "__main__":
    main()
