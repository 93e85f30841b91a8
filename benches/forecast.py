#!/usr/bin/env python3
"""Times the forecast against scikit-learn and LightGBM: the same rows, in one run, in turns. Prints Markdown.

  pip install polars pandas pyarrow scikit-learn lightgbm
  python benches/forecast.py HISTORY.parquet [--split 2022-05-26T00:00:00Z] [--rounds 3] [--models logistic,boost] [--binary PATH] [--json FILE]

Two comparisons of what one training needs, an hour ahead with a tolerance of 20 minutes:
1. From readings to a fitted model, each side with features of its own: ours, and what the strongest Python models of this
   problem use, by pandas and numpy as one would write it there: lags, calendar, how often each station was full, how its docks
   change at this hour, the last day and week, the ten nearest stations. The queue is ours alone.
2. The fit alone on the very same matrix, ours (`part4_train --export-features`), and the scores on the test rows.

Every measurement is of a process of its own, so that its peak memory is its own too; the sides take turns, and the median
of the rounds counts. Reading the file, importing libraries and a first small fit are not timed on the Python side; on ours
reading, and the validation that comes before the last fit, with its choice between two sizes of trees. Our peak memory holds
validation and test rows too. LightGBM's limits are its usual ones for this problem: 31 leaves of at least 300 rows."""
import argparse, json, os, statistics, subprocess, sys, tempfile, time
from importlib.metadata import version
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
HORIZON, TOLERANCE, DAY = 3600, 1200, 86_400
SEEDS = (1, 2, 3)


# What is measured in Python, in a process of its own: each of these prints one JSON object.

class Stopwatch:
    """Seconds of each step, by its name."""

    def __init__(self):
        self.seconds = {}

    def time(self, step, work):
        started = time.perf_counter()
        result = work()
        self.seconds[step] = self.seconds.get(step, 0) + time.perf_counter() - started
        return result


def usable(readings):
    """Usable readings with known counts, each (station, time) as it was fetched first, by station and time."""
    import polars as pl
    known = readings.drop_nulls(["stationcode", "duedate", "capacity", "numdocksavailable", "numbikesavailable"])
    known = known.sort("fetched_at").unique(["stationcode", "duedate"], keep="first")
    known = known.filter(pl.col("is_installed") & pl.col("is_returning") & (pl.col("capacity") > 0))
    known = known.rename({"stationcode": "code", "numdocksavailable": "docks", "numbikesavailable": "bikes"})
    known = known.sort("code", "duedate").with_columns(t=pl.col("duedate").dt.epoch("s"))
    return known.to_pandas().assign(full=lambda rows: (rows.docks == 0).astype(int))


def nearest(times, wanted):
    """Where in `times` each wanted time is nearest, the earlier of two, and how far it is."""
    import numpy as np
    after = np.searchsorted(times, wanted)
    early, late = np.clip(after - 1, 0, len(times) - 1), np.clip(after, 0, len(times) - 1)
    near = np.where(np.abs(times[early] - wanted) <= np.abs(times[late] - wanted), early, late)
    return near, np.abs(times[near] - wanted)


def labelled(rows):
    """The rows that have a label `y`."""
    import pandas as pd
    parts = []
    for _, own in rows.groupby("code", sort=False):
        times = own.t.values
        near, off = nearest(times, times + HORIZON)
        told = own.assign(y=own.full.values[near], change=own.docks.values[near] - own.docks.values)
        parts.append(told[(off <= TOLERANCE) & (times[near] > times)])
    return pd.concat(parts, ignore_index=True)


def features(train, rows):
    """Adds the features to the training rows; `rows` are the readings that lags and neighbours are looked up in."""
    lags(train, rows)
    memory(train, rows)
    past = rows[rows.t <= train.t.max()].copy()
    calendar(train), calendar(past)
    train["move"] = train.change.abs()
    share(train, train, "full", ["code"], 20, train.full.mean(), "usual")
    share(train, train, "full", ["code", "then", "weekend"], 10, train.usual.values, "usual_then")
    share(train, train, "move", ["code"], 20, train.move.mean(), "usual_move")
    share(train, train, "move", ["code", "hour", "weekend"], 3, train.usual_move.values, "usual_move")
    for at in (train, past):
        share(train, at, "change", ["code", "hour"], 3, 0, "usual_change")
        share(train, at, "change", ["code", "hour", "weekend"], 3, at.usual_change.values, "usual_change")
        at["expected"] = at.docks + at.usual_change
    shapes(train)
    neighbours(train, past)


def lags(train, rows):
    import numpy as np
    series = {code: (own.t.values, own.docks.values.astype(float)) for code, own in rows.groupby("code", sort=False)}
    changes, before = {"change_1": HORIZON, "change_2": 2 * HORIZON, "change_day": DAY}, {"yesterday": DAY, "last_week": 7 * DAY}
    added = {name: np.full(len(train), np.nan) for name in (*changes, *before)}
    for code, own in train.groupby("code", sort=False).indices.items():
        (times, docks), at, now = series[code], train.t.values[own], train.docks.values[own]
        for name, back in changes.items():
            near, off = nearest(times, at - back)
            added[name][own] = np.where((off <= TOLERANCE) & (times[near] < at), now - docks[near], np.nan)
        for name, back in before.items():
            near, off = nearest(times, at + HORIZON - back)
            added[name][own] = np.where((off <= TOLERANCE) & (times[near] <= at), docks[near], np.nan)
    for name, values in added.items():
        train[name] = values


def memory(train, rows):
    """The share of readings that were full over the last day and the last week."""
    import numpy as np
    series = {code: (own.t.values, np.append(0, own.full.values.cumsum())) for code, own in rows.groupby("code", sort=False)}
    added = {"full_day": (np.zeros(len(train)), DAY), "full_week": (np.zeros(len(train)), 7 * DAY)}
    for code, own in train.groupby("code", sort=False).indices.items():
        (times, full), at = series[code], train.t.values[own]
        until = np.searchsorted(times, at, side="right")
        for values, back in added.values():
            since = np.searchsorted(times, at - back)
            values[own] = (full[until] - full[since] + .5) / (until - since + 1)
    for name, (values, _) in added.items():
        train[name] = values


def calendar(train):
    import pandas as pd
    local = pd.to_datetime(train.t, unit="s", utc=True).dt.tz_convert("Europe/Paris")
    then = pd.to_datetime(train.t + HORIZON, unit="s", utc=True).dt.tz_convert("Europe/Paris")
    train["hour"], train["weekday"] = local.dt.hour, local.dt.dayofweek
    train["clock"] = local.dt.hour + local.dt.minute / 60
    train["weekend"], train["day"] = (train.weekday >= 5).astype(int), train.t // DAY
    train["block"], train["then"] = local.dt.hour // 2, then.dt.hour // 2


def share(train, at, value, keys, weight, prior, name):
    """Adds to `at` the mean of a value of the training rows by some keys, shrunk to `prior`, without the row's own day."""
    import pandas as pd
    tally = train.groupby(TOLD.get(tuple(keys), keys))[value].agg(["sum", "size"])
    of_day = train.groupby([*TOLD.get(tuple(keys), keys), "day"])[value].agg(["sum", "size"])
    look = lambda table, keys: table.reindex(pd.MultiIndex.from_frame(at[keys]) if len(keys) > 1 else at[keys[0]])
    known = look(tally, keys).fillna(0).values - look(of_day, [*keys, "day"]).fillna(0).values
    at[name] = (known[:, 0] + weight * prior) / (known[:, 1] + weight)


# Looked up by the block of hours of the target, told by that of the origin.
TOLD = {("code", "then", "weekend"): ["code", "block", "weekend"]}


def shapes(train):
    """Columns that a linear model can use."""
    import numpy as np
    train["ratio"], train["gap"] = train.docks / train.capacity, train.capacity - train.docks - train.bikes
    train["log_docks"], train["log_bikes"] = np.log1p(train.docks), np.log1p(train.bikes)
    train["log_move"], train["per_move"] = np.log(train.usual_move + .1), train.expected / (train.usual_move + .1)
    for name in ("usual", "usual_then", "full_day", "full_week"):
        train[f"logit_{name}"] = np.log(train[name].clip(1e-4) / (1 - train[name]))
    for most in (0, 1, 2, 5):
        train[f"at_most_{most}"] = (train.docks <= most).astype(int)
    for k in (1, 2, 3):
        train[f"sin_{k}"], train[f"cos_{k}"] = np.sin(2 * np.pi * k * train.clock / 24), np.cos(2 * np.pi * k * train.clock / 24)
    train["sin_weekend"], train["cos_weekend"] = train.sin_1 * train.weekend, train.cos_1 * train.weekend


def neighbours(train, rows):
    """What the ten nearest stations had reported by the origin, none of it older than three hours, weighted by exp(-km / 0.35)."""
    import numpy as np
    from sklearn.neighbors import BallTree
    places = np.radians(rows.groupby("code")[["lat", "lon"]].last().dropna())
    metres, near = BallTree(places.values, metric="haversine").query(places.values, k=11)
    weights = np.exp(-metres * 6_371_000 / 350)
    place_of = {code: place for place, code in enumerate(places.index)}
    series = {code: (own.t.values, np.stack([own.docks.clip(upper=15), own.expected.clip(-3, 15), own.full, own.docks / own.capacity], 1))
              for code, own in rows.groupby("code", sort=False)}
    sums, least = np.zeros((len(train), 5)), np.full(len(train), np.nan)
    for code, own in train.groupby("code", sort=False).indices.items():
        if code not in place_of:
            continue
        at, place = train.t.values[own], place_of[code]
        for other, weight in zip(near[place, 1:], weights[place, 1:]):
            times, values = series[places.index[other]]
            newest = np.searchsorted(times, at, side="right") - 1
            known, newest = (newest >= 0) & (at - times[newest] < 3 * 3600), np.clip(newest, 0, None)
            sums[own[known], :4] += weight * values[newest[known]]
            sums[own[known], 4] += weight
            least[own[known]] = np.fmin(least[own[known]], values[newest[known], 0])
    with np.errstate(invalid="ignore"):
        train[NEAR[:4]] = sums[:, :4] / sums[:, 4:]
    train["near_least"] = least


NEAR = ["near_docks", "near_expected", "near_full", "near_share", "near_least"]
USUAL = ["expected", "usual_change", "log_move", "per_move"]
COLUMNS = {
    "logistic": ["log_docks", "at_most_0", "at_most_1", "at_most_2", "at_most_5", "ratio", "log_bikes", "mechanical", "ebike",
                 "logit_usual", "logit_usual_then", "logit_full_day", "logit_full_week", "capacity", "weekend", "sin_1", "cos_1",
                 "sin_2", "cos_2", "sin_3", "cos_3", "sin_weekend", "cos_weekend", "change_1", "change_2", "change_day",
                 "yesterday", "last_week", "gap", *USUAL, *NEAR],
    "boost": ["docks", "bikes", "mechanical", "ebike", "capacity", "gap", "change_1", "change_2", "change_day", "yesterday",
              "last_week", "clock", "weekday", "usual", "usual_then", "full_day", "full_week", "ratio", "lat", "lon", *USUAL, *NEAR],
}


def fit_logistic(x, y):
    """sklearn's, with the column's mean where nothing is known."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=2000)).fit(x, y)
    return lambda x: model.predict_proba(x)[:, 1]


def lightgbm(x, y, rounds, rate, objective="binary", seed=1):
    import lightgbm
    settings = dict(objective=objective, num_leaves=31, learning_rate=rate, min_data_in_leaf=300, feature_fraction=.7,
                    bagging_fraction=.8, bagging_freq=1, lambda_l2=5, seed=seed, verbose=-1)
    return lightgbm.train(settings, lightgbm.Dataset(x, y), rounds)


def fit_boost(x, y):
    import numpy as np
    models = [lightgbm(x, y, 400, .03, seed=seed) for seed in SEEDS]
    return lambda x: np.mean([model.predict(x) for model in models], 0)


def fit_stacked(x, y, docks_then, days):
    """The same after three first models of how many docks will be free, out of fold by days, as our boosted trees have them."""
    import numpy as np
    targets = [("regression", np.minimum(docks_then, 8)), ("binary", docks_then <= 1), ("binary", docks_then <= 3)]
    folds, hints, columns = np.unique(days, return_inverse=True)[1] % 4, [], []
    for objective, target in targets:
        column = np.zeros(len(y))
        for fold in range(4):
            out = folds == fold
            column[out] = lightgbm(x[~out], target[~out], 120, .08, objective).predict(x[out])
        columns.append(column)
        hints.append(lightgbm(x, target, 120, .08, objective))
    model = fit_boost(np.column_stack([x, *columns]), y)
    return lambda x: model(np.column_stack([x, *(hint.predict(x) for hint in hints)]))


def warm_up(fit, x, y):
    """A fit of one row in fifty, so that threads and lazy imports are there when the fit is timed."""
    fit(x[::50], y[::50])


def own_features(kind, options):
    """Comparison 1, the Python side."""
    import pandas as pd, polars as pl
    fit = {"logistic": fit_logistic, "boost": fit_boost}[kind]
    import lightgbm, sklearn.impute, sklearn.linear_model, sklearn.neighbors  # so that the import is not timed
    readings, watch = pl.read_parquet(options.history), Stopwatch()
    rows = watch.time("history and labels", lambda: usable(readings))
    told = watch.time("history and labels", lambda: labelled(rows))
    train = told[told.t + HORIZON + TOLERANCE < pd.Timestamp(options.split).timestamp()].reset_index(drop=True)
    watch.time("features", lambda: features(train, rows))
    warm_up(fit, train[COLUMNS[kind]], train.y)
    watch.time("fit", lambda: fit(train[COLUMNS[kind]], train.y))
    return dict(seconds=watch.seconds, rows=len(train), columns=len(COLUMNS[kind]))


def same_matrix(kind, options):
    """Comparison 2, the Python side."""
    import pandas as pd, polars as pl
    import lightgbm, sklearn.impute, sklearn.linear_model
    from sklearn.metrics import average_precision_score, brier_score_loss
    table = pl.read_parquet(options.history)
    names = table.columns[table.columns.index("docks_then") + 1:]
    train, test = (table.filter(pl.col("part") == part) for part in ("train", "test"))
    x, y, later, came = (part.select(names).to_numpy() if of is None else part[of].to_numpy().astype(int)
                         for part in (train, test) for of in (None, "full"))
    days = pd.to_datetime(train["last_reported"].to_numpy(), unit="s", utc=True).tz_convert("Europe/Paris").date
    fit = {"logistic": lambda: fit_logistic(x, y), "boost": lambda: fit_boost(x, y),
           "stacked": lambda: fit_stacked(x, y, train["docks_then"].to_numpy(), days)}[kind]
    watch = Stopwatch()
    warm_up(fit_boost if kind != "logistic" else fit_logistic, x, y)
    model = watch.time("fit", fit)
    p = watch.time("predict", lambda: model(later))
    scores = dict(brier=brier_score_loss(came, p), ap=average_precision_score(came, p))
    return dict(seconds=watch.seconds, rows=len(x), columns=len(names), scores=scores)


# What measures.

def run(command):
    """Runs a command to its end: its output, its errors, and its peak memory in MB."""
    command = list(map(str, command))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, cwd=TOP)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        told, errors = out.read().decode(), err.read().decode()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit {process.returncode}\n{errors[-2000:]}")
    return told, errors, usage.ru_maxrss / 1024


def python(kind, comparison, file, options):
    worker = [sys.executable, Path(__file__).resolve(), file, "--split", options.split, "--worker", comparison, kind]
    told, _, memory = run(worker)
    return dict(json.loads(told), memory=memory)


def rust(binary, model, options, folder, *more):
    """One training: seconds by step as `part4_train --timings` tells them, rows, and scores on the test rows."""
    command = [binary, "--pooled", "--data", options.history, "--split", options.split, "--horizon", f"{HORIZON}s",
               "--tolerance", f"{TOLERANCE}s", "--model", model, "--timings", "--json", "--out", folder / "trained", *more]
    told, errors, memory = run(command)
    training = json.loads(told)
    steps = next(json.loads(line)["seconds"] for line in errors.splitlines() if line.startswith('{"horizon_seconds"'))
    seconds = {
        "history and labels": steps["history"] + steps["labels"],
        "features": steps["flows"] + steps["features of the training rows"],
        "fit": steps[f"fit {model}"],
        "predict": steps[f"predict {model}"],
    }
    test = next(one for one in training["test"] if one["model"] == model)
    scores = dict(brier=test["brier"], ap=test["average_precision"])
    return dict(seconds=seconds, rows=training["origins"]["train"], scores=scores, memory=memory)


def executable(options):
    """The release build of `part4_train`, made if it is missing, unless another is named."""
    if options.binary:
        return options.binary.resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target"))
    binary = TOP / target / "release/examples/part4_train"
    if not binary.is_file():
        print("building part4_train", file=sys.stderr)
        subprocess.run(["cargo", "build", "--release", "--example", "part4_train"], cwd=TOP, check=True)
    return binary


def median(rounds, *path):
    """The median over the rounds of what stands at `path` in each."""
    def at(one):
        for name in path:
            one = one[name]
        return one
    return statistics.median(map(at, rounds))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("history", type=Path, help="recorded readings as Parquet")
    parser.add_argument("--split", default="2022-05-26T00:00:00Z", help="when the test span begins [default: %(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side is run [default: %(default)s]")
    parser.add_argument("--models", default="logistic,boost", help="which of the two are timed [default: %(default)s]")
    parser.add_argument("--binary", type=Path, help="a part4_train to take [default: the release build]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where every single measurement is kept")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.history = options.history.resolve()
    if options.worker:
        import warnings
        warnings.filterwarnings("ignore")
        comparison, kind = options.worker
        print(json.dumps({"own": own_features, "same": same_matrix}[comparison](kind, options)))
        return
    binary, measured = executable(options), {}
    keep = lambda name, one: measured.setdefault(name, []).append(one)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        matrix = folder / "features.parquet"
        print("exporting the features", file=sys.stderr)
        rust(binary, "calibrated", options, folder, "--export-features", matrix)
        for round in range(options.rounds):
            for model in options.models.split(","):
                print(f"round {round + 1} of {options.rounds}: {model}", file=sys.stderr)
                keep(f"rust {model}", rust(binary, model, options, folder))
                keep(f"own {model}", python(model, "own", options.history, options))
                keep(f"same {model}", python(model, "same", matrix, options))
            if "boost" in options.models:
                keep("same stacked", python("stacked", "same", matrix, options))
    if options.json:
        options.json.write_text(json.dumps(measured, indent=1))
    report(measured, options)


def report(measured, options):
    names = ("scikit-learn", "lightgbm", "pandas", "polars", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {versions}; medians of {options.rounds} runs.\n")
    first = options.models.split(",")[0]
    rows, columns = measured[f"rust {first}"][0]["rows"], measured[f"same {first}"][0]["columns"]
    for name, rounds in measured.items():
        assert {one["rows"] for one in rounds} == {rows}, f"{name} has other rows: {rounds[0]['rows']} against {rows}"
    print(f"| from readings to a model, {rows:,} training rows | velib, {columns} features | Python | ratio |\n|---|---|---|---|")
    for model, title in (("logistic", "logistic"), ("boost", "boosted trees")):
        if model not in options.models:
            continue
        ours, theirs = measured[f"rust {model}"], measured[f"own {model}"]
        library = {"logistic": "scikit-learn", "boost": "LightGBM"}[model]
        print(f"| **{title}** | | {library}, {theirs[0]['columns']} features | |")
        steps = ("history and labels", "features", "fit")
        for rounds in (ours, theirs):
            for one in rounds:
                one["seconds"]["features and fit"] = one["seconds"]["features"] + one["seconds"]["fit"]
        for step in (*steps, "features and fit"):
            a, b = median(ours, "seconds", step), median(theirs, "seconds", step)
            print(f"| {step} | {a:.2f} s | {b:.2f} s | {a / b:.2f} |")
        a, b = median(ours, "memory"), median(theirs, "memory")
        print(f"| peak memory of the process | {a:.0f} MB | {b:.0f} MB | {a / b:.2f} |")
    print(f"\n| the same {columns} columns and {rows:,} rows | fit | predict the test rows | Brier | average precision |\n|---|---|---|---|---|")
    for name, title in (("rust logistic", "velib logistic"), ("same logistic", "scikit-learn LogisticRegression"),
                        ("rust boost", "velib boosted trees, stacked"), ("same stacked", "LightGBM, stacked in the same way"),
                        ("same boost", "LightGBM, plain")):
        if name not in measured:
            continue
        rounds = measured[name]
        scores = rounds[0]["scores"]
        print(f"| {title} | {median(rounds, 'seconds', 'fit'):.2f} s | {median(rounds, 'seconds', 'predict'):.2f} s "
              f"| {scores['brier']:.5f} | {scores['ap']:.3f} |")


if __name__ == "__main__":
    main()
