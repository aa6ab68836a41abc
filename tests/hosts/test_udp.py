# SPDX-License-Identifier: Apache-2.0
"""The udp backend: packets travel through the daemon itself.

    h1c ── cni0 ─ h1 ─ flannel0, eth0 ── lan ── eth0, flannel0 ─ h2 ─ cni0 ── h2c
"""

import json
import socket
import subprocess

import pytest

from lab import Container, binary, wait_until
from lab.cluster import NETWORK, Cluster
from lab.flanneld import ctl
from lab.overlay import base, lease_key, subnet
from lab.traffic import EchoStream, ping, reached, transfer

OTHER = "10.5.77.0/24"


@pytest.fixture
def pair(lab):
    one, two = Cluster(lab, "etcd", "udp").start(containers=True).hosts
    reached(one.container, two.container)
    return one, two


def test_packets_pass_unharmed_up_to_the_announced_mtu(pair):
    one, two = pair
    assert one.daemon.subnet_env()["FLANNEL_MTU"] == "1472"
    for source, target in ((one, two), (two, one)):
        ping(source.container, target.container)
        ping(source, target.container)
        sent, received = transfer(source.container, target.container, megabytes=100)
        assert sent == received
    whole = ["ping", "-n", "-c", "3", "-i", "0.05", "-W", "20", "-M", "do", "-s"]
    one.container.ns.run(*whole, 1472 - 28, two.container.address)
    refused = one.container.ns.run(*whole, 1473 - 28, two.container.address, check=False)
    assert "100% packet loss" in refused
    one.container.ns.run("ping", "-n", "-c", "3", "-i", "0.05", "-s", 20000, two.container.address)


def test_the_device_is_the_one_of_upstream(pair):
    one, _ = pair
    link = one.ns.ask("-d", "link", "show", "flannel0")[0]
    assert {"POINTOPOINT", "NOARP", "UP"} <= set(link["flags"])
    assert (link["mtu"], link["txqlen"], link["linkinfo"]["info_kind"]) == (1472, 500, "tun")
    address = base(subnet(one))
    routes = one.ns.ip("route", "show", NETWORK)
    assert f"dev flannel0 proto kernel scope link src {address}" in routes


def test_every_hop_answers_an_expired_packet(pair):
    one, two = pair
    said = [
        one.container.ns.run("ping", "-n", "-c1", "-W20", "-t", ttl, two.container.address, check=False)
        for ttl in (2, 3)
    ]
    assert f"From {base(subnet(one))} " in said[0] and "Time to live exceeded" in said[0]
    assert f"From {base(subnet(two))} " in said[1] and "Time to live exceeded" in said[1]


def test_a_subnet_without_a_lease_is_unreachable(pair):
    one, _ = pair
    said = one.container.ns.run("ping", "-n", "-c1", "-W20", "10.5.77.1", check=False)
    assert f"From {base(subnet(one))} " in said and "Net Unreachable" in said


def test_a_deleted_device_comes_back_and_carries_packets(pair):
    one, two = pair
    one.ns.ip("link", "del", "flannel0")
    reached(one.container, two.container)
    reached(two.container, one.container)


def test_a_daemon_that_is_killed_goes_on_where_it_was(pair):
    one, two = pair
    one.daemon.kill9()
    one.daemon.start().wait_ready()
    reached(one.container, two.container)
    ping(two.container, one.container)


def test_a_restart_with_what_the_service_manager_kept_loses_nothing(lab, pair):
    one, two = pair
    with EchoStream(one.container, two.container, lab.folder) as echoes:
        wait_until(lambda: one.daemon.told() and one.daemon.fd_store.names() == ["udp-queues", "udp-sockets"],
                   lambda: f"both to be kept: {one.daemon.fd_store.names()}")  # fmt: skip
        one.daemon.stop()
        one.daemon.start(with_kept_fds=True).wait_ready()
        echoes.more()
    assert echoes.lost() == []


def test_peers_come_and_go_without_a_lost_packet(lab, pair):
    one, two = pair
    with EchoStream(one.container, two.container, lab.folder) as echoes:
        three = lab.host()
        three.flanneld(two.daemon.store)
        three.daemon.start().wait_ready()
        three.start_container()
        reached(one.container, three.container)
        three.daemon.stop()
        echoes.more()
    assert echoes.lost() == []


def bytes_of(host, peer):
    """The bytes sent to a peer and received from it, as its host counts them."""
    peers = json.loads(ctl(host, "peers", "--json"))["peers"]
    found = next(one for one in peers if one["public_ip"] == peer.address)
    return found["bytes_sent"], found["bytes_received"]


def test_the_bytes_of_each_peer_are_counted(lab, pair):
    one, two = pair
    three = lab.host()
    three.flanneld(two.daemon.store)
    three.daemon.start().wait_ready()
    wait_until(lambda: len(json.loads(ctl(one, "peers", "--json"))["peers"]) == 2, "a second peer")
    before, before_other = bytes_of(one, two), bytes_of(one, three)
    megabytes = 20
    transfer(one.container, two.container, megabytes=megabytes)
    sent, received = (now - then for now, then in zip(bytes_of(one, two), before))
    assert megabytes << 20 < sent < (megabytes << 20) * 1.2, "the payload and its headers"
    assert 0 < received < sent / 10, "acknowledgements"
    assert max(now - then for now, then in zip(bytes_of(one, three), before_other)) < 10_000, "probes alone"
    three.daemon.stop()
    one.daemon.store.delete_lease(lease_key(subnet(three)))
    wait_until(lambda: len(json.loads(ctl(one, "peers", "--json"))["peers"]) == 1, "the peer to be gone")
    assert bytes_of(one, two)[0] >= before[0] + sent, "another table counts on"
    shown = ctl(one, "peers").splitlines()[0].split()
    assert "SENT" in shown and "RECEIVED" in shown


@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_the_kernel_counts_no_bytes_of_a_peer(lab, backend):
    one, two = Cluster(lab, "sqlite", backend).start().hosts
    assert bytes_of(one, two) == (None, None)


def assert_hops_as_with_upstream(one, two, mtu):
    """Four hops take one off the TTL, and upstream's does not answer; packets fill the overlay's MTU."""
    for source, target in ((one, two), (two, one)):
        ask = lambda *words, wait=20: source.container.ns.run(  # noqa: E731
            *["ping", "-n", "-c1", f"-W{wait}", *words, target.container.address], check=False
        )
        assert "ttl=60 " in ask()
        assert "1 received" in ask("-t", 5)
        assert "Time to live exceeded" in ask("-t", 4), "the far host's kernel"
        ours = "Time to live exceeded" in ask("-t", 2 if source is one else 3)
        theirs = "Time to live exceeded" in ask("-t", 3 if source is one else 2, wait=2)
        assert (ours, theirs) == (True, False)
        assert "1 received" in ask("-M", "do", "-s", mtu - 28)
        assert "0 received" in ask("-M", "do", "-s", mtu + 1 - 28, wait=2)
        assert "1 received" in ask("-s", 20000)
        assert "1 received" in ask("-M", "dont", "-s", 1472 - 28)


@pytest.mark.parametrize("families", ["v4", "dual"])
def test_a_host_of_upstream_is_reached_and_reaches_us(lab, families):
    """h2 treats packets as flannel v0.10 does, and has IPv4 only; its lease is written by hand.

    Its MTU is the one of a network of IPv4; ours is smaller beside IPv6."""
    cluster = Cluster(lab, "etcd", "udp", hosts=1, families=families)
    one = cluster.start(containers=True).hosts[0]
    ours = int(one.daemon.subnet_env()["FLANNEL_MTU"])
    mtu = 1472
    two = lab.host()
    forwarder = two.ns.start(
        binary("reference_forwarder"),
        *["--subnet", OTHER, "--local", f"{two.address}:8285", "--mtu", mtu],
        *["--peer", f"{subnet(one)}={one.address}:8285"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert forwarder.stdout.readline() == "ready\n"
        two.ns.ip_all(f"link set flannel0 mtu {mtu} up\naddr add {base(OTHER)}/16 dev flannel0\n")
        env = {"FLANNEL_SUBNET": OTHER.replace(".0/", ".1/"), "FLANNEL_MTU": str(mtu)}
        two.container = Container(two, env)
        cluster.store.put_lease(lease_key(OTHER), f'{{"PublicIP":"{two.address}"}}')
        reached(one.container, two.container)
        for source, target in ((one, two), (two, one)):
            ping(source.container, target.container)
            sent, received = transfer(source.container, target.container, megabytes=20)
            assert sent == received
        assert_hops_as_with_upstream(one, two, ours)
    finally:
        forwarder.kill()
        forwarder.communicate()


def arrived(link):
    """The datagrams in the buffer of a socket."""
    link.setblocking(False)
    found = []
    while True:
        try:
            found.append(link.recv(65535))
        except BlockingIOError:
            return found


def test_a_peer_without_an_ipv6_subnet_gets_ipv4_packets_as_they_are_and_none_of_ipv6(lab):
    """The peer is a socket at its port: it sees what a daemon of upstream would."""
    cluster = Cluster(lab, "etcd", "udp", hosts=1, families="dual")
    one = cluster.start(containers=True).hosts[0]
    peer = lab.host()
    peer.add_ipv6()
    with peer.ns.socket(socket.SOCK_DGRAM) as link:
        link.bind((peer.address, 8285))
        cluster.store.put_lease(lease_key(OTHER), f'{{"PublicIP":"{peer.address}"}}')
        seen = []

        def send(target, *words, wait=1):
            said = one.container.ns.run("ping", "-n", "-c1", f"-W{wait}", *words, target, check=False)
            seen.extend(arrived(link))
            return said

        wait_until(lambda: send("10.5.77.10") and seen, "a packet to arrive at the peer")
        # The subnet of IPv6 that belongs to the peer's of IPv4, and one above it.
        for target in ("fd00:5:0:4d::10", "fd00:5:0:4e::10"):
            assert "Destination unreachable" in send(target, wait=20)
        sizes = (0, 100, 1424, 4000, 20000)  # the last two in fragments
        for size in sizes:
            send("10.5.77.10", "-s", size)
        is_echo = lambda packet: packet[19] == 10 and packet[20] == 8 and not int.from_bytes(packet[6:8], "big") & 0x1FFF  # noqa: E731
        wait_until(lambda: seen.extend(arrived(link)) or sum(map(is_echo, seen)) > len(sizes), "all echoes to arrive")
        for packet in seen:
            version, length = packet[0] >> 4, int.from_bytes(packet[2:4], "big")
            assert (version, length) == (4, len(packet))
            # A probe goes to the first address of the subnet.
            assert ".".join(map(str, packet[16:20])) in ("10.5.77.10", "10.5.77.0")
