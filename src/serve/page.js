// The live page. Everything shown comes from this server's event stream, and a station's day from its own address; text from
// outside becomes text, never markup.

import { StationMap, colour, scale } from "/map.js";
import { chart, table } from "/chart.js";
import { clock, count, date, dateAndYear, element, hour, many, moment, percent, span, total } from "/words.js";

const $ = (id) => document.getElementById(id);
const state = { view: null, received: 0, connected: null, stations: new Map(), code: null, asked: 0, sort: ["expected", -1], all: false, told: "" };

const named = (s) => s.name ?? `Station ${s.station_code}`;
function inWords(s) {
  if (s.state === "silent") return `${named(s)}, ${s.station_code}: silent since ${moment(s.last_reported)}`;
  if (s.state === "closed") return `${named(s)}, ${s.station_code}: closed`;
  const bikes = s.mechanical === null && s.ebike === null ? "bikes unknown" : `${count((s.mechanical ?? 0) + (s.ebike ?? 0))} bikes`;
  return `${named(s)}, ${s.station_code}: ${bikes}, ${s.docks === null ? "free docks unknown" : `${count(s.docks)} free docks`}, occupancy ${percent(s.occupancy)}`;
}

const map = new StationMap($("map"), {
  label: inWords,
  open: (code, byKey) => open(code, byKey),
  point: (code) => { $("under").textContent = state.stations.has(code) ? inWords(state.stations.get(code)) : ""; },
});

// Freshness. The server says how old things were when it sent them; what has passed since is counted here.

function tellAges() {
  const network = state.view?.network;
  const badge = (kind, text) => {
    $("badge").dataset.state = kind;
    // Only a change is read aloud.
    if (state.told !== text) $("badge").textContent = state.told = text;
  };
  if (!network) {
    if (state.connected === false) badge("bad", "No connection");
    $("ages").textContent = state.connected === false ? "The server does not answer. Trying again." : "";
    return;
  }
  const passed = (performance.now() - state.received) / 1000;
  const now = Date.parse(network.now) / 1000 + (network.recording ? 0 : passed);
  const since = (time) => now - Date.parse(time) / 1000;
  const quiet = network.fetched_at === null ? 0 : since(network.fetched_at);
  const parts = [];
  if (network.newest === null) parts.push("No station has reported yet. This page fills by itself when the first does.");
  else {
    const { newest } = network;
    const far = network.recording ? ` on ${dateAndYear(newest)}` : since(newest) > 12 * 3600 ? ` on ${date(newest)}` : "";
    const before = network.recording ? `${span(since(newest))} before the recording’s last poll` : `${span(since(newest))} ago`;
    parts.push(`Newest reading ${clock(newest)}${far}, ${before}.`);
    if (network.feed_lag_seconds !== null) parts.push(`The feed itself runs ${span(network.feed_lag_seconds)} behind.`);
  }
  if (network.problem) badge("bad", "Store unreadable"), parts.unshift(`What was read before is shown, because the store cannot be read: ${network.problem}.`);
  else if (!state.connected) badge("bad", "Connection lost"), parts.unshift(`What is shown came ${span(passed)} ago. Trying again.`);
  else if (network.newest === null) badge("waiting", "No readings yet");
  else if (network.recording) badge("recording", "Recording");
  else if (quiet > network.stale_after_seconds) badge("bad", "Stale"), parts.unshift(`Nothing has arrived for ${span(quiet)}.`);
  else badge("live", "Live");
  $("ages").textContent = parts.join(" ");
}

function showTotals(network) {
  const entry = (name, value, more = "") => element("div", {}, element("dt", {}, name), element("dd", {}, value, " ", element("small", {}, more)));
  const { all, open, closed, silent } = network.stations;
  const not = [[closed, "closed"], [silent, "silent"]].filter(([those]) => those).map(([those, what]) => `${total(those)} ${what}`).join(", ");
  $("totals").replaceChildren(
    entry("Stations open", total(open), all ? `of ${total(all)}${not ? ` (${not})` : ""}` : ""),
    entry("Mechanical bikes", total(network.mechanical)),
    entry("Electric bikes", total(network.ebike)),
    entry("Free docks", total(network.docks)),
    entry("Occupancy", network.occupancy === null ? "–" : percent(network.occupancy), "bikes per dock"));
}

function showLegend(stations) {
  const bar = element("span", { class: "scale" });
  bar.style.background = scale();
  const those = (kind) => stations.filter((s) => s.state === kind).length;
  const unplaced = stations.filter((s) => s.lat === null).length;
  const unknown = those("closed") + stations.filter((s) => s.state === "open" && s.occupancy === null).length;
  if (!stations.length) return $("legend").replaceChildren("No readings yet: stations appear here as they report.");
  $("legend").replaceChildren(
    element("span", {}, "no bike", bar, "full of bikes"),
    element("span", {}, map.kilometres, map.distance),
    element("span", {}, element("i", { class: "size" }), "larger: more docks"),
    ...(unknown ? [element("span", {}, element("i", {}), `closed or unknown (${total(unknown)})`)] : []),
    ...(those("silent") ? [element("span", {}, element("i", { class: "silent" }), `silent (${total(those("silent"))})`)] : []),
    ...(unplaced ? [element("span", {}, `${total(unplaced)} without a place: find them by name`)] : []));
}

// Zones: a table that is sorted by any of its columns.

const COLUMNS = [["zone", "Zone", 1], ["expected", "Fresh stations", -1, "optional"], ["mechanical", "Mechanical", -1], ["ebike", "Electric", -1], ["docks", "Free docks", -1, "optional"], ["occupancy", "Occupancy", -1]];
const [FEW_ZONES, MOST_ZONES] = [15, 500];

function showZones({ zones, kind, outside, unknown }) {
  const [by, direction] = state.sort;
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "fr", { numeric: true }) : a - b);
  const sorted = [...zones].sort((a, b) => {
    const [left, right] = [a[by], b[by]];
    if (left === null || right === null) return (left === null) - (right === null);
    return direction * compare(left, right) || a.zone.localeCompare(b.zone, "fr", { numeric: true });
  });
  const heads = COLUMNS.map(([name, text, first, shown]) => {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", () => {
      state.sort = [name, by === name ? -direction : first];
      showZones(state.view);
      $("zones").querySelector(`[data-by="${name}"] button`).focus();
    });
    const sort = by !== name ? "none" : direction > 0 ? "ascending" : "descending";
    return element("th", { scope: "col", "data-by": name, "aria-sort": sort, class: shown ?? "" }, button);
  });
  const rows = sorted.slice(0, state.all ? MOST_ZONES : FEW_ZONES).map((zone) => {
    const fill = element("b", {});
    fill.style.width = `${Math.min(zone.occupancy ?? 0, 1) * 100}%`;
    fill.style.background = colour(zone.occupancy ?? 0);
    const bar = element("span", { class: "bar" }, element("i", { "aria-hidden": "true" }, ...(zone.occupancy === null ? [] : [fill])), element("span", {}, zone.occupancy === null ? "–" : percent(zone.occupancy)));
    const fresh = `${total(zone.stations)} of ${total(zone.expected)}`;
    const row = element("tr", {}, element("th", { scope: "row" }, zone.zone, element("span", { class: "narrow" }, `${fresh} fresh`)),
      element("td", { class: "optional" }, fresh),
      element("td", {}, total(zone.mechanical)), element("td", {}, total(zone.ebike)), element("td", { class: "optional" }, total(zone.docks)), element("td", {}, bar));
    row.dataset.zone = zone.zone;
    return row;
  });
  const focused = document.activeElement?.closest?.("[data-by]")?.dataset.by;
  $("zones").replaceChildren(element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
  if (focused) $("zones").querySelector(`[data-by="${focused}"] button`)?.focus({ preventScroll: true });
  const parts = [`${many(zones.length, "zone")}, by ${kind}; fresh are the stations heard of within ${span(state.view.network.silent_after_seconds)}.`];
  if (state.all && zones.length > MOST_ZONES) parts.push(`The first ${MOST_ZONES} are shown; /api/zones has all.`);
  if (outside) parts.push(`Outside of all zones: ${many(outside, "station")}.`);
  if (unknown) parts.push(`Of ${many(unknown, "station")} the zone is not known.`);
  $("all-zones").hidden = zones.length <= FEW_ZONES;
  $("all-zones").textContent = state.all ? `Show ${FEW_ZONES} zones` : `Show all ${total(zones.length)} zones`;
  $("zones-note").textContent = zones.length ? parts.join(" ") : "No readings yet.";
}

// One station.

async function open(code, byKey) {
  state.code = code;
  history.replaceState(null, "", code === null ? location.pathname : `#${encodeURIComponent(code)}`);
  map.choose(code);
  await showStation();
  if (code === null) return;
  if (byKey) $("station").focus({ preventScroll: true });
  if (matchMedia("(max-width: 60rem)").matches) $("station").scrollIntoView({ block: "start" });
}

async function showStation() {
  const [code, turn] = [state.code, ++state.asked];
  const station = state.stations.get(code);
  if (code === null || !state.view) {
    $("station").replaceChildren(element("h2", { id: "station-name" }, "One station"), element("p", { class: "note" }, "Choose a station on the map, or find it by its name: its last day is shown here."));
    return;
  }
  if (!station) {
    $("station").replaceChildren(element("h2", { id: "station-name" }, `Station ${code}`), element("p", { class: "note" }, "No station has this code."));
    return;
  }
  let day = null, problem = null;
  try {
    const answer = await fetch(`/api/stations/${encodeURIComponent(code)}`);
    if (answer.ok) day = await answer.json();
    else problem = (await answer.json()).error;
  } catch { problem = "the server does not answer"; }
  // Another was asked for meanwhile.
  if (turn === state.asked) fillStation(day?.station ?? station, day, problem);
}

function fillStation(s, day, problem) {
  const close = element("button", { type: "button", "aria-label": "Close the station" }, "×");
  close.addEventListener("click", () => { open(null); map.focus(); });
  const amount = (kind, name, value) => element("div", { class: kind }, element("dt", {}, name), element("dd", {}, count(value)));
  const place = [s.station_code, s.zone, s.capacity === null ? null : `${s.capacity} docks`].filter(Boolean).join(" · ");
  const when = s.state === "silent" ? `Silent since ${moment(s.last_reported)}: what it held then may not be true any more.`
    : s.state === "closed" ? `Closed: it neither takes nor rents bikes. Last heard of ${moment(s.last_reported)}.`
    : `Occupancy ${percent(s.occupancy)}, by its reading of ${date(s.last_reported)}, ${clock(s.last_reported)}.`;
  const children = [
    element("div", { class: "heading" }, element("div", {}, element("h2", { id: "station-name" }, named(s)), element("small", {}, place)), close),
    element("dl", { class: "amounts" }, amount("mechanical", "Mechanical", s.mechanical), amount("ebike", "Electric", s.ebike), amount("docks", "Free docks", s.docks)),
    element("p", { class: "note" }, when),
  ];
  if (problem) children.push(element("p", { class: "note" }, `Its day is not shown: ${problem}.`));
  else if (!day.windows.length) children.push(element("p", { class: "note" }, `No reading since ${moment(day.from)}.`));
  else {
    const wasOpen = $("station").querySelector("details")?.open ?? false;
    const details = element("details", {}, element("summary", {}, `The same as a table (${many(day.windows.length, "window")})`), element("div", { class: "wide" }, table(day)));
    details.open = wasOpen;
    children.push(element("div", { id: "chart" }, chart(day)),
      element("p", { class: "note" }, "Bikes as areas, free docks as a line, the capacity dashed."), details);
  }
  const held = $("station").contains(document.activeElement) ? document.activeElement.tagName : null;
  $("station").replaceChildren(...children);
  if (held && held !== "SECTION") $("station").querySelector(held)?.focus({ preventScroll: true });
}

// The search: stations whose name or code holds every word that was written.

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
let active = -1;

function search() {
  const words = plain($("search").value).split(/\s+/).filter(Boolean);
  const holds = (s) => words.every((word) => plain(`${s.station_code} ${named(s)}`).includes(word));
  const found = words.length ? [...state.stations.values()].filter(holds).slice(0, 8) : [];
  const options = found.map((s, i) => {
    const option = element("li", { role: "option", id: `found-${i}`, "aria-selected": "false" }, element("span", {}, named(s)), element("span", {}, s.station_code));
    option.addEventListener("pointerdown", (event) => { event.preventDefault(); take(s.station_code, false); });
    option.dataset.code = s.station_code;
    return option;
  });
  if (words.length && !found.length) options.push(element("li", { role: "presentation" }, "No station is called so."));
  $("found").replaceChildren(...options);
  $("found").hidden = !words.length;
  $("search").setAttribute("aria-expanded", String(Boolean(found.length)));
  pick(found.length ? 0 : -1);
}

function pick(index) {
  active = index;
  [...$("found").children].forEach((option, i) => option.role === "option" && option.setAttribute("aria-selected", String(i === index)));
  if (index < 0) $("search").removeAttribute("aria-activedescendant");
  else $("search").setAttribute("aria-activedescendant", `found-${index}`);
}

function take(code, byKey) {
  $("search").value = "";
  search();
  open(code, byKey);
}

$("search").addEventListener("input", search);
$("search").addEventListener("focus", search);
$("search").addEventListener("blur", () => { $("found").hidden = true; $("search").setAttribute("aria-expanded", "false"); });
$("search").addEventListener("keydown", (event) => {
  const options = [...$("found").querySelectorAll("[role=option]")];
  if (event.key === "ArrowDown" && options.length) pick((active + 1) % options.length);
  else if (event.key === "ArrowUp" && options.length) pick((active - 1 + options.length) % options.length);
  else if (event.key === "Enter" && options[active]) take(options[active].dataset.code, true);
  else if (event.key === "Escape") { $("search").value = ""; search(); event.stopPropagation(); }
  else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && state.code !== null) { open(null); map.focus(); }
});
for (const button of document.querySelectorAll("[data-zoom]")) {
  button.addEventListener("click", () => (button.dataset.zoom === "all" ? map.all() : map.zoomBy(button.dataset.zoom === "in" ? 1.6 : 1 / 1.6)));
}

// The zone that is pointed at stands out on the map. The rows are made anew now and then, the table is not.
$("zones").addEventListener("pointerover", (event) => map.only(event.target.closest("tr")?.dataset.zone ?? null));
$("zones").addEventListener("pointerleave", () => map.only(null));
$("all-zones").addEventListener("click", () => {
  state.all = !state.all;
  showZones(state.view);
});

// The stream.

function show(view) {
  const before = state.stations.get(state.code)?.last_reported;
  Object.assign(state, { view, received: performance.now(), connected: true });
  state.stations = new Map(view.stations.map((s) => [s.station_code, s]));
  tellAges();
  showTotals(view.network);
  map.show(view.stations);
  showLegend(view.stations);
  showZones(view);
  const changed = state.stations.get(state.code)?.last_reported !== before;
  const first = !$("station").childElementCount;
  if (first && state.code !== null) map.choose(state.code);
  if (first || changed) showStation();
}

function connect() {
  const stream = new EventSource("/api/events");
  const tell = (connected) => { state.connected = connected; tellAges(); };
  stream.addEventListener("view", (event) => show(JSON.parse(event.data)));
  stream.addEventListener("open", () => tell(true));
  stream.addEventListener("error", () => {
    tell(false);
    // What broke off is taken up again by itself; a refusal ends the stream for good.
    if (stream.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
  });
}

function wanted() {
  try { return decodeURIComponent(location.hash.slice(1)) || null; } catch { return null; }
}

state.code = wanted();
setInterval(tellAges, 1000);
connect();
