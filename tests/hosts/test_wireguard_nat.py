# SPDX-License-Identifier: Apache-2.0
"""Hosts with the backend wireguard behind one address of a NAT.

    a ── 198.51.100.2 ──┐                        ┌── 192.0.2.N ── c
                        ├── NAT ── 192.0.2.M ────┤
    b ── 198.51.100.3 ──┘                        └── etcd
"""

import itertools

import pytest

from lab import wait_until
from lab.cluster import Cluster
from lab.flanneld import ctl
from lab.overlay import wireguard_key, wireguard_peers
from lab.traffic import EchoStream, reached

INSIDE = "198.51.100"


def put_behind(nat, host, number):
    """The host has a private address alone, and reaches all else by the NAT."""
    host.ns.ip("addr", "flush", "dev", "eth0")
    host.ns.ip("addr", "add", f"{INSIDE}.{number}/24", "dev", "eth0")
    host.ns.ip("route", "add", "default", "via", f"{INSIDE}.1")
    host.inside = f"{INSIDE}.{number}"


@pytest.fixture
def site(lab):
    """(cluster, hosts behind the NAT, a host elsewhere, the NAT); the daemons are not started."""
    cluster = Cluster(lab, "etcd", "wireguard", hosts=3)
    cluster.config["Backend"]["PersistentKeepaliveInterval"] = 1
    nat = lab.host()
    nat.ns.ip("addr", "add", f"{INSIDE}.1/24", "dev", "eth0")
    for name in ("ip_forward=1", "conf/all/send_redirects=0", "conf/eth0/send_redirects=0"):
        nat.ns.run("sysctl", "-qw", f"net/ipv4/{name}")
    nat.ns.run("nft", "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; };"
               f"add rule ip nat out ip saddr {INSIDE}.0/24 ip daddr != {INSIDE}.0/24 masquerade")  # fmt: skip
    a, b, c = cluster.hosts
    for number, host in enumerate((a, b), 2):
        put_behind(nat, host, number)
    return cluster, (a, b), c, nat


def all_reach(*hosts):
    for one, other in itertools.permutations(hosts, 2):
        reached(one.container, other.container)


def test_two_hosts_behind_one_address_work(site, lab):
    """Each announces its own address; the host elsewhere learns from their packets where they are."""
    cluster, (a, b), c, nat = site
    cluster.start(containers=True)
    all_reach(a, b, c)
    ports = set()
    for host in a, b:
        address, port = wireguard_peers(c)[wireguard_key(host)][0].split(":")
        assert address == nat.address
        ports.add(port)
    assert len(ports) == 2
    assert wireguard_peers(a)[wireguard_key(b)][0] == f"{b.inside}:51820"
    # Nothing that is done to the daemons loses what was learned.
    for host in a, c:
        host.daemon.stop()
        host.daemon.start().wait_ready()
    all_reach(a, b, c)
    with EchoStream(a.container, c.container, lab.folder, every=0.05) as echoes:
        ctl(a, "wireguard", "rotate")
        wait_until(lambda: wireguard_key(a) in wireguard_peers(c), "the other key")
        echoes.more(50)
    assert echoes.lost() == []


def test_two_hosts_that_announce_one_address_reach_those_elsewhere(site):
    """With --public-ip=ADDRESS OF THE NAT they are no peers of each other, and that is said."""
    cluster, (a, b), c, nat = site
    for host in a, b:
        host.daemon.flags.append(f"--public-ip={nat.address}")
    cluster.store.set_config(cluster.config)
    for host in cluster.hosts:
        host.daemon.start().wait_ready()
        host.start_container()
    all_reach(a, c)
    all_reach(b, c)
    for host in a, b:
        assert f"PublicIP {nat.address} is our own, but node " in ctl(host, "peers", "--json")
