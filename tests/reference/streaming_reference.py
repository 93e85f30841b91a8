#!/usr/bin/env python3
"""What part2_stream must find, by Python's polars, in one go: streaming_reference.py HISTORY.parquet [--window SECONDS].

Prints nothing; `stations(history, seconds)` and `zones(windows, history)` give the tables, with the columns of the store's."""
import polars as pl

QUANTITIES = ("mechanical", "ebike", "docks", "occupancy")
HOUR = 3_600_000


def distinct(path):
    """Each (station, time) as it came first, with what the statistics need; times in milliseconds."""
    rows = pl.read_parquet(path).sort("fetched_at", maintain_order=True)
    rows = rows.unique(["stationcode", "duedate"], keep="first", maintain_order=True)
    flags = [pl.col("is_installed"), pl.col("is_returning"), pl.col("capacity") > 0]
    known_false = pl.any_horizontal([flag.not_().fill_null(False) for flag in flags])
    no_docks, no_bikes = pl.col("numdocksavailable") == 0, pl.col("numbikesavailable") == 0
    rows = rows.with_columns(
        time=pl.col("duedate").dt.epoch("ms"),
        closed=known_false,
        # Kleene's "and", which is polars' own.
        full=(flags[0] & flags[1] & flags[2] & no_docks).cast(pl.Float64),
        empty=(pl.col("is_installed") & pl.col("is_renting") & no_bikes).cast(pl.Float64))
    open_only = lambda column: pl.when(~pl.col("closed")).then(column).cast(pl.Float64)
    return rows.with_columns(
        docks_all=open_only(pl.col("capacity")), mechanical=open_only(pl.col("mechanical")),
        ebike=open_only(pl.col("ebike")), docks=open_only(pl.col("numdocksavailable")),
        occupancy=open_only(pl.when(pl.col("capacity") > 0).then(pl.col("numbikesavailable") / pl.col("capacity"))))


def of_quantity(rows, name, key):
    """Count, means, extremes, rate and turnover of one quantity, over the rows that know it."""
    known = rows.filter(pl.col(name).is_not_null()).group_by(key, maintain_order=True).agg(
        pl.len().alias(f"{name}_count"),
        pl.col(name).mean().alias(f"{name}_mean"),
        ((pl.col(name) * pl.col("held")).sum() / pl.col("held").sum()).alias(f"{name}_time_weighted_mean"),
        pl.col(name).min().alias(f"{name}_min"),
        pl.col(name).max().alias(f"{name}_max"),
        pl.col(name).last().alias(f"{name}_last"),
        ((pl.col(name).last() - pl.col(name).first()) * HOUR / (pl.col("time").last() - pl.col("time").first()))
        .alias(f"{name}_rate"),
        pl.when(pl.len() > 1).then(pl.col(name).diff().abs().sum()).alias(f"{name}_turnover"))
    return known.with_columns(pl.when(pl.col(f"{name}_count") > 1).then(pl.col(f"{name}_rate")).alias(f"{name}_rate"))


def stations(path, seconds):
    """One row for each station and window."""
    length, key = seconds * 1000, ["stationcode", "window_start"]
    rows = distinct(path).with_columns(window_start=(pl.col("time") // length) * seconds).sort("stationcode", "time")
    end = (pl.col("window_start") + seconds) * 1000
    following = pl.col("time").shift(-1).over(key)
    rows = rows.with_columns(held=pl.coalesce(following, end) - pl.col("time"))
    share = lambda name: ((pl.col(name) * pl.col("held")).sum() / pl.col("held").filter(pl.col(name).is_not_null()).sum())
    table = rows.group_by(key, maintain_order=True).agg(
        pl.len().alias("readings"), pl.col("closed").sum(), pl.col("docks_all").mean().alias("capacity"),
        share("full").alias("full_share"), share("empty").alias("empty_share"))
    for name in QUANTITIES:
        table = table.join(of_quantity(rows, name, key), on=key, how="left")
    return table.with_columns(pl.col(f"{name}_count").fill_null(0) for name in QUANTITIES).rename(
        {"stationcode": "station_code"}).fill_nan(None).sort("window_start", "station_code")


def zones(table, path):
    """One row for each commune and window; a station's commune is the last that was known of it."""
    places = distinct(path).filter(pl.col("nom_arrondissement_communes").is_not_null()).sort("time")
    places = places.group_by("stationcode").agg(pl.col("nom_arrondissement_communes").last().alias("zone"))
    placed = table.join(places.rename({"stationcode": "station_code"}), on="station_code")
    weight = pl.col("capacity")
    mean = lambda name: ((pl.col(name) * weight).sum() / weight.filter(pl.col(name).is_not_null()).sum()).alias(name)
    total = lambda name: pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)
    columns = [pl.len().alias("stations"), pl.col("readings").sum(), pl.col("closed").sum(), total("capacity"),
               mean("full_share"), mean("empty_share")]
    for name in QUANTITIES:
        flow = mean if name == "occupancy" else total
        columns += [pl.col(f"{name}_count").sum(), mean(f"{name}_mean"), mean(f"{name}_time_weighted_mean"),
                    pl.col(f"{name}_min").min(), pl.col(f"{name}_max").max(),
                    mean(f"{name}_last"), flow(f"{name}_rate"), flow(f"{name}_turnover")]
    return placed.group_by("zone", "window_start").agg(columns).fill_nan(None).sort("window_start", "zone")
