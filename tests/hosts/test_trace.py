# SPDX-License-Identifier: Apache-2.0
"""`flannelctl trace` follows a packet to where it stops.

    container ─ cni0 ─ h1 ──┬── lan ──┬── h2 ─ cni0 ─ container
                          etcd
"""

import json
import signal

from lab.cluster import Cluster
from lab.faults import dropped
from lab.flanneld import ctl
from lab.overlay import base, subnet
from lab.shell import wait_until


def test_trace_goes_step_by_step_to_where_it_stops(lab):
    cluster = Cluster(lab, "etcd", "vxlan").start(containers=True)
    one, two = cluster.hosts

    def trace(*words):
        said = ctl(one, "trace", "--json", *words, check=False, inside=True)
        steps = json.loads(said[: said.rindex("}") + 1])
        found = {step["step"]: step["text"] for step in steps["steps"] if step["way"] == "there"}
        found |= {"back " + step["step"]: step["text"] for step in steps["steps"] if step["way"] == "back"}
        return found, steps["stops"]

    def wait_answer(words, *endpoints):
        """Traces until the answer has these words, since one that comes late counts as none."""

        def traced():
            steps, stops = trace(*endpoints)
            return (steps, stops) if words in steps.get("answer", "") else None

        return wait_until(traced, lambda: f"{words} in {trace(*endpoints)}")

    there = (one.container.address, two.container.address)
    steps, stops = wait_answer(" ms", *there)
    assert not stops
    assert steps["answer"].endswith(" ms")
    assert steps["route"] == f"from cni0 via {base(subnet(two))} dev flannel.1 (vxlan), MTU 1450"
    mac = two.ns.ask("link", "show", "flannel.1")[0]["address"]
    assert steps["neighbour"] == f"{base(subnet(two))} is at {mac}"
    assert steps["FDB"] == f"{mac} is at {two.address}" and steps["underlay"] == f"{two.address} by eth0"
    back, stops = trace(*reversed(there))
    assert not stops and back["route"].startswith("from flannel.1 dev cni0")

    one.ns.run("nft", "add table ip fw; add chain ip fw guard { type filter hook forward priority 5; };"
               f"add rule ip fw guard ip saddr {subnet(two)} oifname cni0 drop")  # fmt: skip
    steps, stops = trace(*reversed(there))
    assert stops
    assert f'nftables table ip fw, chain guard: ip saddr {subnet(two)} oifname "cni0" drop' in steps["rules"]
    steps, stops = wait_answer(" ms", *there)
    assert stops and "no rule is known" in steps["rules"], "the way there is free"
    assert "chain guard" in steps["back rules"], "and the answer is dropped"
    one.ns.run("nft", "insert rule ip fw guard ct state established accept")
    steps, stops = wait_answer(" ms", *there)
    assert not stops and "no rule is known" in steps["back rules"], "it is known as an answer"
    assert steps["back route"].startswith("from flannel.1 dev cni0")
    assert steps["back tunnel"] == f"no rule is known to drop it as udp/8472 from {two.address} by eth0"
    one.ns.run("nft", "delete table ip fw")
    one.ns.run("nft", "add table bridge fw; add chain bridge fw in { type filter hook input priority 0; };"
               f"add rule bridge fw in ip daddr {subnet(two)} drop")  # fmt: skip
    steps, stops = trace(*there)
    assert stops and "dropped by nftables table bridge fw, chain in" in steps["rules"]
    one.ns.run("nft", "delete table bridge fw")
    assert steps["tunnel"] == f"no rule is known to drop it as udp/8472 to {two.address} by eth0"
    with dropped(one, "udp dport 8472"):
        steps, stops = trace(*reversed(there))
        assert stops and "dropped by nftables table netdev doctor, chain ingress: udp dport 8472 drop" in steps["tunnel"]
    with dropped(one, "udp dport 8472", hook="egress"):
        steps, stops = trace(*there)
        assert stops and "table netdev doctor, chain egress" in steps["tunnel"]
    two.container.ns.ip("link", "set", "eth0", "down")
    assert wait_answer("it stops at the container", *there)[1]
    with dropped(two, "udp dport 8472"):
        assert wait_answer("it stops at the overlay", *there)[1]
    two.container.ns.ip("link", "set", "eth0", "up")

    one.daemon.signal(signal.SIGSTOP)
    one.ns.ip("neigh", "del", base(subnet(two)), "dev", "flannel.1")
    steps, stops = trace(*there)
    one.daemon.signal(signal.SIGCONT)
    assert stops and steps["neighbour"] == f"flannel.1 has no entry for {base(subnet(two))}"
    steps, stops = trace(one.container.address, "10.5.254.9")
    assert stops and "no host has leased a subnet with it" in steps["to"]

    gateway = one.ns.ask("route", "show", "default")[0]["gateway"]
    steps, stops = trace(one.container.address, "8.8.8.8")
    assert not stops and steps["to"] == "8.8.8.8, outside of the overlay"
    assert steps["route"] == f"from cni0 via {gateway} dev eth0 (veth), MTU 1500" and "no rule is known" in steps["rules"]
    one.ns.ip("route", "del", "default")
    steps, stops = trace(one.container.address, "8.8.8.8")
    assert stops and "route" in steps
