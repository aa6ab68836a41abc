# SPDX-License-Identifier: Apache-2.0
"""A host without IPv6 in a network of both families.

    h1c ── cni0 ─ h1 (without) ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                                      store       └── eth0 ─ h3 ─ cni0 ── h3c

IPv6 is switched off on all devices of the host, or its kernel seems to have none (lab/no_ipv6.py says what is
simulated).
"""

import pathlib
import sys

import pytest

from lab import Container, wait_until
from lab.cluster import Cluster
from lab.overlay import NETWORK6, route_rows, wait_complete
from lab.traffic import ping

NO_IPV6 = pathlib.Path(__file__).with_name("lab") / "no_ipv6.py"


def start(cluster, without):
    """Starts all hosts with containers, `without` among them."""
    off = [f"net.ipv6.conf.{conf}.disable_ipv6=1" for conf in ("all", "default")]
    without.ns.run("sysctl", "-qw", *off)
    cluster.store.set_config(cluster.config)
    for host in cluster.hosts:
        host.daemon.start()
    others = [host for host in cluster.hosts if host is not without]
    for host in cluster.hosts:
        host.daemon.wait_ready()
    wait_complete(cluster.hosts, cluster.backend, (4,))
    wait_complete(others, cluster.backend, (6,))
    for host in others:
        host.start_container()
    env = without.daemon.subnet_env()
    del env["FLANNEL_IPV6_SUBNET"]
    without.container = Container(without, env)


def check_ipv4_goes_on(cluster, one, two, three):
    for peer in (two, three):
        ping(one.container, peer.container.at(4))
        ping(peer.container, one.container)
    ping(two.container, three.container.at(6))
    before, routes = cluster.subnets(), route_rows(one)
    one.daemon.stop()
    one.daemon.start().wait_ready()
    assert cluster.subnets() == before
    ours = [row for row in routes if "10.5." in row and ("flannel" in row or " via " in row)]
    one.ns.ip("route", "del", ours[0].split()[1])
    wait_until(lambda: route_rows(one) == routes, lambda: f"{routes ^ route_rows(one)}")
    ping(one.container, two.container.at(4))


@pytest.mark.parametrize("backend, store", [("vxlan", "etcd"), ("host-gw", "sqlite"), ("udp", "etcd-v2")])
def test_where_ipv6_is_switched_off_ipv4_goes_on(lab, backend, store):
    cluster = Cluster(lab, store, backend, hosts=3, families="dual", flags=["--ip-masq"])
    one, two, three = cluster.hosts
    start(cluster, without=one)
    check_ipv4_goes_on(cluster, one, two, three)
    assert "No IPv6 underlay: interface eth0 has no usable IPv6 address" in one.daemon.log()
    assert one.daemon.health("/readyz")[0] == 200
    if backend == "host-gw":
        reason = "cannot be reached: IPv6: this host has no public IPv6 address"
        said = lambda: one.daemon.health("/readyz")[1]  # noqa: E731
        wait_until(lambda: said().count(reason) == 2, said)


@pytest.mark.parametrize(
    "backend, firewall", [("vxlan", "nftables"), ("host-gw", "iptables"), ("udp", "nftables")]
)
def test_on_a_kernel_without_ipv6_ipv4_goes_on(lab, backend, firewall):
    flags = ["--ip-masq", f"--firewall={firewall}", "--ip-blackhole-route"]
    cluster = Cluster(lab, "sqlite", backend, hosts=3, families="dual", flags=flags)
    one, two, three = cluster.hosts
    one.daemon.under = [sys.executable, NO_IPV6]
    start(cluster, without=one)
    check_ipv4_goes_on(cluster, one, two, three)
    reason = "this kernel has no IPv6"
    assert f"No IPv6 underlay: {reason}" in one.daemon.log()
    wait_until(lambda: len(one.daemon.health("/readyz")[1].splitlines()) == 2, lambda: one.daemon.health("/readyz")[1])
    status, said = one.daemon.health("/readyz")
    ready, sentence = said.splitlines()
    assert (status, ready) == (200, "flanneld is ready")
    assert sentence.startswith(f"host: {reason}")
    assert f"so this host carries no packets of {NETWORK6}; remedy: " in sentence
    assert "fd00" not in one.ns.run("nft", "list", "ruleset")
