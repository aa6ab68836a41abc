// SPDX-License-Identifier: Apache-2.0
// Shows what flanneld knows, live: docs/status-page.md. Texts go into the page as text alone.
"use strict";

const at = (id) => document.getElementById(id);
const view = {status: null, network: "", peers: new Map(), rows: null, samples: [], devices: [], offset: 0, statusAt: 0};
const chosen = {state: "", words: "", column: 0, down: false};
const map = new HostMap(at("map"), showRow);

function element(name, attributes, ...content) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}
function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}
function setState(place, state) {
  place.className = "state " + tone(state);
  place.dataset.sign = sign(state);
  say(place, state);
}

// ---- words

const number = (value, what) => `${value} ${what}${value === 1 ? "" : "s"}`;
function lasting(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.floor(s / 60)} min`;
  return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`;
}
function rate(bytes) {
  const bits = bytes * 8;
  for (const [unit, size] of [["Gbit/s", 1e9], ["Mbit/s", 1e6], ["kbit/s", 1e3]]) {
    if (bits >= size) return `${(bits / size).toPrecision(3)} ${unit}`;
  }
  return `${Math.round(bits)} bit/s`;
}
// Empty: it is not counted.
function size(bytes) {
  if (bytes === null) return "";
  for (const [unit, most] of [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (bytes >= most) return `${(bytes / most).toPrecision(3)} ${unit}`;
  }
  return `${bytes} B`;
}
// The clock of flanneld, in seconds.
const now = () => performance.now() / 1000 + view.offset;

// ---- the table of hosts

const COLUMNS = [
  ["State", (peer) => peer.state, (peer) => Object.keys(STATES).indexOf(peer.state)],
  ["Subnet", (peer) => peer.subnets.join(" "), (peer) => peer.rank],
  ["Public address", (peer) => [peer.public_ip, peer.public_ipv6].filter(Boolean).join(" "), null],
  ["Node id", (peer) => peer.node_id ? peer.node_id.slice(0, 8) : "another flannel", null],
  ["Backend", (peer) => peer.backend, null],
  ["RTT", (peer) => milliseconds(peer.rtt_us), (peer) => peer.rtt_us ?? Infinity],
  ["Loss", (peer) => peer.loss === null ? "" : `${Math.round(peer.loss * 100)} %`, (peer) => peer.loss ?? -1],
  ["MTU", (peer) => String(peer.path_mtu ?? ""), (peer) => peer.path_mtu ?? Infinity],
  ["Heard", heard, (peer) => peer.heardAt ?? -Infinity],
  ["Sent", (peer) => size(peer.bytes_sent), (peer) => peer.bytes_sent ?? -1],
  ["Received", (peer) => size(peer.bytes_received), (peer) => peer.bytes_received ?? -1],
  ["Why", (peer) => peer.why || "", null],
];
function heard(peer) {
  return peer.heardAt === null ? "never" : `${lasting(now() - peer.heardAt)} ago`;
}
const rows = new Map();  // key -> the row of the table

function fillRow(row, peer) {
  if (row.cells.length === 0) for (const _ of COLUMNS) row.append(element("td", {}));
  COLUMNS.forEach(([, text], column) => {
    if (column > 0) return say(row.cells[column], text(peer));
    if (!row.cells[0].firstChild) row.cells[0].append(element("span", {}));
    setState(row.cells[0].firstChild, peer.state);
  });
  row.dataset.state = peer.state;
  row.dataset.key = peer.key;
}

function isShown(peer) {
  if (chosen.state && peer.state !== chosen.state) return false;
  return !chosen.words || COLUMNS.some(([, text]) => text(peer).toLowerCase().includes(chosen.words));
}

// Sorts and filters. A measurement alone moves no row.
function arrange() {
  const [, text, rank] = COLUMNS[chosen.column];
  const value = rank || text;
  const way = chosen.down ? -1 : 1;
  const shown = [...view.peers.values()].filter(isShown);
  shown.sort((a, b) => {
    const x = value(a), y = value(b);
    return way * (x < y ? -1 : x > y ? 1 : 0) || a.rank - b.rank;
  });
  const wanted = shown.map((peer) => rows.get(peer.key));
  const body = at("hosts").tBodies[0];
  if (wanted.length !== body.rows.length || wanted.some((row, place) => body.rows[place] !== row)) body.replaceChildren(...wanted);
  say(at("count"), `${shown.length} of ${number(view.peers.size, "host")}`);
}

function makeHeads() {
  COLUMNS.forEach(([name], column) => {
    const button = element("button", {type: "button"}, name);
    const head = element("th", {scope: "col"}, button);
    button.addEventListener("click", () => {
      chosen.down = chosen.column === column && !chosen.down;
      chosen.column = column;
      showSort();
      arrange();
    });
    at("hosts").tHead.rows[0].append(head);
  });
  showSort();
}
function showSort() {
  [...at("hosts").tHead.rows[0].cells].forEach((head, column) => {
    if (column === chosen.column) head.setAttribute("aria-sort", chosen.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}

function showRow(key) {
  chosen.state = chosen.words = at("words").value = "";
  showStates();
  arrange();
  for (const row of rows.values()) row.classList.toggle("chosen", row.dataset.key === key);
  rows.get(key).scrollIntoView({block: "center"});
}

// ---- counts, map

function counts() {
  const count = {};
  for (const peer of view.peers.values()) count[peer.state] = (count[peer.state] || 0) + 1;
  return count;
}

function showStates() {
  const count = counts();
  const names = ["", ...Object.keys(STATES).filter((state) => count[state] || state === chosen.state)];
  const place = at("states");
  for (const button of [...place.children]) if (!names.includes(button.dataset.state)) button.remove();
  names.forEach((state, order) => {
    let button = [...place.children].find((one) => one.dataset.state === state);
    if (!button) {
      button = element("button", {type: "button", "data-state": state}, element("span", {}), " ", element("span", {}));
      button.addEventListener("click", () => { chosen.state = state; showStates(); arrange(); });
      place.insertBefore(button, place.children[order] || null);
    }
    if (state) setState(button.firstChild, state); else say(button.firstChild, "all");
    say(button.lastChild, String(state ? count[state] || 0 : view.peers.size));
    button.setAttribute("aria-pressed", String(chosen.state === state));
  });
}

const sortedPeers = () => [...view.peers.values()].sort((a, b) => a.rank - b.rank);

function showPeers() {
  const peers = sortedPeers();
  const count = counts();
  const words = Object.keys(STATES).filter((state) => count[state]).map((state) => `${count[state]} ${state}`);
  say(at("map-text"), peers.length ? `${number(peers.length, "other host")}: ${words.join(", ")}` : "no other host has a lease");
  const lease = view.status.lease;
  map.show(peers, lease ? lease.subnet : "this host");
  showMatrix(peers);
  showStates();
  arrange();
}

// ---- this host, problems

const ages = [];  // functions that write the time that has passed, each second

function showStatus(status) {
  const since = view.statusAt;
  const lease = status.lease, store = status.store, underlay = status.underlay;
  ages.length = 0;
  say(at("own-subnet"), lease ? lease.subnet : "");
  setState(at("verdict"), status.ready ? "ok" : "unreachable");
  say(at("verdict"), status.ready ? "ready" : "not ready");
  const list = at("own");
  list.replaceChildren();
  const add = (name, text) => {
    const value = element("dd", {});
    list.append(element("dt", {}, name), value);
    if (typeof text !== "function") return say(value, text);
    const write = () => say(value, text(now() - since));
    ages.push(write);
    write();
  };
  if (lease) {
    add("Lease", (past) => `${lease.subnet}, ${lease.phase}, ` + (lease.ends_in_s === undefined ? "a reservation without end" : `ends in ${lasting(lease.ends_in_s - past)}`));
    add("Address", [lease.public_ip, lease.public_ipv6].filter(Boolean).join(", "));
  } else {
    add("Lease", "none");
  }
  add("Backend", status.backend || "none yet");
  if (underlay) add("Underlay", `${underlay.interface}, MTU ${underlay.mtu}`);
  add("Store", (past) => `${store.name}, ${store.connected ? "connected" : "away"} for ${lasting(store.for_s + past)}`);
  add("Peers", `${status.peers.up} up`);
  add("flanneld", status.release);
  showProblems(status.problems, since);
  const unused = status.peers.quarantined;
  at("unused-part").hidden = unused.length === 0;
  at("unused").replaceChildren(...unused.map((record) => element("li", {}, element("code", {}, record.key), " ", record.why)));
  if (status.peers.more_quarantined) at("unused").append(element("li", {}, `and ${status.peers.more_quarantined} more`));
}

const GRAVITY = ["critical", "error", "warning", "notice", "waiting"];

function showProblems(problems, since) {
  const worstFirst = [...problems].sort((a, b) => GRAVITY.indexOf(a.severity) - GRAVITY.indexOf(b.severity));
  const words = problems.length ? number(problems.length, "problem") : "none";
  at("problems").parentElement.hidden = problems.length === 0;
  say(at("no-problems"), words);
  document.title = `flannel ${view.network ? view.network + " " : ""}${at("own-subnet").textContent}: ${problems.length ? words : "no problems"}`;
  at("problems").replaceChildren(...worstFirst.map((problem) => {
    const age = element("span", {class: "note"});
    const write = () => say(age, ` for ${lasting(problem.for_s + now() - since)}`);
    ages.push(write);
    write();
    const head = element("p", {}, element("strong", {}, `${problem.severity}, ${problem.area}: `), problem.text, age);
    const item = element("li", {class: {critical: "bad", error: "bad", warning: "warn"}[problem.severity] || "unknown", "data-code": problem.code}, head);
    if (problem.remedy) item.append(element("p", {class: "remedy"}, "Remedy: " + problem.remedy));
    return item;
  }));
}

function showLoad() {
  const of = (place) => view.samples.map((sample) => [now() - sample[0], sample[place]]);
  const known = (place) => view.samples.map((sample) => sample[place]).filter((value) => value !== null);
  const lastAndMost = (values, words) => values.length ? `${words(values[values.length - 1])}, at most ${words(Math.max(...values))}` : "not known yet";
  const oldest = view.samples.length ? now() - view.samples[0][0] : 0;
  const span = Math.min(3600, Math.max(120, oldest));
  drawChart(at("load"), {received: of(1), sent: of(2)}, span);
  drawChart(at("rtt"), {rtt: of(3)}, span);
  say(at("from"), `${lasting(span)} ago`);
  say(at("load-text"), `Throughput of ${view.devices.join(", ") || "the overlay"}: sent ${lastAndMost(known(2), rate)} (line); received ${lastAndMost(known(1), rate)} (dashes)`);
  say(at("rtt-text"), `Median round trip time of all hosts: ${lastAndMost(known(3), milliseconds)}`);
}

// ---- events

// What changed, for those who do not see it.
function announce(changed, problems) {
  const words = changed.length > 3 ? [`${changed.length} hosts changed their state`] : changed.map(sentence);
  say(at("said"), [...words, ...problems.map((problem) => `New problem: ${problem.text}`)].join(". "));
}

function takePeers(event) {
  const changed = [];
  for (const peer of event.peers) {
    peer.key = peer.subnets.join();
    peer.heardAt = peer.last_heard_s === null ? null : event.now_s - peer.last_heard_s;
    const before = view.peers.get(peer.key);
    peer.rank = rankOf(peer.subnets[0]);
    if (!before || before.state !== peer.state) changed.push(peer);
    view.peers.set(peer.key, peer);
    if (!rows.has(peer.key)) rows.set(peer.key, element("tr", {}));
    fillRow(rows.get(peer.key), peer);
    map.update(peer);
  }
  for (const subnets of event.gone) {
    view.peers.delete(subnets.join());
    rows.delete(subnets.join());
  }
  return changed;
}

// Subnets in the order of numbers: 10.5.9.0/24 before 10.5.10.0/24.
function rankOf(subnet) {
  const parts = subnet.split("/")[0].split(".");
  return parts.length === 4 ? parts.reduce((sum, part) => sum * 256 + Number(part), 0) : 2 ** 32;
}

// What other hosts say of each other; null: they are not asked.
function takeRows(event) {
  if (event.whole) view.rows = event.has_rows ? new Map() : null;
  for (const row of event.rows) {
    row.at = event.now_s - row.age_s;
    row.states = new Map(Object.entries(row.others).flatMap(([state, peers]) => peers.map((peer) => [peer, state])));
    view.rows.set(row.subnets[0], row);
  }
  for (const subnets of event.rows_gone) view.rows.delete(subnets[0]);
  return event.rows.length + event.rows_gone.length > 0;
}

// A host has one network without a name, or some with names: then the page shows one of them.
function showNetworks(networks) {
  const shown = view.network;
  at("networks").hidden = networks.length < 2 && networks.includes(shown);
  at("network").replaceChildren(...networks.map((name) => element("option", {}, name)));
  if (!networks.includes(shown)) at("network").prepend(element("option", {value: shown}, shown + " (left)"));
  at("network").value = shown;
}

// With --networks=* a page may be there before the first network. The connection is about none, and another one is about
// the first.
function isAboutNone(networks) {
  return view.network === "" && networks.length > 0 && !networks.includes("");
}

function take(event) {
  if (event.whole) view.network = event.network;
  if (event.networks && isAboutNone(event.networks)) return location.reload();
  if (event.networks) showNetworks(event.networks);
  view.offset = event.now_s - performance.now() / 1000;
  const before = new Set(view.status ? view.status.problems.map((problem) => problem.text) : []);
  const first = view.status === null;
  if (event.whole) {
    view.peers.clear();
    rows.clear();
    view.samples = [];
  }
  view.devices = event.devices;
  const changed = takePeers(event);
  if (event.status) {
    view.status = event.status;
    view.statusAt = event.now_s;
    showStatus(event.status);
  }
  const rowsChanged = takeRows(event);
  if (event.whole || changed.length || event.gone.length) showPeers();
  else if (rowsChanged) showMatrix(sortedPeers());
  if (event.samples.length || event.whole) {
    view.samples = view.samples.concat(event.samples).slice(-360);
    showLoad();
  }
  const fresh = event.status ? event.status.problems.filter((problem) => !before.has(problem.text)) : [];
  if (!first && !event.whole && (changed.length || fresh.length)) announce(changed, fresh);
}

// ---- the connection

let token = "";
function readToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname + location.search);
  }
  token = sessionStorage.getItem("token") || "";
}

function showLink(words, away) {
  say(at("link"), words);
  at("link").className = away ? "away" : "";
  document.querySelector("main").className = away && view.status ? "old" : "";
}

const REFUSALS = {
  404: "This host takes no part in the network that the address of this page names",
  401: "This page needs its token: add #token= and the token to its address",
  503: "Too many such pages are open, or flanneld is busy",
};

// Reads events until the stream ends. The daemon sends at least a comment every 15 s.
async function follow() {
  const stop = new AbortController();
  let silence = setTimeout(() => stop.abort(), 40000);
  const answer = await fetch("events" + location.search, {headers: token ? {Authorization: "Bearer " + token} : {}, signal: stop.signal, cache: "no-store"});
  if (!answer.ok) throw new Error(REFUSALS[answer.status] || `flanneld answers ${answer.status}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let text = "";;) {
      const {value, done} = await reader.read();
      if (done) throw new Error("flanneld has ended the connection");
      clearTimeout(silence);
      silence = setTimeout(() => stop.abort(), 40000);
      const events = (text + value).split("\n\n");
      text = events.pop();
      for (const event of events) if (event.startsWith("data: ")) take(JSON.parse(event.slice(6)));
      showLink("live", false);
    }
  } finally {
    clearTimeout(silence);
    stop.abort();
  }
}

async function stayConnected() {
  for (;;) {
    try {
      readToken();
      await follow();
    } catch (error) {
      showLink(`${error.name === "TypeError" ? "flanneld does not answer" : error.message}; what is shown may be old`, true);
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
}

at("words").addEventListener("input", () => {
  chosen.words = at("words").value.trim().toLowerCase();
  arrange();
});
at("network").addEventListener("change", () => {
  location.search = "?network=" + encodeURIComponent(at("network").value);
});
makeHeads();
setInterval(() => ages.forEach((write) => write()), 1000);
setInterval(() => {
  for (const peer of view.peers.values()) say(rows.get(peer.key).cells[8], heard(peer));
}, 5000);
stayConnected();
