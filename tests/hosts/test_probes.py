# SPDX-License-Identifier: Apache-2.0
"""Hosts probe each other over the overlay, and find out what passes and what does not.

    h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2
              store       └── a stranger

Packets of the overlay are blocked where they enter a host, by nftables at the hook `ingress` of eth0.
"""

import json
import os
import re
import struct

import pytest

from lab import upstream
from lab.cluster import Cluster
from lab.flanneld import binary
from lab.overlay import base, key_of, subnet, vtep_mac
from lab.shell import run, wait_until
from lab.strangers import Stranger, packet

OTHER_MAC = "02:42:0a:05:50:00"

# What a firewall must drop to stop the packets of a backend.
TUNNEL = {
    "vxlan": ["udp dport 8472 drop"],
    "udp": ["udp dport 8285 drop"],
    "host-gw": ["ip saddr 10.5.0.0/16 drop", "ip6 saddr fd00:5::/48 drop"],
}


def ctl(host, *words, check=True):
    return run(binary("flannelctl"), *words, f"--control-socket={host.daemon.control_socket}", check=check)


def peer_of(host):
    """What a host knows of its only peer."""
    peers = json.loads(ctl(host, "peers", "--json"))["peers"]
    return peers[0] if peers else {"state": "none"}


def answered_by(host):
    """Who answers for the only peer of a host: its flanneld or its kernel."""
    paths = peer_of(host).get("paths")
    return paths[0]["answered_by"] if paths else None


def wait_state(host, state, *words):
    """Waits until the peer of a host has this state, and its `why` these words."""

    def there():
        peer = peer_of(host)
        return peer["state"] == state and all(word in peer.get("why", "") for word in words)

    wait_until(there, lambda: f"{state} {words} at {host.name}: {peer_of(host)}", unless=host.daemon.must_run)


def peers_of(host):
    return json.loads(ctl(host, "peers", "--json"))["peers"]


def states(host):
    return sorted(peer["state"] for peer in peers_of(host))


def why_of(host, peer):
    return next(one for one in peers_of(host) if one["public_ip"] == peer.address).get("why", "")


def packet_sockets(host):
    """The packet sockets of the namespace of a host."""
    return host.ns.run("cat", "/proc/net/packet").splitlines()[1:]


def block(host, backend):
    """Drops what enters the host by the backend."""
    rules = "\n".join(TUNNEL[backend])
    host.ns.run("nft", "-f", "-", input=f"""table netdev block {{
  chain ingress {{
    type filter hook ingress device eth0 priority 0;
    {rules}
  }}
}}""")


def unblock(host):
    host.ns.run("nft", "delete", "table", "netdev", "block")


def problems(host):
    return {problem["code"]: problem for problem in host.daemon.status()["problems"]}


def wait_problem(host, code):
    return wait_until(lambda: problems(host).get(code), lambda: f"{code} at {host.name}: {problems(host)}")


@pytest.mark.parametrize("backend,families", [("vxlan", "v4"), ("vxlan", "dual"), ("udp", "dual"), ("host-gw", "dual")])
def test_each_backend_shows_what_passes(lab, backend, families):
    cluster = Cluster(lab, "etcd", backend, families=families).start()
    one, two = cluster.hosts
    for host in (one, two):
        wait_state(host, "ok")

        def is_known(host=host):
            peer = peer_of(host)
            states = [path["state"] for path in peer["paths"]]
            return (0 < peer["rtt_us"] < 1_000_000 and peer["path_mtu"] == peer["mtu"]
                    and states == ["ok"] * len(cluster.versions))  # fmt: skip

        wait_until(is_known, lambda host=host: str(peer_of(host)))
        wait_until(lambda host=host: not problems(host), lambda host=host: str(problems(host)))

    block(two, backend)
    block(one, backend)
    for host in (one, two):
        wait_state(host, "unreachable", "answers a ping on the underlay", "firewall")
    silent = wait_problem(two, "peer-silent")
    assert any(one.underlay(version) in silent["remedy"] for version in cluster.versions)
    assert ("udp/" in silent["remedy"]) == (backend != "host-gw")
    assert two.daemon.health("/readyz")[0] == 200, "packets within the host pass"

    unblock(one)
    wait_state(one, "one-way", "ours do not arrive there")
    wait_state(two, "unreachable", "firewall")
    assert wait_problem(one, "peer-one-way")["object"] in (subnet(two), subnet(two, 6))

    unblock(two)
    for host in (one, two):
        wait_state(host, "ok")
        wait_until(lambda: not problems(one) and not problems(two), lambda: f"{problems(one)} {problems(two)}")


def test_a_dead_host_is_told_from_a_dead_daemon(lab):
    """The kernel of a host forwards without its daemon, and answers an echo."""
    one, two, three = Cluster(lab, "etcd", hosts=3).start().hosts
    wait_until(lambda: states(one) == ["ok", "ok"], lambda: states(one))
    two.daemon.kill9()
    three.plug(False)
    wait_until(lambda: states(one) == ["ok", "unreachable"], lambda: str(peers_of(one)))
    silent = lambda: problems(one).get("peer-silent", {"text": ""})  # noqa: E731
    wait_until(lambda: "the host does not answer" in silent()["text"], lambda: str(problems(one)))
    assert silent()["object"] == subnet(three)
    wait_until(lambda: re.search("^peers +1 up, 1 silent$", ctl(one, "status", check=False), re.M), "a silent peer in status")
    wait_until(lambda: "its kernel answers" in why_of(one, two), lambda: str(peers_of(one)))
    three.plug(True)
    two.daemon.start()
    wait_until(lambda: states(one) == ["ok", "ok"], lambda: states(one))
    wait_until(lambda: not why_of(one, two), lambda: str(peers_of(one)))


def test_long_packets_that_are_lost_are_found(lab):
    one, two = Cluster(lab, "etcd").start().hosts
    lab.lan.ip("link", "set", two.name, "mtu", "1400")
    two.daemon.kill9()
    two.daemon.start().wait_ready()
    wait_state(two, "mtu", "containers send up to 1450")
    # Linux lets a packet pass that is longer by a VLAN tag.
    wait_until(lambda: peer_of(two)["path_mtu"] in (1350, 1354), lambda: str(peer_of(two)))
    assert wait_problem(two, "peer-mtu")["object"] == subnet(one)
    lab.lan.ip("link", "set", two.name, "mtu", "1500")
    wait_state(two, "ok")
    wait_until(lambda: peer_of(two)["path_mtu"] == 1450, lambda: str(peer_of(two)))


def test_a_host_of_another_flannel_is_asked_by_an_echo(lab):
    """A host with the objects of upstream, and a record without a node id."""
    cluster = Cluster(lab, "etcd", hosts=1).start()
    (one,) = cluster.hosts
    other = lab.host()
    upstream.make_vxlan_host(other, ("10.5.80.0/24", OTHER_MAC))
    upstream.add_peer(other, key_of(one), cluster.store.lease_values()[key_of(one)])
    cluster.store.put_lease("10.5.80.0-24", upstream.lease("v0.28", other.address, OTHER_MAC))
    wait_state(one, "ok")
    assert peer_of(one)["node_id"] is None
    wait_until(lambda: answered_by(one) == "kernel" and peer_of(one)["rtt_us"] > 0, lambda: str(peer_of(one)))
    other.ns.ip("link", "set", "flannel.1", "down")
    wait_state(one, "unreachable", "answers a ping on the underlay")
    other.ns.ip("link", "set", "flannel.1", "up")
    upstream.add_peer(other, key_of(one), cluster.store.lease_values()[key_of(one)])
    wait_state(one, "ok")


def test_without_probes_nothing_is_sent_or_answered(lab):
    cluster = Cluster(lab, "etcd")
    one, two = cluster.hosts
    two.daemon.flags.append("--probe-peers=false")
    cluster.start()
    wait_until(lambda: answered_by(one) == "kernel", lambda: str(peer_of(one)))
    assert (peer_of(two)["state"], peer_of(two)["paths"]) == ("not-probed", [])
    assert not packet_sockets(two) and packet_sockets(one)


def test_devices_that_are_made_anew_are_listened_to(lab):
    one, two = Cluster(lab, "etcd").start().hosts
    wait_state(one, "ok")
    one.ns.ip("link", "del", "flannel.1")
    wait_until(lambda: peer_of(one)["state"] == "ok" and one.ns.ask("link", "show", "flannel.1"), "the device")
    two.daemon.kill9()
    wait_until(lambda: "its kernel answers" in why_of(one, two), lambda: str(peers_of(one)))


def forged(kind, host, peer, mac=None):
    """A vxlan packet to a host with a message that seems to be the peer's."""
    nonce, echo = os.urandom(8), os.urandom(8)
    message = b"flPr" + bytes([1, kind]) + struct.pack("!H", 60) + nonce + echo + bytes(8)
    macs = bytes.fromhex((vtep_mac(host) + (mac or vtep_mac(peer))).replace(":", ""))
    inner = packet(base(subnet(peer)), base(subnet(host)), message, port=8286)
    return struct.pack("!II", 8 << 24, 1 << 8) + macs + b"\x08\x00" + inner


def states_during(host, stranger, made):
    """The states of the peer of a host while a stranger sends packets that `made` makes."""
    seen = set()
    for _ in range(40):
        stranger.says(*[made() for _ in range(5)])
        seen.add(peer_of(host)["state"])
    return seen


def test_a_stranger_turns_nothing_green_or_red(lab):
    one, two = Cluster(lab, "etcd").start().hosts
    stranger = Stranger(lab.host(), one, 8472)
    wait_state(one, "ok")
    for kind in (1, 2):
        assert states_during(one, stranger, lambda kind=kind: forged(kind, one, two)) == {"ok"}
    two.plug(False)
    wait_state(one, "unreachable")
    other = "02:00:00:00:00:99"
    assert states_during(one, stranger, lambda: forged(2, one, two)) == {"unreachable"}
    assert states_during(one, stranger, lambda: forged(1, one, two, other)) == {"unreachable"}
    assert states_during(one, stranger, lambda: forged(1, one, two)) <= {"unreachable", "one-way"}
    two.plug(True)
    wait_state(one, "ok")
    stranger.close()


@pytest.mark.parametrize("backend", ["vxlan", "udp", "host-gw"])
def test_a_ping_names_the_place_where_it_stops(lab, backend):
    cluster = Cluster(lab, "etcd", backend).start(containers=True)
    one, two = cluster.hosts
    for target in (subnet(two), two.address, node_id(two)[:8], two.container.address, one.container.address):
        ping_says(one, "1 sent, 1 answered, 0 % lost; round trip [0-9.]+ ms(?s:.*)exit code 0", target, "--count=1")
    mtu = peer_of(one)["mtu"]
    ping_says(one, f"{mtu} bytes there and {mtu} back", subnet(two), "--count=1", f"--size={mtu}")
    ping_says(one, f"up to {mtu} bytes pass there, and of up to {mtu} back", subnet(two), "--size=sweep")

    nothing_answers(one, "it stops at the container", two.container.address[:-2] + "99")
    nothing_answers(one, "it stops at the lease: no host has a lease for 10.5.99.9", "10.5.99.9")
    nothing_answers(one, "is neither a peer", "192.0.2.77")
    block(two, backend)
    nothing_answers(one, "it stops at the overlay", two.container.address)
    two.plug(False)
    nothing_answers(one, "it stops at the underlay", subnet(two))


def ping_says(host, pattern, *words):
    """Waits until a ping of flannelctl says this: an answer that comes late counts as lost."""
    argv = [binary("flannelctl"), "ping", *words, f"--control-socket={host.daemon.control_socket}"]
    said = lambda: run("sh", "-c", '"$@" 2>&1; echo "exit code $?"', "sh", *argv)  # noqa: E731
    wait_until(lambda: re.search(pattern, said()), lambda: f"{pattern} in {said()}")


def nothing_answers(host, why, target):
    """Waits for this reason; the exit code of a ping that nothing answers is 1."""
    ping_says(host, re.escape(why) + "(?s:.*)exit code 1", target, "--count=1")


def node_id(host):
    return (host.daemon.state_dir / "node-id").read_text(encoding="ascii").strip()
