# SPDX-License-Identifier: Apache-2.0
"""Only datagrams of peers are accepted at the port of the udp backend.

    h1c ── cni0 ─ h1 ─ flannel0, eth0 ──┬── lan ──┬── eth0 ─ h2 (a peer) ── h2c
                                        └── eth0 ─ h3 (runs nothing)
"""

import socket

from lab import wait_until
from lab.cluster import Cluster
from lab.overlay import base, subnet
from lab.strangers import Stranger, packet
from lab.traffic import answers

# More than one queue pair, bound to a CPU, with small buffers: the flags of the packet path work.
FLAGS = ("--udp-queues=2", "--udp-cpus=0", "--udp-receive-buffer=100000", "--udp-send-buffer=100000")


def drops(host):
    """The counts of drops by reason, without zeros."""
    return {name: n for name, n in host.daemon.status()["packet_path"]["drops"].items() if n}


def arrived(listener, within=1):
    listener.settimeout(within)
    try:
        return listener.recv(100)
    except socket.timeout:
        return None


def test_only_packets_from_the_owner_of_the_inner_source_are_accepted(lab):
    one, two = Cluster(lab, "sqlite", "udp", flags=FLAGS).start(containers=True).hosts
    three = lab.host()
    us, peer = one.container.address, two.container.address
    wait_until(lambda: answers(one.container, peer), "the containers to reach each other")
    listener = one.container.ns.socket(socket.SOCK_DGRAM)
    listener.bind((us, 9999))
    before = drops(one)
    outsider, insider = Stranger(three, one), Stranger(two, one)

    outsider.says(
        packet(peer, us),  # a source in a peer's subnet
        packet("10.5.222.2", us),  # a source without a lease
        packet(base(subnet(one)), us),  # our own source
        packet("203.0.113.5", us),  # a source outside of the network
    )
    good = packet(peer, us)
    insider.says(
        b"",
        good[:19],
        packet(peer, us, version=6),
        packet(peer, us, length=1000),
        good + b"more",
        packet(peer, us, header_checksum=1),
        packet(peer, us, payload=bytes(1500)),
        packet(peer, "10.5.222.2"),
        packet(peer, two.address),
        packet(peer, us, ttl=1),
    )
    expected = {
        "in_wrong_sender": 1,
        "in_unknown_source": 3,
        "in_not_ip": 3,
        "in_length_mismatch": 2,
        "in_bad_checksum": 1,
        "in_too_big": 1,
        "in_not_for_us": 2,
        "in_ttl_expired": 1,
    }
    counted = lambda: {k: v - before.get(k, 0) for k, v in drops(one).items() if k.startswith("in_")}  # noqa: E731
    wait_until(lambda: counted() == expected, lambda: f"{expected}, but there is {counted()}")
    assert arrived(listener) is None
    insider.says(good)
    assert arrived(listener, within=60) == b"injected", "an honest packet by hand does arrive"

    # The flag for NAT with two paths, and why it is unsafe.
    one.daemon.stop()
    one.daemon.flags.append("--udp-accept-any")
    one.daemon.start().wait_ready()
    wait_until(lambda: one.daemon.status()["peers"]["up"] == 1, lambda: str(one.daemon.status()["peers"]))
    outsider.says(packet("10.5.222.2", us), packet(peer, us))
    assert arrived(listener, within=60) == b"injected"
    assert arrived(listener) is None, "a source without a lease is dropped all the same"
    for link in (outsider, insider, listener):
        link.close()
