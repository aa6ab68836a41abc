# SPDX-License-Identifier: Apache-2.0
"""Every kind of packet through the udp backend, on underlays of every width.

    h1c ── cni0 ─ h1 ─ flannel0, eth0 ── lan ── eth0, flannel0 ─ h2 ─ cni0 ── h2c
"""

import contextlib
import pathlib
import subprocess
import sys

import pytest

from lab import wait_until
from lab.cluster import Cluster
from lab.overlay import base, subnet
from lab.traffic import ping, reached, transfer

PROBE = pathlib.Path(__file__).with_name("lab") / "probe.py"


def probe(container, *words):
    return container.ns.run(sys.executable, PROBE, *words, timeout=120).split("\n")[:-1]


@contextlib.contextmanager
def echoes_of(container):
    server = container.ns.start(
        sys.executable, PROBE, "serve", container.address, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout.readline() == "ready\n"
        yield
    finally:
        server.kill()
        server.communicate()


@pytest.fixture
def pair(lab):
    one, two = Cluster(lab, "etcd", "udp").start(containers=True).hosts
    reached(one.container, two.container)
    return one, two


def assert_same(source, target, megabytes=20):
    sent, received = transfer(source, target, megabytes)
    assert sent == received


def test_every_kind_of_packet_passes(pair):
    one, two = pair
    sizes = [0, 1, 100, 1443, 1444, 1445, 4000, 30000, 65507]  # 1444: the longest without fragments
    with echoes_of(two.container):
        target = two.container.address
        assert probe(one.container, "udp", target, *sizes) == [" ".join(map(str, sizes))]
        assert probe(one.container, "raw", target, 47, 50, 132) == ["47 50 132"]
        assert probe(one.container, "flows", target, 1000) == ["1000"]
        # The hops are h1 itself, flannel0 of both hosts, and h2 itself.
        hops = [line.split() for line in probe(one.container, "hops", target)]
        assert [hop[-1] for hop in hops[:4]] == ["11/0"] * 4
        assert [hop[1] for hop in hops[1:3]] == [base(subnet(one)), base(subnet(two))]
        assert hops[4:] == [["5", target]]


def test_a_packet_larger_than_the_mtu_of_the_overlay_gets_an_icmp_error(pair):
    """First the containers have the MTU of the underlay, like an image that ignores FLANNEL_MTU; then
    the path MTU of the underlay shrinks without a notification."""
    one, two = pair
    for host in pair:
        for device in ("cni0", "c1"):
            host.ns.ip("link", "set", device, "mtu", 1500)
        host.container.ns.ip("link", "set", "eth0", "mtu", 1500)
    refused = one.container.ns.run(
        "ping", "-n", "-c1", "-W20", "-M", "do", "-s", 1472, two.container.address, check=False
    )
    assert "mtu = 1472" in refused or "mtu=1472" in refused
    assert_same(one.container, two.container)
    learned = one.container.ns.ip("route", "get", two.container.address)
    assert "mtu 1472" in learned

    one.ns.ip("route", "add", two.address, "dev", "eth0", "mtu", 1300)
    assert_same(one.container, two.container)
    counters = lambda: one.daemon.status()["packet_path"]["counters"]  # noqa: E731
    wait_until(lambda: counters()["out_uncut"] > 0, lambda: str(counters()))


@pytest.mark.parametrize("mtu", [1400, 9000])
def test_the_overlay_is_as_wide_as_the_underlay_allows(lab, mtu):
    """With MTU 9000 the offloads of the network cards and of the containers are off."""
    cluster = Cluster(lab, "sqlite", "udp")
    lab.lan.ip("link", "set", "lan0", "mtu", mtu)
    for host in cluster.hosts:
        lab.lan.ip("link", "set", host.name, "mtu", mtu)
        host.ns.ip("link", "set", "eth0", "mtu", mtu)
    one, two = cluster.start(containers=True).hosts
    assert one.daemon.subnet_env()["FLANNEL_MTU"] == str(mtu - 28)
    reached(one.container, two.container)
    whole = ["ping", "-n", "-c", "3", "-i", "0.05", "-W", "20", "-M", "do", "-s"]
    one.container.ns.run(*whole, mtu - 28 - 28, two.container.address)
    if mtu == 9000:
        plain = [word for name in ("tso", "gso", "gro", "tx", "rx") for word in (name, "off")]
        for host in cluster.hosts:
            host.ns.run("ethtool", "-K", "eth0", *plain)
            host.container.ns.run("ethtool", "-K", "eth0", *plain)
    for source, target in ((one, two), (two, one)):
        ping(source.container, target.container)
        assert_same(source.container, target.container)
