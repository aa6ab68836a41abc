# SPDX-License-Identifier: Apache-2.0
"""The network overlaps addresses that the hosts use outside of the overlay.

    h1c ── cni0 ─ h1 ─ eth0 ── lan, gateway 192.0.2.254 ── etcd 192.0.2.250, 172.20.0.5
    h2c ── cni0 ─ h2 ─ eth0 ───┘
"""

import json
import subprocess
import time

import pytest

from lab import binary, wait_until
from lab.cluster import Cluster
from lab.overlay import base, lease_key, subnet
from lab.traffic import answers, ping, reached

# The subnets contain no address of a host in the LAN.
IN_THE_LAN = {
    "Network": "192.0.2.0/24",
    "SubnetLen": 28,
    "SubnetMin": "192.0.2.16",
    "SubnetMax": "192.0.2.224",
}


def start(lab, config, backend, store="etcd", hosts=2):
    """Starts hosts with containers, and waits until these reach each other: rows depend on the backend."""
    cluster = Cluster(lab, store, backend, hosts=hosts)
    cluster.store.set_config({**config, "Backend": {"Type": backend}})
    for host in cluster.hosts:
        host.daemon.start().wait_ready()
        host.start_container()
    for one in cluster.hosts:
        for two in cluster.hosts:
            if one is not two:
                reached(one.container, two.container)
    return cluster.hosts


def troubles(host):
    return host.daemon.status()["troubles"]


def of_network(host):
    return [text for text in troubles(host) if text.startswith("network: ")]


def counters(host):
    return host.daemon.status()["packet_path"]["counters"]


@pytest.fixture
def far_etcd(lab):
    """etcd behind the default gateway, at 172.20.0.5."""
    etcd = lab.etcd(running=False)
    etcd.host.ns.ip("addr", "add", "172.20.0.5/32", "dev", "lo")
    lab.lan.ip("route", "add", "172.20.0.5", "via", etcd.host.address)
    lab.lan.sysctl(net_ipv4_ip_forward=1)
    etcd.url = "http://172.20.0.5:2379"
    return etcd.start()


@pytest.mark.parametrize("backend", ["udp", "vxlan"])
def test_a_network_around_the_store_and_its_way_takes_neither_along(lab, far_etcd, backend):
    config = {
        "Network": "172.16.0.0/12",
        "SubnetLen": 24,
        "SubnetMin": "172.20.0.0",
        "SubnetMax": "172.20.3.0",
    }
    one, two = start(lab, config, backend, far_etcd)
    for host in (one, two):
        assert subnet(host) != "172.20.0.0/24", "it is around the store"
        ping(host, "172.20.0.5")
        ping(host, "192.0.2.254")
        (said,) = wait_until(lambda: of_network(host), lambda: str(troubles(host)))
        assert "172.20.0.5 (an endpoint of the store)" in said
        text, remedy = said.removeprefix("network: ").split("; remedy: ")
        host.daemon.wait_log(text)
        host.daemon.wait_log(remedy)
    # A host that does not use that address leases the subnet.
    far_etcd.put_lease("172.20.0.0-24", '{"PublicIP":"192.0.2.77"}' if backend == "udp" else
                       '{"PublicIP":"192.0.2.77","BackendType":"vxlan","BackendData":'
                       '{"VNI":1,"VtepMAC":"02:00:00:00:00:77"}}')
    wait_until(
        lambda: "172.20.0.0/24" in one.daemon.status()["peers"]["unreachable"],
        "the subnet around the store to be unreachable",
    )
    ping(one, "172.20.0.5")
    ping(one.container, two.container)


@pytest.mark.parametrize("backend", ["udp", "vxlan", "host-gw"])
def test_a_network_that_is_the_underlays_own_leaves_the_hosts_reachable(lab, backend):
    one, two = start(lab, IN_THE_LAN, backend)
    for host in (one, two):
        ping(host, "192.0.2.254")
        ping(host, "192.0.2.250")
        (said,) = wait_until(lambda: of_network(host), lambda: str(troubles(host)))
        assert f"{host.address} (the address of eth0)" in said
    ping(one, two)
    checked = two.ns.start(
        *[binary("flannelctl"), *two.daemon.store.flags()],
        *["config", "check", json.dumps(IN_THE_LAN)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ).communicate()[1]
    assert "as seen from this host: " + said.removeprefix("network: ") in checked


def test_a_left_device_over_the_way_to_the_store_goes_at_the_start(lab):
    """A run under an older configuration left the device; the configuration in the store is right now."""
    cluster = Cluster(lab, "etcd", "udp", hosts=1)
    cluster.store.set_config(cluster.config)
    (host,) = cluster.hosts
    host.ns.ip_all(
        "tuntap add dev flannel0 mode tun\n"
        "link set flannel0 up\n"
        "addr add 192.0.2.192/26 dev flannel0\n"
    )
    assert not answers(host, "192.0.2.250") and not answers(host, "192.0.2.254")
    host.daemon.start().wait_ready()
    ping(host, "192.0.2.250")
    ping(host, "192.0.2.254")
    host.daemon.wait_log("device of an earlier run removed")


def test_two_leases_that_name_each_others_subnets_make_no_circle(lab):
    one, two = start(lab, {"Network": "10.5.0.0/16", "SubnetMax": "10.5.7.0"}, "udp")
    store = one.daemon.store
    store.put_lease("10.5.8.0-24", '{"PublicIP":"10.5.9.5"}')
    store.put_lease("10.5.9.0-24", '{"PublicIP":"10.5.8.5"}')
    wait_until(
        lambda: "10.5.9.0/24" in one.daemon.status()["peers"]["unreachable"],
        "the younger of the two to be unreachable",
    )
    before = counters(one)["out_packets"]
    for address in ("10.5.8.5", "10.5.9.5", "10.5.8.5"):
        assert not answers(one.container, address)
    time.sleep(2)  # there is no state to wait for: no packet may be sent
    assert counters(one)["out_packets"] - before < 100
    ping(one.container, two.container)


def test_udp_is_not_ready_while_another_device_has_the_networks_route(lab):
    cluster = Cluster(lab, "etcd", "udp", hosts=1)
    cluster.store.set_config(cluster.config)
    (host,) = cluster.hosts
    host.ns.ip_all(
        "link add docker0 type bridge\naddr add 10.5.0.1/16 dev docker0\nlink set docker0 up\n"
    )
    host.daemon.start()
    host.daemon.wait_log("flannel0")
    wait_until(lambda: any("leave by docker0" in text for text in troubles(host)), "the trouble")
    assert not host.daemon.ready() and host.daemon.subnet_env() is None
    host.ns.ip("addr", "del", "10.5.0.1/16", "dev", "docker0")
    host.daemon.wait_ready()
    wait_until(lambda: troubles(host) == [], lambda: str(troubles(host)))
    host.ns.ip_all("link add br9 type bridge\nlink set br9 up\naddr add 10.5.0.9/16 dev br9\n")
    assert troubles(host) == [], "its route came later and stands behind ours"
    assert f"dev flannel0 proto kernel scope link src {base(subnet(host))}" in host.ns.ip(
        "route", "show", "10.5.0.0/16"
    )


def test_a_public_ip_that_no_host_has_is_unreachable(lab):
    cluster = Cluster(lab, "etcd", "vxlan", hosts=1).start()
    (host,) = cluster.hosts
    host.ns.ip("addr", "add", "198.51.100.7/24", "dev", "eth0")
    forged = '{"PublicIP":"%s","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:%02d"}}'
    wrong = {
        "10.5.240.0/24": "192.0.2.255",
        "10.5.241.0/24": "192.0.2.0",
        "10.5.242.0/24": "198.51.100.7",
        "10.5.243.0/24": base(subnet(host)).removesuffix("0") + "9",
    }
    for number, (cidr, address) in enumerate(wrong.items()):
        cluster.store.put_lease(lease_key(cidr), forged % (address, number))
    wait_until(
        lambda: set(wrong) <= set(host.daemon.status()["peers"]["unreachable"]),
        lambda: f"all to be unreachable: {host.daemon.status()['peers']['unreachable']}",
    )
    assert not [row for row in host.ns.ask("route", "show") if row["dst"] in wrong]
