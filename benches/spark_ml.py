#!/usr/bin/env python3
"""Holds the forecast to Spark ML: both learn from the same matrix and are scored on the same rows. Prints Markdown.

  python benches/spark_ml.py HISTORY.parquet [--split 2022-05-26T00:00:00Z] [--rounds 3] [--models logistic,boost] [--binaries DIR] [--json FILE]

An hour ahead with a tolerance of 20 minutes. `part4_train --export-features` writes the matrix, ours learns from it in the same
program, Spark from the file:
- logistic: Spark's LogisticRegression by its defaults
- boost: Spark's GBTClassifier by its defaults but for the trees, 100 in place of 20, with which it is worse than the baseline.
  Ours is stacked: three first models of how many docks will be free, then the mean of three seeds
Spark refuses what is unknown: the column's mean stands there, as in our logistic regression. Our trees have a branch for it.

The scores of all sides are computed here from the forecasts that each has written, row by row, by one function; a side that
leaves out a row ends the run, and so does a score of ours that differs from what `part4_train --json` says. Skill is measured
against calibrated persistence.

Each measurement is of a process of its own, the sides take turns, and the median of the rounds counts. Spark runs in local[2] with
the rows in its cache; starting it, reading and a first small fit are not timed, as reading and features are not on our side.
Peak memory is of the whole process: ours holds the history and makes the features too, Spark's the matrix alone.

Spark is fetched by `.ci/spark` on first use, and needs Java."""
import argparse, json, math, os, sys, tempfile, time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "benches"))
from forecast import executable, median, run, rust  # noqa: E402
from streaming import children  # noqa: E402

TREES = 100
# What each model is called in the table, ours and Spark's.
MODELS = {
    "logistic": ("velib, logistic regression", "Spark ML, LogisticRegression"),
    "boost": ("velib, boosted trees", f"Spark ML, GBTClassifier, {TREES} trees"),
}
BASELINE = "calibrated persistence"
ROW = ["stationcode", "last_reported"]


# What is done in Spark's Python, in a process of its own: each of these prints one JSON object.

def spark(model, matrix, forecasts):
    """Fits on the training rows and writes the forecasts of the test rows as `part4_train --predictions` does."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import GBTClassifier, LogisticRegression
    from pyspark.ml.feature import Imputer, VectorAssembler
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import SparkSession, functions
    settings = {"spark.ui.enabled": "false", "spark.driver.memory": "4g", "spark.sql.shuffle.partitions": "4",
                "spark.sql.session.timeZone": "UTC", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    table = session.read.parquet(matrix)
    features = table.columns[table.columns.index("docks_then") + 1:]
    table = table.withColumn("label", table.full.cast("double"))
    filled = [f"{name} filled" for name in features]
    classifier = LogisticRegression() if model == "logistic" else GBTClassifier(maxIter=TREES, seed=1)
    pipeline = Pipeline(stages=[Imputer(inputCols=features, outputCols=filled), VectorAssembler(inputCols=filled, outputCol="features"), classifier])
    train, test = (table.filter(table.part == part).repartition(4).cache() for part in ("train", "test"))
    rows, tested = train.count(), test.count()
    pipeline.fit(train.sample(.02, seed=1))
    started = time.perf_counter()
    fitted = pipeline.fit(train)
    fit = time.perf_counter() - started
    when = functions.date_format(functions.timestamp_seconds("last_reported"), "yyyy-MM-dd'T'HH:mm:ss'Z'")
    told = fitted.transform(test).select("stationcode", when.alias("last_reported"), vector_to_array("probability")[1].alias("p_full"))
    told.toPandas().to_csv(forecasts, index=False)
    return dict(seconds=dict(fit=fit), rows=rows, tested=tested, columns=len(features), version=session.version, **children())


def judge(matrix, *forecasts):
    """Brier score and average precision of each file of forecasts, all on the test rows of the matrix."""
    import pandas
    rows = pandas.read_parquet(matrix, columns=[*ROW, "part", "full"])
    test = rows[rows.part == "test"].assign(last_reported=lambda rows: pandas.to_datetime(rows.last_reported, unit="s", utc=True))
    scores = []
    for file in forecasts:
        told = pandas.read_csv(file, dtype={"stationcode": str}, parse_dates=["last_reported"], float_precision="round_trip")
        both = test.merge(told, on=ROW, how="outer", validate="one_to_one", indicator="found")
        if len(both) != len(test) or (both.found != "both").any() or both.p_full.isna().any():
            sys.exit(f"{file}: it is not of the {len(test)} test rows: {both.found.value_counts().to_dict()}")
        scores.append(score(both.full.to_numpy(dtype=float), both.p_full.to_numpy()))
    return scores


def score(came, p):
    """As in src/model/metrics.rs: no forecast is surer than one in a million, and what is forecast alike is one step."""
    import numpy as np
    brier = float(np.mean((came - np.clip(p, 1e-6, 1 - 1e-6)) ** 2))
    falling = np.argsort(-p, kind="stable")
    came, p = came[falling], p[falling]
    last = np.append(p[1:] != p[:-1], True)
    hits, count = np.cumsum(came)[last], np.flatnonzero(last) + 1
    return dict(brier=brier, ap=float(np.sum(np.diff(hits, prepend=0) * hits / count) / came.sum()))


# What measures.

def worker(python, *command):
    """What a function above gives, run by Spark's Python."""
    return json.loads(run([python, Path(__file__).resolve(), "--worker", *command])[0])


def measure(options, binary, python, folder):
    """Each side's rounds by its name, calibrated persistence's among them, with the scores of their forecasts."""
    matrix, measured = folder / "features.parquet", {}
    ours = lambda model, forecasts, *more: rust(binary, model, options, folder, "--predictions", forecasts, *more)
    theirs = lambda model, forecasts: worker(python, "spark", model, matrix, forecasts)

    def keep(name, work, model, *more):
        forecasts = folder / f"{sum(map(len, measured.values()))}.csv"
        measured.setdefault(name, []).append(dict(work(model, forecasts, *more), forecasts=forecasts))

    print("exporting the features", file=sys.stderr)
    keep(BASELINE, ours, "calibrated", "--export-features", matrix)
    for round in range(options.rounds):
        for model in options.models:
            print(f"round {round + 1} of {options.rounds}: {model}", file=sys.stderr)
            for name, work in zip(MODELS[model], (ours, theirs)):
                keep(name, work, model)
    runs = [one for rounds in measured.values() for one in rounds]
    judged = worker(python, "judge", matrix, *(one.pop("forecasts") for one in runs))
    for one, scores in zip(runs, judged):
        one["told"], one["scores"] = one.get("scores"), dict(scores, skill=1 - scores["brier"] / judged[0]["brier"])
    return measured


def check(measured):
    """Ends the run if a side has learned from other rows, or if ours says of itself what its forecasts do not."""
    rows = measured[BASELINE][0]["rows"]
    for name, rounds in measured.items():
        for one in rounds:
            if one["rows"] != rows:
                sys.exit(f"{name} has learned from {one['rows']} rows, {BASELINE} from {rows}")
            for what, told in (one["told"] or {}).items():
                if not math.isclose(told, one["scores"][what], rel_tol=1e-9):
                    sys.exit(f"{name}: {what} is {told} as part4_train says, {one['scores'][what]} by its forecasts")


def report(measured, options):
    spark = measured[MODELS[options.models[0]][1]][0]
    print(f"{os.cpu_count()} processors, Spark {spark['version']}; {spark['rows']:,} rows of {spark['columns']} columns to learn from, "
          f"{spark['tested']:,} to be scored on; runs: {options.rounds}, and their medians.\n")
    print(f"| on the same rows | Brier | skill | average precision | fit | peak memory |\n|{'---|' * 6}")
    for name, rounds in measured.items():
        scores = [f"{median(rounds, 'scores', 'brier'):.5f}", f"{median(rounds, 'scores', 'skill'):+.3f}", f"{median(rounds, 'scores', 'ap'):.3f}"]
        # The run of the baseline writes the matrix too.
        cost = ["", ""] if name == BASELINE else [f"{median(rounds, 'seconds', 'fit'):.2f} s", f"{median(rounds, 'memory'):,.0f} MB"]
        print(f"| {name} | {' | '.join(scores + cost)} |")


def main():
    if sys.argv[1:2] == ["--worker"]:
        print(json.dumps(dict(spark=spark, judge=judge)[sys.argv[2]](*sys.argv[3:])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", type=Path, help="recorded readings as Parquet")
    parser.add_argument("--split", default="2022-05-26T00:00:00Z", help="when the test span begins [default: %(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side is run [default: %(default)s]")
    parser.add_argument("--models", default=",".join(MODELS), help="which are compared [default: %(default)s]")
    parser.add_argument("--binaries", type=Path, metavar="DIR", help="where `part4_train` is [default: the release build]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every single measurement is kept")
    options = parser.parse_args()
    options.models = options.models.split(",")
    if unknown := [model for model in options.models if model not in MODELS]:
        parser.error(f"--models: there is no {unknown[0]} here; known: {', '.join(MODELS)}")
    options.history = options.history.resolve()
    options.binary = options.binaries and options.binaries / "part4_train"
    binary, python = executable(options), run([TOP / ".ci/spark", "python"])[0].strip()
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(options, binary, python, Path(folder))
    check(measured)
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1))
    report(measured, options)


if __name__ == "__main__":
    main()
