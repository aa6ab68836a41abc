# SPDX-License-Identifier: Apache-2.0
"""Containers of all hosts talk to each other.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                              │         │
                              │         └── eth0 ─ h3 ─ cni0 ── h3c
                             store
"""

import itertools

import pytest

from lab.cluster import Cluster
from lab.overlay import subnet
from lab.traffic import ping, transfer

MTU = {"vxlan": "1450", "host-gw": "1500"}


@pytest.mark.parametrize(
    "store, backend",
    [
        ("sqlite", "vxlan"),
        ("sqlite", "host-gw"),
        ("etcd", "vxlan"),
        ("etcd", "host-gw"),
        ("etcd-v2", "vxlan"),
    ],
)
def test_containers_ping_and_move_100_mb_unharmed_in_all_pairs(lab, store, backend):
    cluster = Cluster(lab, store, backend, hosts=3).start(containers=True)
    assert len({subnet(host) for host in cluster.hosts}) == 3
    for host in cluster.hosts:
        assert host.daemon.subnet_env()["FLANNEL_MTU"] == MTU[backend]
    containers = [host.container for host in cluster.hosts]
    for source, target in itertools.permutations(containers, 2):
        ping(source, target)
        sent, received = transfer(source, target, megabytes=100)
        assert sent == received, f"{source.host.name} to {target.host.name}"


@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_the_largest_packet_of_the_announced_mtu_passes_unfragmented(lab, backend):
    one, two = Cluster(lab, backend=backend).start(containers=True).hosts
    payload = int(MTU[backend]) - 28
    argv = ["ping", "-n", "-c", "3", "-i", "0.05", "-W", "3", "-M", "do"]
    one.container.ns.run(*argv, "-s", payload, two.container.address)
    refused = one.container.ns.run(*argv, "-s", payload + 1, two.container.address, check=False)
    assert "100% packet loss" in refused


@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_a_host_itself_reaches_the_containers_of_another(lab, backend):
    one, two = Cluster(lab, backend=backend).start(containers=True).hosts
    ping(one, two.container)
    ping(two, one.container)
