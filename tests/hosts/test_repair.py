# SPDX-License-Identifier: Apache-2.0
"""The daemon repairs kernel objects that other programs delete or change.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                           sqlite
"""

import signal
import time

import pytest

from lab import wait_until
from lab.cluster import NETWORK, Cluster
from lab.overlay import base, rows, subnet, vtep_mac
from lab.traffic import ping

WITHIN = 2  # seconds, promised

VXLAN_DAMAGE = {
    "the route is deleted": "ip route del {subnet}",
    "the route leads elsewhere": "ip route replace {subnet} via 192.0.2.200 dev eth0 proto 250",
    "all routes are flushed": "ip route flush proto 250",
    "the neighbour is deleted": "ip neigh del {base} dev flannel.1",
    "the neighbour has another mac": "ip neigh replace {base} lladdr 02:00:00:00:00:01 dev flannel.1 nud permanent",
    "the fdb row is deleted": "bridge fdb del {mac} dev flannel.1 dst {address}",
    "the fdb row leads elsewhere": "bridge fdb replace {mac} dev flannel.1 dst 192.0.2.200",
    "the address is deleted": "ip addr flush dev flannel.1",
    "the device is deleted": "ip link del flannel.1",
    "the device is down": "ip link set flannel.1 down",
    "the mtu is changed": "ip link set flannel.1 mtu 1300",
    "the mac is changed": "ip link set flannel.1 address 02:00:00:00:00:02",
}


def device(host):
    """The device without its counters and indexes."""
    links = host.ns.ask("-d", "link", "show", "flannel.1") + host.ns.ask("addr", "show", "flannel.1")
    keys = ("address", "mtu", "operstate", "linkinfo")
    addresses = [
        (entry["local"], entry["prefixlen"])
        for link in links
        for entry in link.get("addr_info", [])
        if entry["family"] == "inet"
    ]
    return [{key: link.get(key) for key in keys} for link in links], addresses


@pytest.fixture
def cluster(lab):
    return Cluster(lab).start(containers=True)


def test_damaged_kernel_objects_are_repaired_within_two_seconds(cluster):
    one, two = cluster.hosts
    had, was = rows(one), device(one)
    words = {"subnet": subnet(two), "base": base(subnet(two)), "mac": vtep_mac(two),
             "address": two.address}
    for damage, command in VXLAN_DAMAGE.items():
        one.daemon.signal(signal.SIGSTOP)  # the repair is faster than this test can read
        one.ns.run(*command.format(**words).split())
        assert (rows(one), device(one)) != (had, was), f"{damage}: nothing was damaged"
        one.daemon.signal(signal.SIGCONT)
        wait_until(
            lambda: (rows(one), device(one)) == (had, was),
            lambda: f"{damage}: {had ^ rows(one)} {device(one)}",
            within=WITHIN,
            unless=one.daemon.must_run,
        )
        ping(one.container, two.container)


def test_a_deleted_host_gw_route_is_mended_within_two_seconds(lab):
    cluster = Cluster(lab, backend="host-gw").start(containers=True)
    one, two = cluster.hosts
    had = rows(one)
    for damage in ("del {}", "replace {} via 192.0.2.200 dev eth0 proto 250"):
        one.daemon.signal(signal.SIGSTOP)
        one.ns.ip("route", *damage.format(subnet(two)).split())
        assert rows(one) != had
        one.daemon.signal(signal.SIGCONT)
        wait_until(lambda: rows(one) == had, lambda: f"{damage}: {rows(one)}", within=WITHIN)
        ping(one.container, two.container)


def test_the_route_of_the_udp_device_is_mended_within_two_seconds(lab):
    one, two = Cluster(lab, backend="udp").start(containers=True).hosts
    had = one.ns.ip("route", "show", NETWORK)
    for damage in ("del {}", "replace {} via 192.0.2.200"):
        one.daemon.signal(signal.SIGSTOP)
        one.ns.ip("route", *damage.format(NETWORK).split())
        assert one.ns.ip("route", "show", NETWORK) != had
        one.daemon.signal(signal.SIGCONT)
        wait_until(lambda: one.ns.ip("route", "show", NETWORK) == had, damage, within=WITHIN)
        ping(one.container, two.container)
    one.daemon.stop()
    one.ns.ip("route", "del", NETWORK)
    one.daemon.start().wait_ready()
    assert one.ns.ip("route", "show", NETWORK) == had


def test_a_foreign_route_for_another_subnet_is_left_alone(cluster):
    one, _ = cluster.hosts
    one.ns.ip("route", "add", "10.9.0.0/16", "via", "192.0.2.200", "dev", "eth0")
    had = rows(one)
    one.ns.ip("link", "del", "flannel.1")
    wait_until(lambda: rows(one) == had, lambda: f"{had ^ rows(one)}", within=WITHIN)


def test_an_underlay_that_goes_down_and_up_costs_only_the_time_it_was_down(lab):
    cluster = Cluster(lab, backend="host-gw").start(containers=True)
    one, two = cluster.hosts
    had = rows(one)
    # The kernel drops every route over a device that goes down, including the default route.
    one.ns.ip("link", "set", "eth0", "down")
    wait_until(lambda: not rows(one) & {r for r in had if "proto" not in r and " via 192.0.2.2 " in r},
               "the kernel to drop the routes")
    one.ns.ip("link", "set", "eth0", "up")
    one.ns.ip("route", "add", "default", "via", "192.0.2.254")
    wait_until(lambda: had <= rows(one), lambda: f"{had - rows(one)}", within=10)
    ping(one.container, two.container)


def test_an_underlay_that_goes_down_and_up_at_once_costs_no_route(lab):
    cluster = Cluster(lab, backend="host-gw").start(containers=True)
    one, _ = cluster.hosts
    had = rows(one)
    for bounce in (
        ("link set eth0 down", "link set eth0 up"),
        (f"addr del {one.address}/24 dev eth0", f"addr add {one.address}/24 dev eth0"),
    ):
        one.daemon.signal(signal.SIGSTOP)
        for words in (*bounce, "route replace default via 192.0.2.254"):
            one.ns.ip(*words.split())
        assert rows(one) != had, "the kernel dropped no route"
        one.daemon.signal(signal.SIGCONT)
        wait_until(lambda: had <= rows(one), lambda: f"{bounce}: {had - rows(one)}", within=WITHIN)


def test_a_repair_does_not_repeat_itself(cluster):
    """A repaired row is not written again: the kernel sends no more notifications."""
    one, _ = cluster.hosts
    one.ns.ip("link", "del", "flannel.1")
    cluster.wait_complete(within=WITHIN)
    with open(one.folder / "monitor.log", "wb") as log:
        monitor = one.ns.start("ip", "-4", "monitor", "route", "link", "address", stdout=log)
    try:
        time.sleep(1.5)  # the test asserts that nothing happens
    finally:
        monitor.kill()
        monitor.wait()
    assert (one.folder / "monitor.log").read_text() == ""
