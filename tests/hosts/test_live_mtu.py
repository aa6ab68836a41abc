# SPDX-License-Identifier: Apache-2.0
"""The MTU of an overlay changes on one host after another, while containers keep theirs.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

import contextlib

import pytest

from lab.cluster import Cluster
from lab.overlay import subnet
from lab.shell import wait_until
from lab.traffic import EchoStream, EchoStreams, transfer_during

HEADERS = {4: 28, 6: 48}


def mtu_to(host, peer, version):
    """The mtu of the route of a host to the subnet of another; None: it has none."""
    routes = host.ns.ask(f"-{version}", "route", "show", subnet(peer, version))
    metrics = routes[0].get("metrics", [{}]) if routes else [{}]
    return metrics[0].get("mtu")


def wait_mtu_to(cluster, host, peer, mtu):
    def now():
        return [mtu_to(host, peer, version) for version in cluster.versions]

    wait_until(lambda: now() == [mtu] * len(cluster.versions), lambda: f"{mtu} on routes: {now()}")


def wait_announced(cluster, host, mtu):
    def now():
        return cluster.announced(host).get("MTU")

    wait_until(lambda: now() == mtu, lambda: f"MTU {mtu} to be announced: {now()}")
    wait_until(lambda: host.daemon.subnet_env()["FLANNEL_MTU"] == str(mtu), f"{mtu} in subnet.env")


def full_size(source, target, version, mtu, fragment):
    """Pings as large as the MTU of the source: "pass", "answered" with the MTU of the path, or what ping said."""
    source.ns.run("ip", f"-{version}", "route", "flush", "cache")
    said = source.ns.run(
        "sh", "-c", f"ping -n -c 4 -i 0.05 -W 2 -s {mtu - HEADERS[version]} -M {'dont' if fragment else 'do'} "
        f"{target.at(version).address} 2>&1", check=False,
    )  # fmt: skip
    if " 0% packet loss" in said:
        return "pass"
    refusals = ("Frag needed", "Packet too big", "essage too long")
    answered = sum(any(word in line for word in refusals) for line in said.splitlines())
    return "answered" if answered >= 4 and "100% packet loss" in said else said


def check_full_size(cluster, source, target, mtu, outcome):
    """Waits for what is to become of packets that may not be cut; those that may be cut pass in any case."""

    def wait_full_size(version, fragment, wanted):
        found = lambda: full_size(source, target, version, mtu, fragment)  # noqa: E731
        wait_until(lambda: found() == wanted, lambda: f"{wanted} for {mtu} by IPv{version}: {found()}")

    for version in cluster.versions:
        wait_full_size(version, False, outcome)
        if version == 4 or outcome == "pass":  # no router cuts IPv6
            wait_full_size(version, True, "pass")


def port_trouble(host):
    return [text for text in host.daemon.status()["troubles"] if "have a larger MTU" in text]


def look_again(host):
    """Lets the daemon check its host now, and not in a minute."""
    for value in 0, 1:
        host.ns.run("sysctl", "-qw", f"net.ipv4.conf.cni0.forwarding={value}")


@contextlib.contextmanager
def traffic(cluster):
    """TCP with a checksum in both directions, and echoes, of which none may be lost."""
    one, two = (host.container for host in cluster.hosts)
    size = int(cluster.hosts[0].daemon.subnet_env()["FLANNEL_MTU"]) - HEADERS[4]
    last = cluster.versions[-1]
    with (
        transfer_during(one, two) as there,
        transfer_during(two.at(last), one.at(last)) as back,
        EchoStreams(cluster, one, two) as echoes,
    ):
        yield echoes, size
        echoes.more()
    assert there.sent == there.received
    assert back.sent == back.received
    assert echoes.lost() == []


def test_hosts_get_another_mtu_by_the_configuration_one_after_another(lab):
    cluster = Cluster(lab, "etcd", "vxlan", families="dual").start(containers=True)
    one, two = cluster.hosts
    containers = one.container, two.container

    def configure(**options):
        two.daemon.kill9()  # it follows later
        cluster.config["Backend"] = {"Type": "vxlan"} | options
        cluster.store.set_config(cluster.config)

    check_full_size(cluster, *containers, 1430, "pass")
    with traffic(cluster) as (echoes, size), EchoStream(*containers, lab.folder, size=size) as full:
        configure(MTU=1400)
        wait_announced(cluster, one, 1330)
        check_full_size(cluster, *containers, 1430, "answered")
        full.more()
        two.daemon.start().wait_ready()
        wait_announced(cluster, two, 1330)
        for direction in containers, containers[::-1]:
            check_full_size(cluster, *direction, 1430, "answered")
            check_full_size(cluster, *direction, 1330, "pass")
        wait_mtu_to(cluster, one, two, None)
        larger = "host: containers at 1 port of cni0 have a larger MTU (1430 by c1) than the overlay, which has 1330"
        for host in cluster.hosts:
            wait_until(lambda: [text[: len(larger)] for text in port_trouble(host)] == [larger],
                       lambda: f"{larger}: {port_trouble(host)}")  # fmt: skip
            assert host.daemon.ready()

        configure()
        wait_announced(cluster, one, 1430)
        wait_mtu_to(cluster, one, two, 1330)
        check_full_size(cluster, *containers, 1430, "answered")
        wait_until(lambda: port_trouble(one) == [], lambda: f"no trouble: {port_trouble(one)}")
        full.more()
        two.daemon.start().wait_ready()
        wait_announced(cluster, two, 1430)
        wait_mtu_to(cluster, one, two, None)
        for direction in containers, containers[::-1]:
            check_full_size(cluster, *direction, 1430, "pass")
        full.more()
    assert full.lost() == []


@pytest.mark.parametrize("backend, overhead", [("vxlan", 70), ("udp", 48), ("host-gw", 0)])
def test_a_peer_with_a_smaller_underlay_is_sent_no_more_than_it_takes(lab, backend, overhead):
    """eth0 of h1 drops what is longer than its MTU, as hardware does, and nobody would say so."""
    cluster = Cluster(lab, "sqlite", backend, families="dual").start(containers=True)
    one, two = cluster.hosts
    large, small = 1500 - overhead, 1400 - overhead
    with traffic(cluster) as (echoes, _):
        one.ns.ip("link", "set", "eth0", "mtu", 1400)
        wait_announced(cluster, one, small)
        wait_mtu_to(cluster, two, one, small)
        for source, target in (one, two), (two, one):
            check_full_size(cluster, source.container, target.container, large, "answered")
            check_full_size(cluster, source.container, target.container, small, "pass")
        echoes.more()
        two.ns.ip("link", "set", "eth0", "mtu", 1400)
        wait_announced(cluster, two, small)
        wait_mtu_to(cluster, two, one, None)
        echoes.more()
        for host in two, one:
            host.ns.ip("link", "set", "eth0", "mtu", 1500)
            wait_announced(cluster, host, large)
        for host, peer in (one, two), (two, one):
            wait_mtu_to(cluster, host, peer, None)
            check_full_size(cluster, host.container, peer.container, large, "pass")


def test_the_containers_with_a_larger_mtu_are_named_until_they_are_gone(lab):
    cluster = Cluster(lab, "sqlite", "vxlan").start(containers=True)
    one, _ = cluster.hosts
    assert port_trouble(one) == []
    one.ns.ip_all("link add c2 mtu 1500 type veth peer name c2p\nlink set c2 master cni0\n")
    look_again(one)
    (said,) = wait_until(lambda: port_trouble(one), "the trouble")
    assert "at 1 port of cni0 have a larger MTU (1500 by c2)" in said
    one.ns.ip("link", "del", "c2")
    look_again(one)
    wait_until(lambda: not port_trouble(one), "its end")


@pytest.mark.parametrize("odd", ["0", "1", "1279", "4294967296", '"1400"'])
def test_an_odd_mtu_in_a_lease_is_no_mtu(lab, odd):
    cluster = Cluster(lab, "etcd", "host-gw", families="dual", hosts=1).start()
    (one,) = cluster.hosts
    cluster.store.put_lease(
        "10.5.70.0-24&fd00:5:0:46::-64",
        '{"PublicIP":"192.0.2.9","PublicIPv6":"2001:db8:2::9","BackendType":"host-gw",'
        f'"Backend":{{"Type":"host-gw","MTU":{odd}}}}}',
    )
    wait_until(lambda: one.ns.ask("-6", "route", "show", "fd00:5:0:46::/64"), "the route", unless=one.daemon.must_run)
    shown = one.ns.ask("route", "show", "10.5.70.0/24")[0].get("metrics", [])
    assert shown == ([{"mtu": 1279}] if odd == "1279" else []), "IPv4 hosts may have as little as 576"
    assert "metrics" not in one.ns.ask("-6", "route", "show", "fd00:5:0:46::/64")[0]
    assert one.daemon.status()["troubles"] == []
