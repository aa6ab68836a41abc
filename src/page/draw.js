// SPDX-License-Identifier: Apache-2.0
// The map and the charts. Texts go into the page as text alone: names of hosts are anybody's.
"use strict";

// Each state has a colour (a class), a sign and a word, so that none needs the colour.
const STATES = {
  "unreachable": ["bad", "\u2716"], "one-way": ["bad", "\u25d0"], "checksum": ["bad", "\u2260"],
  "mtu": ["warn", "\u25b2"], "missing": ["warn", "\u25c7"], "suspected": ["warn", "\u25c8"],
  "never-seen": ["unknown", "?"],
  "not-probed": ["unknown", "\u2013"], "ok": ["good", "\u25cf"],
};
const tone = (state) => (STATES[state] || ["unknown"])[0];
const sign = (state) => (STATES[state] || ["", "?"])[1];

// The outlines of a host on the map, around the middle, by its state or the tone of that.
const SHAPES = {
  good: "M-1,0a1,1 0 1,0 2,0a1,1 0 1,0 -2,0",
  warn: "M0,-1.15L1.1,.9L-1.1,.9z",
  bad: "M-1,-.55L-.55,-1L0,-.45L.55,-1L1,-.55L.45,0L1,.55L.55,1L0,.45L-.55,1L-1,.55L-.45,0z",
  unknown: "M-.9,-.9h1.8v1.8h-1.8z",
  "one-way": "M-.2,-1a1,1 0 0,0 0,2zM.2,-1h.4v2h-.4z",
};

function svg(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const address = (peer) => peer.public_ip || peer.public_ipv6 || "no address";
const milliseconds = (us) => us === null ? "" : us < 100 ? `${us} \u00b5s` : `${(us / 1000).toPrecision(3)} ms`;
const sentence = (peer) => `${peer.key} at ${address(peer)}: ${peer.state}${peer.why ? ", " + peer.why : ""}`;

const MOST_IN_RING = 60;

class HostMap {
  // `choose` is called with the key of a host that was clicked.
  constructor(element, choose) {
    this.element = element;
    this.choose = choose;
    this.drawn = new Map();  // key -> {shape, link, title, label}
    this.order = "";
  }

  // Draws all anew only if other hosts or addresses are there; else changes what has changed.
  show(peers, own) {
    const order = own + "|" + peers.map((peer) => `${peer.key}@${address(peer)}`).join();
    if (order !== this.order) {
      this.order = order;
      this.drawn.clear();
      this.element.replaceChildren();
      if (peers.length > MOST_IN_RING) this.drawGrid(peers);
      else this.drawRing(peers, own);
    }
    for (const peer of peers) this.update(peer);
  }

  update(peer) {
    const drawn = this.drawn.get(peer.key);
    if (!drawn) return;
    const kind = tone(peer.state);
    drawn.shape.setAttribute("d", SHAPES[peer.state] || SHAPES[kind]);
    drawn.shape.setAttribute("class", "host " + kind);
    drawn.shape.dataset.state = peer.state;
    drawn.title.textContent = sentence(peer);
    if (drawn.link) drawn.link.setAttribute("class", "link " + kind);
    if (!drawn.label) return;
    drawn.label.setAttribute("class", "soft " + kind);
    drawn.label.textContent = peer.state === "ok" ? `ok ${milliseconds(peer.rtt_us)}` : peer.state;
  }

  add(peer, x, y, size, more) {
    const shape = svg("path", {transform: `translate(${x} ${y}) scale(${size})`, "data-key": peer.key});
    const title = svg("title", {});
    shape.append(title);
    shape.addEventListener("click", () => this.choose(peer.key));
    this.element.append(shape);
    this.drawn.set(peer.key, {shape, title, ...more});
  }

  drawRing(peers, own) {
    const few = peers.length <= 12;
    this.element.setAttribute("viewBox", few ? (peers.length < 3 ? "-80 -22 160 44" : "-84 -52 168 104") : "-86 -70 172 140");
    const radius = few ? 38 : 46, size = few ? 3.4 : Math.min(2.6, 100 / peers.length);
    peers.forEach((peer, place) => {
      const angle = 2 * Math.PI * place / peers.length + (few ? Math.PI : -Math.PI / 2);
      const x = radius * Math.cos(angle), y = radius * Math.sin(angle);
      const link = svg("line", {x1: 0, y1: 0, x2: x, y2: y});
      this.element.prepend(link);
      this.add(peer, x, y, size, {link, label: few ? this.writeLabel(peer, x, y) : null});
      if (!few) this.writeAround(peer, x, y, angle);
    });
    this.element.append(svg("circle", {r: few ? 5 : 3.4, class: "us"}));
    this.element.append(svg("text", {y: few ? 11 : 8, "text-anchor": "middle", "font-size": few ? 4 : 3.2}, own));
  }

  writeLabel(peer, x, y) {
    const anchor = Math.abs(x) < 5 ? "middle" : x < 0 ? "end" : "start";
    const at = {x: x + Math.sign(Math.round(x)) * 6, y: Math.abs(x) < 5 ? y + (y < 0 ? -11 : 8) : y};
    const text = (dy, kind, words) => svg("text", {x: at.x, y: at.y + dy, "text-anchor": anchor, "font-size": 3.8, class: kind}, words);
    const label = text(4.6, "soft", "");
    this.element.append(text(0, "", address(peer)), label);
    return label;
  }

  writeAround(peer, x, y, angle) {
    const left = Math.cos(angle) < -0.001;
    const turn = angle * 180 / Math.PI + (left ? 180 : 0);
    this.element.append(svg("text", {
      transform: `translate(${x * 1.09} ${y * 1.09}) rotate(${turn})`, "font-size": 2.5, dy: .9,
      "text-anchor": left ? "end" : "start",
    }, address(peer)));
  }

  drawGrid(peers) {
    const columns = Math.ceil(Math.sqrt(peers.length * 1.7));
    const rows = Math.ceil(peers.length / columns);
    this.element.setAttribute("viewBox", `-1.3 -1.3 ${columns * 2.6} ${rows * 2.6}`);
    peers.forEach((peer, place) => this.add(peer, place % columns * 2.6, Math.floor(place / columns) * 2.6, 1, {}));
  }
}

// Draws lines over the last `span` seconds. `lines`: class -> [[age in seconds, value or null], ...], oldest first.
function drawChart(element, lines, span) {
  const width = 360, height = 100;
  const values = Object.values(lines).flat().map((point) => point[1]);
  const most = Math.max(1, ...values.filter((value) => value !== null));
  element.setAttribute("viewBox", `0 0 ${width} ${height}`);
  element.setAttribute("preserveAspectRatio", "none");
  element.replaceChildren(...Object.entries(lines).map(([kind, points]) => {
    let path = "", pen = false;
    for (const [age, value] of points) {
      const there = value !== null && age <= span;
      if (there) path += `${pen ? "L" : "M"}${(width * (1 - age / span)).toFixed(1)},${(height - 2 - (height - 6) * value / most).toFixed(1)}`;
      pen = there;
    }
    return svg("path", {class: kind, d: path || "M0,0"});
  }));
}
