#!/usr/bin/env python3
"""Holds the page of part3_report to its report.json, read in headless Chromium, and the headline numbers to Python's polars.

Usage: report.py SHARED (from the clone's top, after `cargo build --examples`). Needs: polars, playwright.
Keeps the report and screenshots in $VELIB_VAR/artefacts/part3-report (var/artefacts/part3-report)."""
import json, os, shutil, subprocess, sys
from pathlib import Path

import polars as pl
from playwright.sync_api import sync_playwright

PARQUET = Path(sys.argv[1]).resolve() / "data/velib-2022.parquet"
EXAMPLE = Path(os.environ.get("CARGO_TARGET_DIR", "target")).resolve() / "debug/examples/part3_report"
OUT = Path(os.environ.get("VELIB_VAR", "var")).resolve() / "artefacts/part3-report"
HOUR, GAP, PRIOR = 3_600_000, 2 * 3_600_000, 4.0
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def by_polars():
    """Hours without a bike and without a dock, and the riders missed, from the definitions of `velib::batch::shortages`."""
    c = pl.col
    rows = pl.read_parquet(PARQUET).sort("fetched_at", maintain_order=True)
    rows = rows.unique(["stationcode", "duedate"], keep="first", maintain_order=True).sort("stationcode", "duedate")
    usable, rents = c("is_installed") & c("is_returning") & (c("capacity") > 0), c("is_installed") & c("is_renting")
    rows = rows.with_columns(due=c("duedate").dt.epoch("ms"), open=usable, rents=rents)
    rows = rows.filter(c("open").any().over("stationcode"))
    after = lambda column: c(column).shift(-1).over("stationcode")
    change = after("numbikesavailable") - c("numbikesavailable")
    between = after("due") - c("due")
    rows = rows.with_columns(
        held=between.clip(upper_bound=GAP).fill_null(0), between=between,
        bike=c("rents") & (c("numbikesavailable") > 0), dock=c("open") & (c("numdocksavailable") > 0),
        empty=c("rents") & (c("numbikesavailable") == 0), full=c("open") & (c("numdocksavailable") == 0),
        taken=pl.when((between <= GAP) & c("rents") & after("rents") & (c("numbikesavailable") > 0)).then((-change).clip(0)),
        brought=pl.when((between <= GAP) & c("open") & after("open") & (c("numdocksavailable") > 0)).then(change.clip(0)))
    pieces = rows.filter(c("held") > 0).with_columns(
        hour=pl.int_ranges(c("due") // HOUR, (c("due") + c("held") - 1) // HOUR + 1)).explode("hour").with_columns(
        piece=(pl.min_horizontal(c("due") + c("held"), (c("hour") + 1) * HOUR) - pl.max_horizontal(c("due"), c("hour") * HOUR)) / HOUR,
        local=pl.from_epoch(c("hour") * 3600).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Paris"))
    pieces = pieces.with_columns(week_hour=24 * (c("local").dt.weekday().cast(pl.Int64) - 1) + c("local").dt.hour())
    correct = lambda seen, expected: (seen + PRIOR) / (expected + PRIOR)
    found = {}
    for name, short, there, moved in (("bikes", "empty", "bike", "taken"), ("docks", "full", "dock", "brought")):
        cells = pieces.group_by("stationcode", "week_hour").agg(
            short=c("piece").filter(c(short)).sum(), known=c("piece").filter(c(short) | c(there)).sum(), seen=c("piece").filter(c(moved).is_not_null()).sum(),
            moved=(c(moved) * c("piece") * HOUR / c("between")).sum())
        week = cells.group_by("week_hour").agg(c("moved").sum(), c("seen").sum())
        moved, seen = (dict(zip(week["week_hour"], week[column])) for column in ("moved", "seen"))
        usual = [sum(moved.values()) / sum(seen.values())] * 168
        for reach in (3, 1, 0):
            around = lambda of, hour: sum(of.get((hour + step) % 168, 0) for step in range(-reach, reach + 1))
            usual = [rate * correct(around(moved, hour), rate * around(seen, hour)) for hour, rate in enumerate(usual)]
        cells = cells.with_columns(usual=c("week_hour").replace_strict(dict(enumerate(usual)), return_dtype=pl.Float64))
        cells = cells.with_columns(level=correct(c("moved").sum(), (c("usual") * c("seen")).sum()).over("stationcode"))
        cells = cells.with_columns(expected=c("level") * c("usual"))
        cells = cells.with_columns(rate=c("expected") * correct(c("moved"), c("expected") * c("seen")))
        missed, riders = ((cells[hours] * cells["rate"]).sum() for hours in ("short", "known"))
        found[name] = dict(hours=cells["short"].sum(), known_hours=cells["known"].sum(), seen=cells["moved"].sum(), missed=missed,
                           expected=riders, lost_share=missed / riders)
    return found


def number(cell):
    """What a cell says; a dash is unknown."""
    cell = cell.replace(",", "")
    return None if cell == "–" else float(cell.removesuffix(" %")) / (100 if cell.endswith("%") else 1)


def same(cell, value, decimals=1):
    said = number(cell)
    off = 0.5 * 10 ** -decimals * 1.001 / (100 if cell.endswith("%") else 1)
    assert (said is None and value is None) or abs(said - value) <= off, (cell, value)
    return 1


def between(cell, interval, decimals=1):
    ends = cell.split(" to ")
    return sum(same(end, interval[key], decimals) for end, key in zip(ends, ("low", "high"), strict=True))


def tables_agree(tables, report):
    # A table without rows is left out of the page.
    table = lambda begins: next((rows for caption, rows in tables.items() if caption.startswith(begins)), [])
    code = lambda cell: cell.split(" ")[0]
    stations = {s["stationcode"]: s for s in report["by_station"]}
    checked = 0
    for row, lack in zip(table("The whole network"), (report["bikes"], report["docks"]), strict=True):
        for cell, key in zip((row[1:4] + row[5:8]), ("hours", "share", "missed", "lost_share", "answered_share", "missed_answered"), strict=True):
            checked += same(cell, lack[key], 0 if key.startswith("missed") else 1)
        checked += between(row[4], lack["missed_interval"], 0)
    for wanted in ("bike", "dock"):
        kind, rows = f"{wanted}s", table(f"The stations where most riders find no {wanted}")
        best = sorted(stations.values(), key=lambda s: -(s[kind]["missed"] or 0))[:15]
        assert [code(row[0]) for row in rows] == [s["stationcode"] for s in best]
        for row in rows:
            station = stations[code(row[0])]
            lack = station[kind]
            for cell, key in zip((row[1], *row[3:5], row[6].removesuffix(" *")), ("missed", "hours", "share", "seen_hours"), strict=True):
                checked += same(cell, lack[key])
            checked += same(row[5], lack["answered_share"] if station["neighbours"] else None)
            checked += between(row[2], lack["missed_interval"])
            assert lack["seen_hours"] >= 24 or row[2] == "–", row
    for place, wanted in ((1, "bikes"), (3, "docks")):
        hours = [(share, hour) for hour, share in enumerate(report[f"{wanted}_by_hour"]) if share is not None]
        for row, (share, hour) in zip(table("The hours of the week"), sorted(hours, key=lambda one: -one[0])[:10], strict=True):
            assert row[place] == f"{DAYS[hour // 24]} {hour % 24}:00", (row, hour)
            checked += same(row[place + 1], share)
    for row, move in zip(table("The ten moves"), report["moves"]["top"], strict=True):
        assert (code(row[0]), code(row[1])) == (move["from"]["stationcode"], move["to"]["stationcode"])
        assert row[5] == f"{move['when_from']}:00 to {move['when_until']}:00"
        checked += same(row[2], move["metres"], 0) + same(row[3], move["missed"]) + same(row[4], move["hours"]) + same(row[6], move["when_missed"])
    for row, station in zip(table("The stations with the most docks"), report["missing_docks"]["stations"][:15], strict=True):
        assert code(row[0]) == station["stationcode"]
        checked += same(row[1], station["missing"]) + same(row[2], station["capacity"]) + same(row[3], station["share"]) + same(row[4], station["known_hours"])
    for row, station in zip(table("Stations of which"), report["silent"][:15], strict=True):
        assert code(row[0]) == station["stationcode"] and row[1] == station["last_reported"][:16].replace("T", " ")
        checked += same(row[2], station["silent_hours"]) + same(row[3], station["longest_gap_hours"])
    for row, kind in zip(table("Electric and"), ("electric", "mechanical"), strict=True):
        for cell, key, decimals in zip(row[1:], ("mean", "only_other_hours", "only_other_share", "moved", "moved_per_bike_day"), (2, 1, 1, 0, 2), strict=True):
            checked += same(cell, report["kinds"][kind][key], decimals)
    return checked


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    told = subprocess.run([EXAMPLE, "--data", PARQUET, "--out", OUT], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr[-2000:]
    report = json.loads((OUT / "report.json").read_text())
    assert report["source"] == "Data: Paris Data, ODbL", report["source"]
    outside, wrong = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"] if os.geteuid() == 0 else [])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("request", lambda request: request.url.startswith("file:") or outside.append(request.url))
        page.on("console", lambda message: wrong.append(message.text))
        page.goto((OUT / "index.html").as_uri())
        tables = page.evaluate("""Object.fromEntries([...document.querySelectorAll('table')].map(table => [table.caption.textContent,
            [...table.tBodies[0].rows].map(row => [...row.cells].map(cell => cell.textContent))]))""")
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1] and page.locator("figure svg").count() == 4, widths
        page.screenshot(path=OUT / "page.png", full_page=True)
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.pdf(path=OUT / "page.pdf")
        browser.close()
    assert not outside and not wrong, (outside, wrong)
    checked = tables_agree(tables, report)
    for name, theirs in by_polars().items():
        for key, value in theirs.items():
            assert abs(report[name][key] - value) <= 1e-9 * value, (name, key, report[name][key], value)
        print(f"{name}: {theirs['hours']:.1f} station-hours without, {theirs['missed']:.1f} riders missed: ours = Python's polars")
    print(f"part3_report: {checked} numbers of {len(tables)} tables read in Chromium are those of report.json; {OUT}")


main()
