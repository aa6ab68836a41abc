# SPDX-License-Identifier: Apache-2.0
"""Strict rp_filter while hosts have different backends: packets of a peer come in by another device than ours leave by.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

import itertools

import pytest

from lab.cluster import Cluster
from lab.overlay import base, lease_key, subnet
from lab.shell import wait_until
from lab.traffic import EchoStreams

PEER = "10.5.70.0/24"
MAC = "02:00:00:00:07:46"


def strict(host, eth0):
    for name, value in {"all": 1, "default": 1, "eth0": eth0}.items():
        host.ns.run("sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter={value}")


def rp_filter(host, device):
    """The setting of a device; empty: there is no such device."""
    return host.ns.run("cat", f"/proc/sys/net/ipv4/conf/{device}/rp_filter", check=False).strip()


@pytest.mark.parametrize("before, after", list(itertools.permutations(["udp", "vxlan", "host-gw"], 2)))
def test_a_change_loses_no_packet(lab, before, after):
    """With host-gw packets come in by eth0, which is not ours: the operator sets it to loose."""
    cluster = Cluster(lab, "etcd", before)
    for host in cluster.hosts:
        strict(host, eth0=2 if "host-gw" in (before, after) else 1)
    cluster.start(containers=True)
    one, two = cluster.hosts
    with (
        EchoStreams(cluster, one.container, two.container) as there,
        EchoStreams(cluster, two.container, one.container) as back,
    ):
        for backend in after, before, after:
            cluster.backend = backend
            cluster.config["Backend"] = {"Type": backend}
            cluster.store.set_config(cluster.config)
            cluster.wait_announced(cluster.hosts, backend)
            cluster.wait_complete()
            there.more()
            back.more()
    assert (there.lost(), back.lost()) == ([], [])
    for host in cluster.hosts:
        for device in host.ns.ask("link", "show"):
            if device["ifname"].startswith("flannel"):
                assert rp_filter(host, device["ifname"]) in ("2", ""), "a device of the backend before may have gone"


def hand_made_peer(lab, store, host, vni=1):
    """A host whose lease announces vxlan with VNI 7, and that sends to `host` by `vni`, or without a tunnel if it is 0."""
    peer = lab.host()
    store.put_lease(
        lease_key(PEER),
        f'{{"PublicIP":"{peer.address}","BackendType":"vxlan","BackendData":{{"VNI":7,"VtepMAC":"{MAC}"}}}}',
    )
    ours, there = subnet(host), base(subnet(host))
    for number, mac in {1: "02:00:00:00:01:46", 7: MAC}.items():
        peer.ns.ip_all(
            f"link add flannel.{number} address {mac} mtu 1450 type vxlan id {number} dev eth0 "
            f"local {peer.address} dstport 8472 nolearning\n"
            f"addr add {base(PEER)}/32 dev flannel.{number}\nlink set flannel.{number} up\n"
        )
    peer.ns.ip_all("link set lo up\naddr add 10.5.70.1/24 dev lo\n")
    if vni == 0:
        # A question with one of its own overlay addresses would be dropped as well.
        mac = host.ns.ask("link", "show", "eth0")[0]["address"]
        peer.ns.ip("neigh", "replace", host.address, "lladdr", mac, "dev", "eth0")
        peer.ns.ip("route", "add", ours, "via", host.address)
        return peer
    link = f"flannel.{vni}"
    mac = host.ns.ask("link", "show", link)[0]["address"]
    peer.ns.ip("neigh", "replace", there, "lladdr", mac, "dev", link, "nud", "permanent")
    peer.ns.bridge("fdb", "replace", mac, "dev", link, "dst", host.address, "self", "permanent")
    peer.ns.ip("route", "add", ours, "via", there, "dev", link, "onlink")
    return peer


def way_to_peer(host):
    routes = host.ns.ask("route", "show", PEER)
    return routes[0]["dev"] if routes else None


def is_heard(peer, host):
    """Whether packets of the peer reach a container of the host, and the answers the peer."""
    said = peer.ns.run(
        "ping", "-n", "-q", "-c", 3, "-i", "0.05", "-W", "1", "-I", "10.5.70.1", host.container.address, check=False
    )
    return " 0% packet loss" in said


def wait_heard(peer, host):
    wait_until(lambda: is_heard(peer, host), f"{host.name} to hear the peer")


def test_a_peer_may_send_by_another_device_than_we(lab):
    cluster = Cluster(lab, "etcd", "vxlan", hosts=1)
    (one,) = cluster.hosts
    strict(one, eth0=1)
    cluster.start(containers=True)
    peer = hand_made_peer(lab, cluster.store, one)
    wait_until(lambda: way_to_peer(one) == "flannel.7", lambda: str(way_to_peer(one)))
    wait_heard(peer, one)
    for setting in "net.ipv4.conf.all.rp_filter=1", "net/ipv4/conf/flannel.1/rp_filter=1":
        one.ns.run("sysctl", "-qw", setting)
        wait_until(lambda: rp_filter(one, "flannel.1") == "2", "the loose check")
        wait_heard(peer, one)
    assert rp_filter(one, "eth0") == "1"
    assert rp_filter(one, "cni0") == "1", "not ours"


def test_a_strict_check_on_the_underlay_is_named_while_it_drops_packets(lab):
    cluster = Cluster(lab, "etcd", "host-gw", hosts=1)
    (one,) = cluster.hosts
    strict(one, eth0=1)
    cluster.start(containers=True)
    peer = hand_made_peer(lab, cluster.store, one, vni=0)
    wait_until(lambda: way_to_peer(one) == "flannel.7", lambda: str(way_to_peer(one)))

    def said():
        return [text for text in one.daemon.status()["troubles"] if "rp_filter" in text]

    def look_again():
        for value in 0, 1:
            one.ns.run("sysctl", "-qw", f"net.ipv4.conf.cni0.forwarding={value}")

    def dropped_and_named():
        assert not is_heard(peer, one)
        look_again()
        return said()

    assert said() == []
    wait_until(dropped_and_named, "the trouble")
    assert "sysctl -w net/ipv4/conf/eth0/rp_filter=2" in said()[0]
    one.ns.run("sysctl", "-w", "net/ipv4/conf/eth0/rp_filter=2")
    wait_until(lambda: said() == [], "its end")
    wait_heard(peer, one)
