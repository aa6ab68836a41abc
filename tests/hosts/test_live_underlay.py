# SPDX-License-Identifier: Apache-2.0
"""The underlay of a host changes while containers talk.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

import pytest

from lab.cluster import Cluster
from lab.shell import wait_until
from lab.topology import LAN
from lab.traffic import EchoStreams, reached

BACKENDS = ["udp", "vxlan", "ipip", "host-gw"]


def check_moved(cluster, address):
    """The first host is reached at `address`, and has its subnet still."""
    one, two = cluster.hosts
    one.address = address
    wait_until(lambda: cluster.lease(one).get("PublicIP") == address, lambda: one.daemon.log())
    cluster.wait_complete()
    reached(one.container, two.container)
    with EchoStreams(cluster, one.container, two.container) as echoes:
        echoes.more()
    assert echoes.lost() == []
    assert one.daemon.ready()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_host_with_another_address_is_reached_there(lab, backend):
    """DHCP gives the host another address: it keeps its subnet, and its peers follow."""
    cluster = Cluster(lab, "etcd", backend).start(containers=True)
    one = cluster.hosts[0]
    subnets = cluster.subnets()
    one.ns.ip_all(
        f"addr del {one.address}/24 dev eth0\naddr add {LAN}.77/24 dev eth0\n"
        f"route replace default via {LAN}.254\n"
    )
    check_moved(cluster, f"{LAN}.77")
    assert cluster.subnets() == subnets


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("number", [1, 78], ids=["same-address", "another-address"])
def test_an_interface_is_deleted_and_made_anew(lab, backend, number):
    """As when a virtual machine's card is replaced; the configuration changes meanwhile as well."""
    # No test of another backend needs a kernel with ipip.
    after = {"udp": "vxlan", "vxlan": "host-gw", "host-gw": "udp", "ipip": "host-gw"}[backend]
    cluster = Cluster(lab, "etcd", backend).start(containers=True)
    one, two = cluster.hosts
    subnets = cluster.subnets()
    one.ns.ip("link", "del", "eth0")
    cluster.change_backend(after)
    cluster.wait_announced([two], after)
    lab.lan.ip_all(f"link add {one.name} type veth peer name eth0 netns {one.ns}\n"
                   f"link set {one.name} master lan0 up\n")  # fmt: skip
    one.ns.ip_all(f"addr add {LAN}.{number}/24 dev eth0\nlink set eth0 up\nroute add default via {LAN}.254\n")
    cluster.wait_announced(cluster.hosts, after)
    check_moved(cluster, f"{LAN}.{number}")
    assert cluster.subnets() == subnets


@pytest.mark.parametrize("backend, overhead", [("udp", 28), ("vxlan", 50), ("ipip", 20), ("host-gw", 0)])
def test_the_mtu_of_the_underlay_is_followed(lab, backend, overhead):
    """Containers keep the MTU that they were made with, smaller or larger."""
    cluster = Cluster(lab, "etcd", backend).start(containers=True)
    one, two = cluster.hosts
    with EchoStreams(cluster, one.container, two.container) as echoes:
        for mtu in (1400, 9000, 1500):
            for host in cluster.hosts:
                lab.lan.ip("link", "set", host.name, "mtu", mtu)
                host.ns.ip("link", "set", "eth0", "mtu", mtu)
            for host in cluster.hosts:
                wait_until(
                    lambda: host.daemon.subnet_env()["FLANNEL_MTU"] == str(mtu - overhead),
                    lambda: f"{mtu - overhead} in {host.daemon.subnet_env()}",
                )
            echoes.more()
    assert echoes.lost() == []
