// SPDX-License-Identifier: Apache-2.0
// Who reaches whom: what this host knows, and what the rows of the other hosts say.
"use strict";

const MOST_NAMED = 20;  // ways between other hosts
const MOST_LOOKED_AT = 5000;

// What a state says of packets to a host and from it: [word, tone].
function reach(state) {
  const yes = ["yes", "good"], no = ["no", "bad"];
  if (state === "ok") return [yes, yes];
  if (state === "mtu") return [["short only", "warn"], ["short only", "warn"]];
  if (state === "one-way" || state === "checksum") return [no, yes];
  return state === "unreachable" ? [no, no] : [["not known", "unknown"], ["not known", "unknown"]];
}

// How `host` sees `other`, and since when that is known; null: it has not said.
function saidBy(host, other) {
  if (host.own) return {state: other.state, at: Infinity, by: "this host"};
  const row = view.rows && view.rows.get(host.subnets[0]);
  if (!row) return null;
  const named = row.states.get(other.subnets[0]);
  if (!named && Object.keys(row.more).length) return null;
  return {state: named || "ok", at: row.at, by: host.subnets[0]};
}

// Whether packets get from one host to another: {word, kind, why}. Who hears a host that thinks itself cut off is right;
// else what was said last counts, since a host that has died says nothing any more.
function way(from, to) {
  const sent = saidBy(from, to), heard = saidBy(to, from);
  const verdict = (said, place) => {
    const [word, kind] = reach(said.state)[place];
    return {word, kind, why: `${from.subnets[0]} to ${to.subnets[0]}: ${said.state}, says ${said.by}`};
  };
  const isCutOff = !sent || sent.state === "unreachable";
  if (heard && isCutOff && reach(heard.state)[1][1] === "good" && heard.state !== "ok") return verdict(heard, 1);
  const known = [[sent, 0], [heard, 1]].filter(([said, place]) => said && reach(said.state)[place][1] !== "unknown");
  known.sort((a, b) => b[0].at - a[0].at);
  if (known.length === 0) return {word: "not known", kind: "unknown", why: `${from.subnets[0]} to ${to.subnets[0]}: neither says`};
  return verdict(...known[0]);
}

function cell({word, kind, why}) {
  return element("td", {class: kind, title: why}, element("span", {class: "state", "data-sign": {good: "\u25cf", bad: "\u2716"}[kind] || "?"}, word));
}

// Ways between other hosts on which packets are lost, as their rows say.
function brokenBetween(peers) {
  const bySubnet = new Map(peers.map((peer) => [peer.subnets[0], peer]));
  const found = new Map();
  let looked = 0;
  for (const [subnet, row] of view.rows) {
    const one = bySubnet.get(subnet);
    if (!one) continue;
    for (const other of row.states.keys()) {
      if (!bySubnet.has(other) || ++looked > MOST_LOOKED_AT) continue;
      for (const [from, to] of [[one, bySubnet.get(other)], [bySubnet.get(other), one]]) {
        if (way(from, to).kind === "bad") found.set(`${from.subnets[0]} to ${to.subnets[0]}`, true);
      }
    }
  }
  return [...found.keys()];
}

function showBetween(peers) {
  if (!view.rows) return say(at("between"), "");
  say(at("matrix-note"), "A row is what a host sends, a column what it hears. What two other hosts say of each other is some seconds old, up to a minute.");
  const broken = brokenBetween(peers);
  const silent = peers.filter((peer) => !view.rows.has(peer.subnets[0])).length;
  const named = broken.slice(0, MOST_NAMED).join("; ") + (broken.length > MOST_NAMED ? "; and others" : "");
  say(at("between"), (broken.length ? `Between other hosts packets are lost on ${number(broken.length, "way")}: ${named}.` : "Between other hosts no way is known to lose packets.") +
      (silent ? ` ${number(silent, "host")} of ${peers.length} ${silent === 1 ? "has" : "have"} no row in the store.` : ""));
}

function showMatrix(peers) {
  const reached = peers.filter((peer) => ["ok", "mtu"].includes(peer.state)).length;
  const heardOf = peers.filter((peer) => ["ok", "mtu", "one-way", "checksum"].includes(peer.state)).length;
  say(at("matrix-text"), `This host reaches ${reached} of ${number(peers.length, "host")}, and hears ${heardOf}.`);
  showBetween(peers);
  const table = at("matrix");
  table.hidden = peers.length === 0 || peers.length > MOST_IN_RING;
  if (table.hidden) return table.replaceChildren();
  const us = {own: true, subnets: view.status.lease ? view.status.lease.subnet.split(",") : ["this host"]};
  const line = (title, hosts, verdict) => element("tr", {}, element("th", {scope: "row"}, title),
      ...hosts.map((host) => verdict(host) ? cell(verdict(host)) : element("td", {})));
  const heads = (hosts) => element("thead", {}, element("tr", {}, element("td", {}),
      ...hosts.map((host) => element("th", {scope: "col"}, host.own ? "this host" : address(host)))));
  if (!view.rows) {
    return table.replaceChildren(heads(peers), element("tbody", {},
        line("from this host to", peers, (peer) => way(us, peer)), line("to this host from", peers, (peer) => way(peer, us))));
  }
  const all = [us, ...peers];
  table.replaceChildren(heads(all), element("tbody", {}, ...all.map((from) =>
      line(from.own ? "this host to" : `${address(from)} to`, all, (to) => from === to ? null : way(from, to)))));
}
