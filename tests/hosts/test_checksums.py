# SPDX-License-Identifier: Apache-2.0
"""A network card that breaks the checksums that are left to it: pings pass, TCP and UDP hang.

    container ─ cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ─ container
                          a bad card       etcd

The kernel leaves a checksum to a device by writing the sum of the pseudo header in its place. A rule of
nftables writes another number over that one, and a device then makes a wrong checksum of it. Packets that
have their checksum already are not touched.
"""

import contextlib
import json
import socket
import struct
import sys

from lab.cluster import Cluster
from lab.doctor import store_flags, wait_findings
from lab.flanneld import ctl
from lab.overlay import base, subnet
from lab.shell import wait_until
from lab.traffic import ping

UDP, TCP = 17, 6
PROBE = 40  # bytes of the UDP datagram of a short probe
SYN = 40  # bytes of the first TCP segment of a connection of Linux


def pseudo_sum(source, destination, protocol, length):
    """The sum of the pseudo header of IPv4, as a packet has it whose checksum is left to a device."""
    header = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack("!HH", protocol, length)
    total = sum(struct.unpack("!6H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return f"{total:#06x}"


@contextlib.contextmanager
def rules_of_a_bad_card(host, *rules):
    host.ns.run("nft", "add table ip card; add chain ip card out { type filter hook postrouting priority 300; };"
                + "".join(f"add rule ip card out {rule};" for rule in rules))  # fmt: skip
    yield
    host.ns.run("nft", "delete", "table", "ip", "card")


@contextlib.contextmanager
def bad_card(one, two):
    """eth0 of `one` breaks the checksums of what its vxlan device wraps: of probes, and of connections."""
    probe = pseudo_sum(base(subnet(one)), base(subnet(two)), UDP, PROBE)
    syn = pseudo_sum(one.container.address, two.container.address, TCP, SYN)
    one.ns.run("ethtool", "-K", "eth0", "tx", "off")  # fills in what is left to the card, as a card does
    inner = (8 + 8 + 14 + 20) * 8  # bits from the outer UDP header to the inner one
    with rules_of_a_bad_card(
        one,
        f"udp dport 8472 @th,{inner + 48},16 {probe} @th,{inner + 48},16 set 0x1234",
        f"udp dport 8472 @th,{inner + 128},16 {syn} @th,{inner + 128},16 set 0x1234",
    ):
        yield


def connects(one, two):
    """Whether a TCP connection from a container of `one` to one of `two` opens within two seconds."""
    server = two.container.ns.start(
        sys.executable, "-c", "import socket; s = socket.create_server(('', 7777)); s.accept()"
    )
    try:
        wait_until(lambda: "7777" in two.container.ns.run("ss", "-ltn"), "a listener")
        client = f"import socket; socket.create_connection(('{two.container.address}', 7777), timeout=2); print('open')"
        return "open" in one.container.ns.run(sys.executable, "-c", client, check=False)
    finally:
        server.kill()
        server.wait()


def offload(host, device="flannel.1"):
    said = host.ns.run("ethtool", "-k", device, check=False)
    return next((line.split()[1] for line in said.splitlines() if line.startswith("tx-checksumming:")), "no device")


def doctor(host, *words):
    return ctl(host, "doctor", *words, *store_flags(host), check=False, inside=True)


def restarted(host):
    host.daemon.kill9()
    host.daemon.start().wait_ready()  # asks at once, and not within two minutes


def test_checksums_that_break_are_found_and_mended(lab):
    cluster = Cluster(lab, "etcd", "vxlan").start(containers=True)
    one, two = cluster.hosts
    wait_findings(one)
    wait_until(lambda: connects(one, two), "a connection")
    assert "nothing was changed" in doctor(one, "--fix")
    with bad_card(one, two):
        restarted(one)
        found = wait_findings(one, "checksums-broken")["checksums-broken"]
        assert "TCP and UDP of containers are not" in found["text"] and "flannelctl doctor --fix" in found["remedy"]
        state = lambda: json.loads(ctl(one, "peers", "--json"))["peers"][0]["state"]  # noqa: E731
        wait_until(lambda: state() == "checksum", state)
        wait_findings(two)  # none: only packets of the other host break
        assert not connects(one, two)
        ping(one.container, two.container, count=1)

        def is_mended():
            """flanneld says so within two seconds, or is busy: then it is done again."""
            if "the kernel fills in the checksums of packets by flannel.1 from now on" in doctor(one, "--fix"):
                return True
            doctor(one, "--fix=off")
            return False

        wait_until(is_mended, lambda: doctor(one), every=0.5)
        wait_findings(one)
        wait_until(lambda: connects(one, two), "a connection")
        assert offload(one) == "off"
        assert "--fix=off" in doctor(one), "it says what is in force"

        restarted(one)
        assert offload(one) == "off"
        one.ns.ip("link", "del", "flannel.1")
        wait_until(lambda: offload(one) == "off", "a device that is made anew to have it, too")
        one.ns.run("ethtool", "-K", "flannel.1", "tx", "on")
        restarted(one)
        wait_until(lambda: offload(one) == "off", "what another has changed to be put right")
        wait_findings(one)

        doctor(one, "--fix=off")
        wait_until(lambda: offload(one) == "on", "the card to fill them in again")
        assert set(wait_findings(one, "checksums-broken")) == {"checksums-broken"}
        restarted(one)
        assert offload(one) == "on"
    wait_findings(one)


def test_without_a_device_of_ours_the_card_is_named(lab):
    cluster = Cluster(lab, "etcd", "host-gw").start(containers=True)
    one, two = cluster.hosts
    wait_findings(one)
    probe = pseudo_sum(base(subnet(one)), base(subnet(two)), UDP, PROBE)
    lab.lan.run("ethtool", "-K", two.name, "tx", "off")  # fills it in: from there on all see the checksum
    with rules_of_a_bad_card(one, f"udp dport 8286 udp checksum {probe} udp checksum set 0x1234"):
        restarted(one)
        found = wait_findings(one, "underlay-checksums-broken")["underlay-checksums-broken"]
        assert "eth0 arrive with a wrong one" in found["text"]
        assert "ethtool -K eth0 tx off" in found["remedy"]
        assert "nothing was changed" in doctor(one, "--fix")
        one.ns.run("ethtool", "-K", "eth0", "tx", "off")
        wait_findings(one)
