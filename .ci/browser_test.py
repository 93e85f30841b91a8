#!/usr/bin/env python3
"""Holds the live page to what it promises, in headless Chromium. Usage: browser_test.py SHARED (from the clone's top, after
`cargo build --examples`).

Keeps screenshots in $VELIB_VAR/artefacts (var/artefacts)."""
import csv, json, os, re, shutil, subprocess, sys, tempfile, threading, time, urllib.request
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from playwright.sync_api import expect, sync_playwright

PARQUET = Path(sys.argv[1]).resolve() / "data/velib-2022.parquet"
EXAMPLE = Path(os.environ.get("CARGO_TARGET_DIR", "target")).resolve() / "debug/examples/part2_stream"
ARTEFACTS = Path(os.environ.get("VELIB_VAR", "var")).resolve() / "artefacts"
EVIL = '<img src=x onerror="window.evil = 1"> & "Mairie"'
WAIT = 60_000


class Page:
    """`part2_stream --serve` in a folder, until the end of the block."""

    def __init__(self, folder, source, *options, address="127.0.0.1:0"):
        self.command = [EXAMPLE, "--source", source, "--store", "sqlite:page.sqlite", "--serve", address, *options]
        self.folder = folder

    def __enter__(self):
        self.process = subprocess.Popen(self.command, cwd=self.folder, stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if line.startswith("Page:"):
                self.url = line.split()[1]
                return self
        raise AssertionError(f"no page: exit {self.process.wait()}")

    def wait_for_end(self):
        assert any("all windows are in the store" in line or "no window yet" in line for line in self.process.stdout)

    def ask(self, path):
        with urllib.request.urlopen(self.url + path) as answer:
            return json.load(answer)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Tab:
    """A page of the browser; at the end nothing may have gone wrong in it, nor left this computer."""

    def __init__(self, browser, lost_connection=False, **options):
        self.context = browser.new_context(**options)
        self.page, self.wrong, self.lost_connection = self.context.new_page(), [], lost_connection
        self.page.on("console", lambda m: m.type in ("error", "warning") and self.wrong.append(f"console: {m.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("request", lambda r: r.url.startswith("http://127.0.0.1:") or self.wrong.append(f"outside: {r.url}"))

    def __enter__(self):
        return self.page

    def __exit__(self, kind, *_):
        if kind is None:
            self.page.wait_for_timeout(100)
            # Chromium itself logs a stream that breaks off.
            wrong = [w for w in self.wrong if not (self.lost_connection and "net::ERR_" in w)]
            assert not wrong, wrong
        self.context.close()


def circles(page):
    return page.locator("#map circle[data-code]")


def no_sideways_scroll(page):
    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1], widths


def name_of(page, code):
    return page.locator(f'#map circle[data-code="{code}"]').get_attribute("aria-label").rsplit(f", {code}: ", 1)[0]


def an_update_arrives_without_reload(page, served):
    page.goto(served.url)
    page.evaluate("window.marker = 'the first load'")
    expect(page.locator("#badge")).to_have_text("Recording", timeout=WAIT)
    first = page.locator("#ages").text_content()
    expect(page.locator("#ages")).not_to_have_text(first, timeout=WAIT)
    served.wait_for_end()
    newest = served.ask("/api/network")["newest"]
    while newest != (newest := (time.sleep(2), served.ask("/api/network")["newest"])[1]):
        pass
    # 2022-06-01T23:30:31Z is the recording's newest reading: half past one in Paris.
    expect(page.locator("#ages")).to_contain_text("01:30:31 on 2 June 2022", timeout=WAIT)
    assert page.evaluate("window.marker") == "the first load", "the page was loaded again"


def every_station_is_on_the_map(page, served):
    expect(circles(page)).to_have_count(1421)
    assert served.ask("/api/network")["stations"]["all"] == 1421
    expect(page.locator("#totals")).to_contain_text("of 1,421")
    assert page.locator("#map circle[tabindex='0']").count() == 1
    assert page.locator("#zones tbody tr").count() == 15
    page.get_by_role("button", name="Show all 60 zones").click()
    assert page.locator("#zones tbody tr").count() == 60
    page.get_by_role("button", name="Occupancy", exact=True).click()
    expect(page.locator("[data-by=occupancy]")).to_have_attribute("aria-sort", "descending")
    shares = [int(re.search(r"\d+", text)[0]) for text in page.locator("#zones td:last-child").all_text_contents()]
    assert shares == sorted(shares, reverse=True), shares
    page.get_by_role("button", name="Fresh stations").click()
    page.get_by_role("button", name="Show 15 zones").click()


def a_click_opens_a_station(page, served):
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator('#map circle[data-code="16107"]').bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    code = page.evaluate("([x, y]) => document.elementFromPoint(x, y).dataset.code", [x, y])
    page.mouse.click(x, y)
    expect(page.locator("#station-name")).to_have_text(name_of(page, code))
    expect(page.locator("#chart svg")).to_be_visible()
    day = served.ask(f"/api/stations/{code}")
    assert len(day["windows"]) > 10, day
    page.locator("#station summary").click()
    expect(page.locator("#station tbody tr")).to_have_count(len(day["windows"]))
    page.locator("#station summary").click()
    shown = page.locator("#station .docks dd").text_content()
    assert float(shown) == day["station"]["docks"], (shown, day["station"])
    page.get_by_role("button", name="Close the station").click()
    expect(page.locator("#chart")).to_have_count(0)


def the_keyboard_opens_stations(page):
    focused = lambda: page.evaluate("document.activeElement.dataset.code ?? null")
    page.locator("#search").focus()
    for _ in range(8):
        page.keyboard.press("Tab")
        if focused():
            break
    first = focused()
    assert first, "Tab does not reach the map"
    seen = {first}
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
        seen.add(focused())
    assert len(seen) > 2 and None not in seen, seen
    page.keyboard.press("+")
    page.keyboard.press("0")
    code = focused()
    page.keyboard.press("Enter")
    expect(page.locator("#station-name")).to_have_text(name_of(page, code))
    assert page.evaluate("document.activeElement.id") == "station"
    page.keyboard.press("Escape")
    expect(page.locator("#chart")).to_have_count(0)
    assert focused() == code

    page.locator("#search").focus()
    page.keyboard.type("godard victor")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("#station-name")).to_have_text("Benjamin Godard - Victor Hugo")
    expect(page.locator("#station")).to_contain_text("16107")
    expect(page.locator("#chart svg")).to_be_visible()
    page.locator("#station-name").click()


def a_telephone_reads_it_too(browser, served):
    with Tab(browser, viewport={"width": 390, "height": 844}, device_scale_factor=2, has_touch=True, is_mobile=True) as page:
        page.goto(served.url)
        expect(circles(page)).to_have_count(1421, timeout=WAIT)
        no_sideways_scroll(page)
        assert page.evaluate("[...document.querySelectorAll('.wide')].every((e) => e.scrollWidth <= e.clientWidth)")
        assert page.evaluate("parseFloat(getComputedStyle(document.getElementById('search')).fontSize)") >= 16
        page.screenshot(path=ARTEFACTS / "page-phone.png")
        box = page.locator("#map").bounding_box()
        page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.locator("#chart svg")).to_be_in_viewport()
        no_sideways_scroll(page)
        page.screenshot(path=ARTEFACTS / "page-phone-station.png")
        page.screenshot(path=ARTEFACTS / "page-phone-whole.png", full_page=True)


def hostile(path):
    """Stations whose names are markup, one without a place."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["fetched_at", "stationcode", "name", "is_installed", "capacity", "numdocksavailable", "numbikesavailable",
                         "mechanical", "ebike", "is_renting", "is_returning", "duedate", "lat", "lon", "nom_arrondissement_communes"])
        for code, minute, place in (("<b>1</b>", 1, (48.86, 2.35)), ("2", 3, (48.87, 2.36)), ("3", 5, ("", ""))):
            writer.writerow([f"2022-05-12T09:{minute + 5:02}:00Z", code, EVIL, "true", 20, 5, 15, 9, 6, "true", "true",
                             f"2022-05-12T09:{minute:02}:00Z", *place, "<script>window.evil = 1</script>"])


def text_from_outside_stays_text_and_a_lost_connection_is_told(browser, folder):
    hostile(folder / "hostile.csv")
    with Tab(browser, lost_connection=True, viewport={"width": 390, "height": 844}) as page:
        with Page(folder, "hostile.csv") as served:
            page.goto(served.url)
            expect(circles(page)).to_have_count(2, timeout=WAIT)
            expect(page.locator("#legend")).to_contain_text("1 without a place", timeout=WAIT)
            for code in ("3", "<b>1</b>"):
                page.locator("#search").fill(code)
                page.keyboard.press("Enter")
                expect(page.locator("#station-name")).to_have_text(EVIL)
                expect(page.locator("#chart svg")).to_be_visible()
            expect(page.locator("#zones tbody th")).to_contain_text("<script>window.evil = 1</script>")
            assert page.evaluate("document.querySelectorAll('main img, main script, main b:not(#zones b)').length") == 0
            assert page.evaluate("window.evil") is None
            no_sideways_scroll(page)
            page.evaluate("window.marker = 1")
            address = served.url.removeprefix("http://")
        expect(page.locator("#badge")).to_have_text("Connection lost", timeout=WAIT)
        page.screenshot(path=ARTEFACTS / "page-lost.png")
        with Page(folder, "hostile.csv", address=address):
            expect(page.locator("#badge")).to_have_text("Recording", timeout=WAIT)
            assert page.evaluate("window.marker") == 1


class Portal(ThreadingHTTPServer):
    """A portal with these stations, each heard of five minutes ago."""

    def __init__(self, codes):
        due = datetime.now(timezone.utc) - timedelta(minutes=5)
        records = [{"stationcode": code, "name": f"Station {code}", "is_installed": "OUI", "capacity": 20, "numdocksavailable": 5,
                    "numbikesavailable": 15, "mechanical": 9, "ebike": 6, "is_renting": "OUI", "is_returning": "OUI",
                    "duedate": due.isoformat(timespec="seconds"), "coordonnees_geo": {"lon": 2.35, "lat": 48.86},
                    "nom_arrondissement_communes": "Paris"} for code in codes]

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self):
                body = json.dumps({"total_count": len(records), "results": records}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


def a_live_stream_and_an_empty_one_are_told_apart(browser, folder):
    for codes, badge, ages in (([], "No readings yet", "No station has reported yet"), (["16107", "9020"], "Live", "5 min ago. The feed itself runs 5 min behind.")):
        folder = folder / "next"
        folder.mkdir()
        with Portal(codes) as portal, Page(folder, "live", "--endpoint", portal.url) as served, Tab(browser, viewport={"width": 1280, "height": 900}) as page:
            page.clock.install()
            page.goto(served.url)
            expect(page.locator("#badge")).to_have_text(badge, timeout=WAIT)
            expect(page.locator("#ages")).to_contain_text(ages)
            expect(circles(page)).to_have_count(len(codes))
            page.screenshot(path=ARTEFACTS / f"page-{badge.split()[0].lower()}.png")
            # Nothing comes for twenty minutes, as far as the page can tell.
            page.clock.fast_forward("20:00")
            if codes:
                expect(page.locator("#badge")).to_have_text("Stale")
                expect(page.locator("#ages")).to_contain_text("Nothing has arrived for 20 min.")
                page.screenshot(path=ARTEFACTS / "page-stale.png")
            portal.shutdown()


ARTEFACTS.mkdir(parents=True, exist_ok=True)
with sync_playwright() as playwright, tempfile.TemporaryDirectory() as temporary:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"] if os.geteuid() == 0 else [])
    folders = [Path(temporary) / name for name in ("history", "hostile", "live")]
    for folder in folders:
        folder.mkdir()
    with Page(folders[0], PARQUET) as served:
        with Tab(browser, viewport={"width": 1280, "height": 900}) as page:
            an_update_arrives_without_reload(page, served)
            every_station_is_on_the_map(page, served)
            a_click_opens_a_station(page, served)
            the_keyboard_opens_stations(page)
            no_sideways_scroll(page)
            page.screenshot(path=ARTEFACTS / "page-desktop.png", full_page=True)
        with Tab(browser, viewport={"width": 1280, "height": 900}, color_scheme="dark") as page:
            page.goto(served.url + "/#16107")
            expect(page.locator("#chart svg")).to_be_visible(timeout=WAIT)
            page.screenshot(path=ARTEFACTS / "page-dark.png", full_page=True)
        a_telephone_reads_it_too(browser, served)
    text_from_outside_stays_text_and_a_lost_connection_is_told(browser, folders[1])
    a_live_stream_and_an_empty_one_are_told_apart(browser, folders[2])
    browser.close()
print(f"7 passed, 0 failed; screenshots in {ARTEFACTS}")
