# SPDX-License-Identifier: Apache-2.0
"""The backend alloc leases subnets and leaves the kernel to other software.

    h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2
              store
"""

import ipaddress

import pytest

from lab import leases_of
from lab.cluster import Cluster
from lab.overlay import NETWORKS


def links_and_routes(host):
    looks = (("-o", "link"), ("-4", "route", "show", "table", "all"), ("-6", "route", "show", "table", "all"))
    return [host.ns.ip(*words) for words in looks]


@pytest.mark.parametrize(
    "store, families", [("etcd", "v6"), ("etcd-v2", "dual"), ("consul", "v4"), ("sqlite", "dual")]
)
def test_hosts_have_subnets_of_their_own_and_no_device_or_route(lab, store, families):
    cluster = Cluster(lab, store, "alloc", families=families)
    before = [links_and_routes(host) for host in cluster.hosts]
    cluster.start()
    one, two = cluster.subnets()
    assert not set(one) & set(two)
    for version, *both in zip(cluster.versions, one, two):
        network = ipaddress.ip_network(NETWORKS[version])
        assert all(ipaddress.ip_network(cidr).subnet_of(network) for cidr in both)
    for host in cluster.hosts:
        assert host.daemon.subnet_env()["FLANNEL_MTU"] == "1500"
    assert len(leases_of(cluster.store)) == 2
    assert [links_and_routes(host) for host in cluster.hosts] == before
    for host in cluster.hosts:
        host.daemon.kill9()
        host.daemon.start().wait_ready()
    assert cluster.subnets() == [one, two]
