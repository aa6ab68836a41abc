# SPDX-License-Identifier: Apache-2.0
"""Containers of all hosts talk to each other.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                              │         │
                              │         └── eth0 ─ h3 ─ cni0 ── h3c
                             store
"""

import itertools
import os

import pytest

from lab.cluster import Cluster
from lab.overlay import NETWORKS, subnet
from lab.traffic import ping, transfer

MEGABYTES = int(os.environ.get("FLANNEL_TEST_MEGABYTES", "100"))  # fewer on an emulated machine
MTU = {"vxlan": 1450, "ipip": 1480, "host-gw": 1500, "udp": 1472, "wireguard": 1420}
MTU_OVER_IPV6 = {"vxlan": 1430, "host-gw": 1500, "udp": 1452, "wireguard": 1420}


def announced_mtu(cluster):
    return (MTU if cluster.families == "v4" else MTU_OVER_IPV6)[cluster.backend]


def check_subnet_file(host, cluster):
    env = host.daemon.subnet_env()
    assert env["FLANNEL_MTU"] == str(announced_mtu(cluster))
    names = {4: ("FLANNEL_NETWORK", "FLANNEL_SUBNET"), 6: ("FLANNEL_IPV6_NETWORK", "FLANNEL_IPV6_SUBNET")}
    for version, (network, subnet_name) in names.items():
        assert env.get(network) == (NETWORKS[version] if version in cluster.versions else None)
        assert (subnet_name in env) == (version in cluster.versions)


# Each backend meets each family and each store, and each family meets each store: here, and for the
# backend alloc, which carries nothing, in test_alloc.py.
@pytest.mark.parametrize(
    "backend, store, families",
    [
        ("vxlan", "etcd", "v4"),
        ("vxlan", "etcd-v2", "dual"),
        ("vxlan", "consul", "v6"),
        ("vxlan", "sqlite", "v4"),
        ("ipip", "sqlite", "v4"),
        ("wireguard", "sqlite", "v6"),
        ("host-gw", "etcd", "dual"),
        ("host-gw", "etcd-v2", "v6"),
        ("host-gw", "consul", "v4"),
        ("host-gw", "sqlite", "dual"),
        ("udp", "etcd", "v6"),
        ("udp", "etcd-v2", "v4"),
        ("udp", "consul", "dual"),
        ("udp", "sqlite", "v6"),
    ],
)
def test_containers_ping_and_move_100_mb_unharmed_in_all_pairs(lab, backend, store, families):
    cluster = Cluster(lab, store, backend, hosts=3, families=families).start(containers=True)
    for version in cluster.versions:
        assert len({subnet(host, version) for host in cluster.hosts}) == 3
    for host in cluster.hosts:
        check_subnet_file(host, cluster)
    containers = [host.container for host in cluster.hosts]
    for source, target in itertools.permutations(containers, 2):
        for version in cluster.versions:
            ping(source, target.at(version))
            sent, received = transfer(source, target.at(version), megabytes=MEGABYTES // len(cluster.versions))
            assert sent == received, f"{source.host.name} to {target.host.name}, IPv{version}"


@pytest.mark.parametrize(
    "backend, families",
    [("vxlan", "v4"), ("vxlan", "dual"), ("ipip", "v4"), ("wireguard", "dual"), ("host-gw", "v4"), ("udp", "v6")],
)
def test_the_largest_packet_of_the_announced_mtu_passes_unfragmented(lab, backend, families):
    cluster = Cluster(lab, backend=backend, families=families).start(containers=True)
    one, two = cluster.hosts
    argv = ["ping", "-n", "-c", "3", "-i", "0.05", "-W", "20", "-M", "do"]
    for version in cluster.versions:
        payload = announced_mtu(cluster) - {4: 28, 6: 48}[version]  # without the headers of IP and ICMP
        target = two.container.at(version).address
        one.container.ns.run(*argv, "-s", payload, target)
        refused = one.container.ns.run(*argv, "-s", payload + 1, target, check=False)
        assert "100% packet loss" in refused


@pytest.mark.parametrize(
    "backend, families", [("vxlan", "dual"), ("ipip", "v4"), ("wireguard", "dual"), ("host-gw", "v4"), ("udp", "v6")]
)
def test_a_host_itself_reaches_the_containers_of_another(lab, backend, families):
    cluster = Cluster(lab, backend=backend, families=families).start(containers=True)
    one, two = cluster.hosts
    for version in cluster.versions:
        ping(one, two.container.at(version))
        ping(two, one.container.at(version))
