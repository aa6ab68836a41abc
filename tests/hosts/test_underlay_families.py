# SPDX-License-Identifier: Apache-2.0
"""Hosts whose underlay lacks a family that the network has.

    h1: both ──┬── lan ──┬── h2: IPv4 alone
               │         └── h3: IPv6 alone
"""

import itertools
import json

import pytest

from lab import wait_until
from lab.cluster import Cluster
from lab.overlay import base, subnet, version_of
from lab.traffic import EchoStream, answers, ping, transfer

BOTH = (4, 6)


def wait_reached(cluster, unreachable=()):
    """Waits until each host has a way to each subnet of each peer, but for the pair named."""

    def has_way(one, cidr):
        if cluster.backend == "udp":
            return answers(one, base(cidr))
        return one.ns.ask(f"-{version_of(cidr)}", "route", "show", cidr)

    def missing():
        return [
            f"{one.name} to {two.name}: {cidr}"
            for one, two in itertools.permutations(cluster.hosts, 2)
            for cidr in filter(None, (subnet(two, version) for version in cluster.versions))
            if {one, two} != set(unreachable) and not has_way(one, cidr)
        ]

    wait_until(lambda: not missing(), lambda: "\n".join(missing()))


class MixedCluster(Cluster):
    """A network of both families; the first host has both addresses, the second IPv4, the third IPv6."""

    def __init__(self, lab, backend):
        super().__init__(lab, "sqlite", backend, hosts=3, families="dual")

    def give_addresses(self, host):
        if len(self.hosts) == 1:
            host.forward_ipv6()
            return
        host.add_ipv6()
        if len(self.hosts) == 2:
            host.remove_ipv4()

    def wait_complete(self, within=60):
        wait_reached(self, self.hosts[1:])


@pytest.mark.parametrize("backend", ["vxlan", "udp"])
def test_both_families_reach_each_host_over_the_address_in_common(lab, backend):
    cluster = MixedCluster(lab, backend).start(containers=True)
    both, only_v4, only_v6 = cluster.hosts
    for other in (only_v4, only_v6):
        for one, two in itertools.permutations((both, other)):
            for version in BOTH:
                ping(one.container, two.container.at(version))
                ping(one, two.container.at(version))
        for version in BOTH:
            sent, received = transfer(both.container, other.container.at(version), megabytes=20)
            assert sent == received
    reason = "it and this host have no public addresses of one family: it has 2001:db8:2::3, this host 192.0.2.2"
    unreachable = lambda: list(only_v4.daemon.status()["peers"]["unreachable"].values())  # noqa: E731
    wait_until(lambda: unreachable() == [reason], lambda: f"{reason}: {unreachable()}")


@pytest.mark.parametrize("end", ["stop", "kill9"])
def test_a_restart_loses_no_echo_of_the_other_family(lab, end):
    both, only_v4, only_v6 = MixedCluster(lab, "vxlan").start(containers=True).hosts
    for other, version in ((only_v4, 6), (only_v6, 4)):
        with EchoStream(both.container, other.container.at(version), lab.folder) as echoes:
            for host in (both, other):
                getattr(host.daemon, end)()
                host.daemon.start().wait_ready()
                echoes.more()
        assert echoes.lost() == []


DAMAGE = (
    "ip -6 route flush proto 250",
    "ip -6 neigh flush dev flannel.1 nud permanent",
    "ip -6 addr flush dev flannel.1 scope global",
    "ip link del flannel.1",
    "ip link set flannel.1 mtu 1200",  # Linux then removes IPv6 from the device
)


def test_ipv6_on_the_ipv4_device_is_repaired(lab):
    both, only_v4, _ = MixedCluster(lab, "vxlan").start(containers=True).hosts
    for command in DAMAGE:
        only_v4.ns.run(*command.split())
        wait_until(
            lambda: answers(only_v4.container, both.container.at(6).address),
            f"IPv6 packets after: {command}", unless=only_v4.daemon.must_run,
        )  # fmt: skip


class OtherUnderlay(Cluster):
    """A network of one family on hosts that have addresses of the other only."""

    def __init__(self, lab, families, backend):
        super().__init__(lab, "sqlite", backend, families=families)

    def give_addresses(self, host):
        if self.families == "v6":
            host.forward_ipv6()
        else:
            host.add_ipv6()
            host.remove_ipv4()

    def add_host(self):
        host = super().add_host()
        v6 = self.families == "v6"
        host.daemon.flags.append(f"--public-ip={host.address}" if v6 else f"--public-ipv6={host.address6}")
        return host

    def wait_complete(self, within=60):
        wait_reached(self)


@pytest.mark.parametrize(
    "families, backend",
    [("v4", "vxlan"), ("v4", "host-gw"), ("v4", "udp"), ("v6", "vxlan"), ("v6", "udp")],
)
def test_a_network_of_one_family_is_carried_over_the_other(lab, families, backend):
    one, two = OtherUnderlay(lab, families, backend).start(containers=True).hosts
    for source, target in ((one, two), (two, one)):
        ping(source.container, target.container)
    sent, received = transfer(one.container, two.container, megabytes=20)
    assert sent == received


def test_an_underlay_of_the_other_family_must_be_asked_for(lab):
    cluster = OtherUnderlay(lab, "v6", "vxlan")
    one = cluster.hosts[0]
    one.daemon.flags.remove(f"--public-ip={one.address}")
    cluster.store.set_config(cluster.config)
    one.daemon.start()
    assert one.daemon.wait_exit() == 1
    assert "no usable IPv6 address" in one.daemon.log()


def test_a_peer_of_upstream_reaches_ipv4_and_is_not_harmed_by_ipv6(lab):
    """The peer is made with `ip`, of what upstream makes from the record of a host with IPv4 alone."""
    cluster = Cluster(lab, "etcd", hosts=1, families="dual")
    (ours,) = cluster.hosts
    ours.ns.ip("-6", "addr", "flush", "dev", "eth0", "scope", "global")
    cluster.store.set_config(cluster.config)
    ours.daemon.start().wait_ready()
    ((key, text),) = cluster.store.lease_values().items()
    record = json.loads(text)
    peer = lab.host()
    peer.add_ipv6()
    cluster.store.put_lease("10.5.100.0-24&fd00:5:0:64::-64", json.dumps({
        "PublicIP": peer.address, "PublicIPv6": peer.address6, "BackendType": "vxlan",
        "BackendData": {"VNI": 1, "VtepMAC": "02:00:00:00:00:64"},
        "BackendV6Data": {"VNI": 1, "VtepMAC": "02:00:00:00:06:64"},
    }))  # fmt: skip
    for link, own, base, data, to in (
        ("flannel.1", peer.address, "10.5.100.0", "BackendData", "PublicIP"),
        ("flannel-v6.1", peer.address6, "fd00:5:0:64::", "BackendV6Data", "PublicIPv6"),
    ):
        version = 4 if to == "PublicIP" else 6
        mac, cidr = record[data]["VtepMAC"], subnet(ours, version)
        gateway = cidr.split("/")[0]
        peer.ns.ip_all(
            f"link add {link} address 02:00:00:00:0{version - 4}:64 type vxlan id 1 local {own} dev eth0 "
            "dstport 8472 nolearning\n"
            f"addr add {base}/{32 if version == 4 else 128} dev {link}\n"
            f"link set {link} up\n"
            f"neigh add {gateway} lladdr {mac} dev {link} nud permanent\n"
        )
        peer.ns.bridge("fdb", "add", mac, "dev", link, "dst", record[to], "self", "permanent")
        peer.ns.ip("route", "add", cidr, "via", gateway, "dev", link, "onlink")
    assert key.startswith(subnet(ours, 4).replace("/", "-")) and record["PublicIPv6"] == "::"
    wait_until(lambda: ours.ns.ask("-4", "route", "show", "10.5.100.0/24"), "the route to the peer")
    peer.ns.run("ping", "-n", "-c", "3", "-i", "0.05", "-W", "20", "-I", "10.5.100.0", subnet(ours, 4).split("/")[0])
    assert not answers(peer, subnet(ours, 6).split("/")[0]), "the kernel sends nothing to ::"
