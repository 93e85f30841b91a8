// The map: a circle for each station, coloured by occupancy, reached by pointer and by arrow keys.
//
// A degree east is shorter than a degree north by the cosine of the latitude; nothing more is needed for a city.

const SVG = "http://www.w3.org/2000/svg";
// Viridis, as in the reports: dark violet is empty of bikes, yellow full of them.
const STOPS = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];

export function colour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (STOPS.length - 1);
  const below = Math.min(Math.floor(place), STOPS.length - 2);
  const mix = STOPS[below].map((from, i) => Math.round(from + (place - below) * (STOPS[below + 1][i] - from)));
  return `rgb(${mix.join(" ")})`;
}

export const scale = () => `linear-gradient(to right, ${STOPS.map((_, i) => colour(i / (STOPS.length - 1))).join(", ")})`;

export function draw(parent, kind, attributes = {}) {
  const element = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (parent) parent.append(element);
  return element;
}

export class StationMap {
  // `label` says a station in words, `open` is called with the code of one that was chosen, `point` with one that is looked at.
  constructor(svg, { label, open, point }) {
    Object.assign(this, { svg, label, open, point, dots: new Map(), zoom: 1, current: null, chosen: null, lit: null });
    this.kilometres = document.createElement("span");
    this.kilometres.className = "kilometres";
    this.distance = document.createElement("span");
    this.group = draw(svg, "g");
    this.chosenRing = draw(svg, "circle", { class: "ring chosen" });
    this.focusRing = draw(svg, "circle", { class: "ring focus" });
    svg.addEventListener("keydown", (event) => this.key(event));
    svg.addEventListener("focusin", (event) => this.focused(event.target));
    svg.addEventListener("focusout", () => this.point(null));
    svg.addEventListener("pointermove", (event) => this.moved(event));
    svg.addEventListener("pointerdown", (event) => { this.from = { x: event.clientX, y: event.clientY, moved: false, box: { ...this.box } }; });
    svg.addEventListener("pointerleave", () => this.point(null));
    svg.addEventListener("click", (event) => this.clicked(event));
    svg.addEventListener("wheel", (event) => {
      // The wheel alone scrolls the page.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoomBy(event.deltaY < 0 ? 1.25 : 0.8, this.at(event));
    }, { passive: false });
    window.addEventListener("pointerup", () => { this.from = this.from?.moved ? this.from : null; });
    new ResizeObserver(() => this.size()).observe(svg);
  }

  show(stations) {
    const placed = stations.filter((s) => s.lat !== null && s.lon !== null);
    if (placed.length && this.squeeze === undefined) {
      const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
      this.middle = { lat: middle(placed.map((s) => s.lat)), lon: middle(placed.map((s) => s.lon)) };
      this.squeeze = Math.cos((this.middle.lat * Math.PI) / 180);
    }
    const gone = new Set(this.dots.keys());
    for (const station of placed) {
      gone.delete(station.station_code);
      const dot = this.dots.get(station.station_code) ?? this.add(station.station_code);
      this.describe(dot, station);
    }
    for (const code of gone) { this.dots.get(code).circle.remove(); this.dots.delete(code); }
    if (placed.length > this.drawn || this.drawn === undefined) {
      this.drawn = placed.length;
      // The largest below, so that none hides a smaller one.
      const sorted = [...this.dots.values()].sort((a, b) => b.docks - a.docks || (a.code < b.code ? -1 : 1));
      const held = document.activeElement;
      this.group.append(...sorted.map((dot) => dot.circle));
      if (this.group.contains(held)) held.focus({ preventScroll: true });
      this.fit();
    }
    if (!this.dots.has(this.current)) this.roveTo(this.nearest({ x: 0, y: 0 })?.code);
  }

  add(code) {
    const circle = draw(null, "circle", { tabindex: -1, role: "button", "data-code": code });
    const dot = { code, circle, x: 0, y: 0, docks: 0 };
    this.dots.set(code, dot);
    this.group.append(circle);
    return dot;
  }

  describe(dot, station) {
    const set = (name, value) => { if (dot.circle.getAttribute(name) !== value) dot.circle.setAttribute(name, value); };
    dot.x = (station.lon - this.middle.lon) * this.squeeze * 1000;
    dot.y = (this.middle.lat - station.lat) * 1000;
    dot.docks = Math.min(Math.max(station.capacity ?? 0, 8), 100);
    dot.zone = station.zone;
    set("cx", dot.x.toFixed(2));
    set("cy", dot.y.toFixed(2));
    set("class", station.state === "open" && station.occupancy === null ? "unknown" : station.state);
    dot.circle.classList.toggle("aside", this.isAside(dot));
    set("fill", station.state === "open" && station.occupancy !== null ? colour(station.occupancy) : "none");
    set("aria-label", this.label(station));
  }

  // The whole network; a station far off does not make the others small.
  fit() {
    const near = [...this.dots.values()].filter((dot) => Math.abs(dot.x) < 700 && Math.abs(dot.y) < 700);
    const span = (values) => [Math.min(...values), Math.max(...values)];
    const [[left, right], [top, bottom]] = near.length ? [span(near.map((d) => d.x)), span(near.map((d) => d.y))] : [[-1, 1], [-1, 1]];
    // A kilometre at least, though all stations stand in one place.
    const [w, h] = [right - left, bottom - top].map((length) => Math.max(length * 1.06, 10));
    this.whole = { x: (left + right - w) / 2, y: (top + bottom - h) / 2, w, h };
    if (this.zoom === 1) this.box = { ...this.whole };
    this.size();
  }

  size() {
    if (!this.box) return;
    const { x, y, w, h } = this.box;
    this.svg.setAttribute("viewBox", `${x} ${y} ${w} ${h}`);
    this.svg.classList.toggle("zoomed", this.zoom > 1);
    const { width, height } = this.svg.getBoundingClientRect();
    this.pixels = Math.min(width / w, height / h) || 1;
    // Larger on a larger map, and a little when zoomed in.
    this.unit = (Math.min(Math.max(Math.min(width, height) / 700, 0.55), 1.1) * 0.78 * Math.sqrt(this.zoom)) / this.pixels;
    for (const dot of this.dots.values()) dot.circle.setAttribute("r", this.radius(dot).toFixed(3));
    this.ring(this.chosenRing, this.chosen);
    this.ring(this.focusRing, this.current);
    // A scale: the longest round distance of at most 90 pixels. A thousandth of a degree is 111.2 m.
    const metres = [10000, 5000, 2000, 1000, 500, 200, 100].find((length) => (length / 111.2) * this.pixels <= 90) ?? 20;
    this.kilometres.style.width = `${(metres / 111.2) * this.pixels}px`;
    this.distance.textContent = metres < 1000 ? `${metres} m` : `${metres / 1000} km`;
  }

  radius(dot) { return this.unit * Math.sqrt(dot.docks); }

  ring(ring, code) {
    const dot = this.dots.get(code);
    ring.classList.toggle("on", Boolean(dot));
    if (!dot || !this.unit) return;
    ring.setAttribute("cx", dot.x);
    ring.setAttribute("cy", dot.y);
    ring.setAttribute("r", this.radius(dot) + 4 / this.pixels);
  }

  choose(code) {
    this.dots.get(this.chosen)?.circle.removeAttribute("aria-pressed");
    this.chosen = code;
    this.dots.get(code)?.circle.setAttribute("aria-pressed", "true");
    this.ring(this.chosenRing, code);
    if (this.dots.has(code)) { this.roveTo(code); this.reveal(this.dots.get(code)); }
  }

  // One zone alone stands out, or with `null` all do.
  only(zone) {
    if (zone === this.lit) return;
    this.lit = zone;
    for (const dot of this.dots.values()) dot.circle.classList.toggle("aside", this.isAside(dot));
  }

  isAside(dot) { return this.lit !== null && dot.zone !== this.lit; }

  focus(code) { this.dots.get(code ?? this.current)?.circle.focus(); }

  roveTo(code) {
    this.dots.get(this.current)?.circle.setAttribute("tabindex", -1);
    this.current = code ?? null;
    this.dots.get(this.current)?.circle.setAttribute("tabindex", 0);
    this.ring(this.focusRing, this.current);
  }

  focused(circle) {
    const code = circle.dataset?.code;
    if (!code) return;
    this.roveTo(code);
    this.reveal(this.dots.get(code));
    this.point(code);
  }

  key(event) {
    const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const zooms = { "+": 1.5, "=": 1.5, "-": 1 / 1.5 };
    const dot = this.dots.get(this.current);
    if (event.key in directions && dot) this.focus(this.beyond(dot, directions[event.key])?.code);
    else if (event.key in zooms) this.zoomBy(zooms[event.key], dot);
    else if (event.key === "0") this.all();
    else if ((event.key === "Enter" || event.key === " ") && dot) this.open(dot.code, true);
    else return;
    event.preventDefault();
  }

  // The nearest station in a direction: straight on if there is one, else anywhere in that half of the map.
  beyond(dot, [dx, dy]) {
    const ahead = (slope) => {
      let best = null, least = Infinity;
      for (const other of this.dots.values()) {
        const along = (other.x - dot.x) * dx + (other.y - dot.y) * dy;
        const across = Math.abs((other.x - dot.x) * dy) + Math.abs((other.y - dot.y) * dx);
        if (other === dot || along <= 0 || across > along * slope) continue;
        const distance = Math.hypot(along, across);
        if (distance < least) [best, least] = [other, distance];
      }
      return best;
    };
    return ahead(1) ?? ahead(Infinity);
  }

  at(event) {
    const { left, top, width, height } = this.svg.getBoundingClientRect();
    return { x: this.box.x + this.box.w / 2 + (event.clientX - left - width / 2) / this.pixels,
      y: this.box.y + this.box.h / 2 + (event.clientY - top - height / 2) / this.pixels };
  }

  // Near enough to be meant: a finger is no needle.
  nearest(place, within = Infinity) {
    let best = null, least = within;
    for (const dot of this.dots.values()) {
      const distance = Math.hypot(dot.x - place.x, dot.y - place.y);
      if (distance < least) [best, least] = [dot, distance];
    }
    return best;
  }

  moved(event) {
    if (!this.box) return;
    if (this.from && event.buttons && this.zoom > 1) {
      const [dx, dy] = [event.clientX - this.from.x, event.clientY - this.from.y];
      if (this.from.moved || Math.hypot(dx, dy) > 5) {
        this.from.moved = true;
        this.look(this.from.box.x - dx / this.pixels, this.from.box.y - dy / this.pixels);
      }
      return;
    }
    this.point(this.nearest(this.at(event), 14 / this.pixels)?.code ?? null);
  }

  clicked(event) {
    const dragged = this.from?.moved;
    this.from = null;
    if (dragged || !this.box) return;
    const own = event.target.dataset?.code;
    const code = own ?? this.nearest(this.at(event), 24 / this.pixels)?.code;
    if (code) this.open(code, false);
  }

  look(x, y) {
    const { whole, box } = this;
    box.x = Math.min(Math.max(x, whole.x), whole.x + whole.w - box.w);
    box.y = Math.min(Math.max(y, whole.y), whole.y + whole.h - box.h);
    this.svg.setAttribute("viewBox", `${box.x} ${box.y} ${box.w} ${box.h}`);
  }

  reveal(dot) {
    const { box } = this;
    if (!dot || !box) return;
    const inside = (at, from, length) => at > from + length * 0.06 && at < from + length * 0.94;
    if (this.zoom > 1 && !(inside(dot.x, box.x, box.w) && inside(dot.y, box.y, box.h))) this.look(dot.x - box.w / 2, dot.y - box.h / 2);
  }

  zoomBy(factor, around) {
    if (!this.box) return;
    const zoom = Math.min(Math.max(this.zoom * factor, 1), 24);
    const centre = around ?? { x: this.box.x + this.box.w / 2, y: this.box.y + this.box.h / 2 };
    const ratio = this.zoom / zoom;
    this.zoom = zoom;
    const x = centre.x - (centre.x - this.box.x) * ratio, y = centre.y - (centre.y - this.box.y) * ratio;
    Object.assign(this.box, { w: this.whole.w / zoom, h: this.whole.h / zoom });
    this.look(x, y);
    this.size();
  }

  all() { this.zoomBy(0); }
}
