# SPDX-License-Identifier: Apache-2.0
"""The daemon repairs kernel objects that other programs delete or change.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                           sqlite
"""

import signal
import time

import pytest

from lab import wait_until
from lab.cluster import Cluster
from lab.monitor import Monitor
from lab.overlay import NETWORKS, base, device, rows, subnet, vtep_mac
from lab.traffic import ping

WITHIN = 2  # seconds, promised

# {v}: the version of IP. {elsewhere}: an address of the LAN that no host has.
VXLAN_DAMAGE = {
    "the route is deleted": "ip -{v} route del {subnet}",
    "the route leads elsewhere": "ip -{v} route replace {subnet} via {elsewhere} dev eth0 proto 250",
    "all routes are flushed": "ip -{v} route flush proto 250",
    "the neighbour is deleted": "ip neigh del {base} dev {link}",
    "the neighbour has another mac": "ip neigh replace {base} lladdr 02:00:00:00:00:01 dev {link} nud permanent",
    "the fdb row is deleted": "bridge fdb del {mac} dev {link} dst {address}",
    "the fdb row leads elsewhere": "bridge fdb replace {mac} dev {link} dst {elsewhere}",
    "the address is deleted": "ip addr flush dev {link} scope global",
    "the device is deleted": "ip link del {link}",
    "the device is down": "ip link set {link} down",
    "the mtu is changed": "ip link set {link} mtu 1300",
    "the mac is changed": "ip link set {link} address 02:00:00:00:00:02",
}
ELSEWHERE = {4: "192.0.2.200", 6: "2001:db8:2::200"}


def state(host, version):
    """The rows of the host, and the device without its counters and indexes."""
    link = device(version)
    links = host.ns.ask("-d", "link", "show", link) + host.ns.ask("addr", "show", link)
    keys = ("address", "mtu", "operstate", "linkinfo")
    addresses = [
        (entry["local"], entry["prefixlen"])
        for link in links
        for entry in link.get("addr_info", [])
        if entry.get("scope") == "global"
    ]
    return rows(host, version), [{key: link.get(key) for key in keys} for link in links], addresses


@pytest.fixture
def cluster(lab):
    return Cluster(lab).start(containers=True)


@pytest.mark.parametrize("families, version", [("v4", 4), ("dual", 6), ("v6", 6)])
def test_damaged_kernel_objects_are_repaired_within_two_seconds(lab, families, version):
    cluster = Cluster(lab, families=families).start(containers=True)
    one, two = cluster.hosts
    had = state(one, version)
    words = {
        "v": version,
        "link": device(version),
        "subnet": subnet(two, version),
        "base": base(subnet(two, version)),
        "mac": vtep_mac(two, version),
        "address": two.underlay(version),
        "elsewhere": ELSEWHERE[version],
    }
    for damage, command in VXLAN_DAMAGE.items():
        one.daemon.signal(signal.SIGSTOP)  # the repair is faster than this test can read
        one.ns.run(*command.format(**words).split())
        assert state(one, version) != had, f"{damage}: nothing was damaged"
        one.daemon.signal(signal.SIGCONT)
        wait_until(
            lambda: state(one, version) == had,
            lambda: f"{damage}: {had} {state(one, version)}",
            within=WITHIN,
            unless=one.daemon.must_run,
        )
        for each in cluster.versions:
            ping(one.container, two.container.at(each))


@pytest.mark.parametrize("families", ["v4", "dual", "v6"])
def test_a_deleted_host_gw_route_is_mended_within_two_seconds(lab, families):
    cluster = Cluster(lab, backend="host-gw", families=families).start(containers=True)
    one, two = cluster.hosts
    for version in cluster.versions:
        had = rows(one, version)
        for damage in ("del {}", f"replace {{}} via {ELSEWHERE[version]} dev eth0 proto 250"):
            one.daemon.signal(signal.SIGSTOP)
            one.ns.ip(f"-{version}", "route", *damage.format(subnet(two, version)).split())
            assert rows(one, version) != had
            one.daemon.signal(signal.SIGCONT)
            wait_until(lambda: rows(one, version) == had, lambda: f"{damage}: {rows(one, version)}",
                       within=WITHIN)  # fmt: skip
            ping(one.container, two.container.at(version))


@pytest.mark.parametrize("families", ["v4", "dual", "v6"])
def test_the_route_of_the_udp_device_is_mended_within_two_seconds(lab, families):
    cluster = Cluster(lab, backend="udp", families=families).start(containers=True)
    one, two = cluster.hosts
    for version in cluster.versions:
        network = NETWORKS[version]

        def routes():
            return one.ns.ip(f"-{version}", "route", "show", network)

        had = routes()
        assert had
        damages = ["del {}"]
        if version == 4:  # in IPv6 the other route stands behind ours, by its metric
            damages.append(f"replace {{}} via {ELSEWHERE[version]}")
        for damage in damages:
            one.daemon.signal(signal.SIGSTOP)
            one.ns.ip(f"-{version}", "route", *damage.format(network).split())
            assert routes() != had
            one.daemon.signal(signal.SIGCONT)
            wait_until(lambda: routes() == had, lambda: f"{damage}: {had} {routes()}", within=WITHIN)
            ping(one.container, two.container.at(version))
        one.daemon.stop()
        one.ns.ip(f"-{version}", "route", "del", network)
        one.daemon.start().wait_ready()
        wait_until(lambda: routes() == had, lambda: f"{had} {routes()}")


def test_a_route_to_the_ipv6_network_that_goes_before_that_of_the_udp_device_is_named(lab):
    cluster = Cluster(lab, backend="udp", families="dual").start(containers=True)
    one, two = cluster.hosts
    other = [NETWORKS[6], "via", ELSEWHERE[6], "metric", 256]
    sentence = f"kernel: packets to {NETWORKS[6]} leave by eth0, whose route to it goes before"
    for change, is_named in (("replace", True), ("del", False)):
        one.ns.ip("-6", "route", change, *other)
        one.daemon.signal(signal.SIGHUP)  # or within a minute
        wait_until(lambda: (sentence in one.daemon.health("/readyz")[1]) == is_named,
                   lambda: f"{change}: {one.daemon.health('/readyz')}")  # fmt: skip
        ping(one.container, two.container.at(4))
    ping(one.container, two.container.at(6))


def test_a_foreign_route_for_another_subnet_is_left_alone(cluster):
    one, _ = cluster.hosts
    one.ns.ip("route", "add", "10.9.0.0/16", "via", "192.0.2.200", "dev", "eth0")
    had = rows(one)
    one.ns.ip("link", "del", "flannel.1")
    wait_until(lambda: rows(one) == had, lambda: f"{had ^ rows(one)}", within=WITHIN)


@pytest.mark.parametrize("families, address", [("v4", "10.99.0.1/24"), ("dual", "fd99::1/64")])
def test_addresses_of_others_on_our_device_stay(lab, families, address):
    cluster = Cluster(lab, families=families).start()
    one = cluster.hosts[0]
    link = device(cluster.versions[-1])
    mtu = one.ns.ask("link", "show", link)[0]["mtu"]
    one.ns.ip("addr", "add", address, "dev", link, *(["nodad"] if ":" in address else []))
    one.ns.ip("link", "set", link, "mtu", mtu - 130)
    wait_until(lambda: one.ns.ask("link", "show", link)[0]["mtu"] == mtu, "the repair")
    assert address in one.ns.ip("addr", "show", "dev", link)


def after_down(host, version):
    """What an operator's network scripts add to an eth0 that was down: Linux removed it."""
    if version == 4:
        return ["route replace default via 192.0.2.254"]
    return [
        f"addr replace {host.address6}/64 dev eth0 nodad",
        "-6 route replace default via 2001:db8:2::fe dev eth0 onlink",
    ]


@pytest.mark.parametrize("families", ["v4", "v6"])
def test_an_underlay_that_goes_down_and_up_costs_only_the_time_it_was_down(lab, families):
    cluster = Cluster(lab, backend="host-gw", families=families).start(containers=True)
    one, two = cluster.hosts
    (version,) = cluster.versions
    had = rows(one, version)
    # The kernel drops every route over a device that goes down, including the default route.
    one.ns.ip("link", "set", "eth0", "down")
    way = f" via {two.underlay(version)} "
    wait_until(lambda: not any(way in row for row in rows(one, version)), "the kernel to drop the routes")
    one.ns.ip("link", "set", "eth0", "up")
    for words in after_down(one, version):
        one.ns.ip(*words.split())
    wait_until(lambda: had <= rows(one, version), lambda: f"{had - rows(one, version)}")
    ping(one.container, two.container)


@pytest.mark.parametrize("families", ["v4", "v6"])
def test_an_underlay_that_goes_down_and_up_at_once_costs_no_route(lab, families):
    cluster = Cluster(lab, backend="host-gw", families=families).start(containers=True)
    one, _ = cluster.hosts
    (version,) = cluster.versions
    had = rows(one, version)
    bounces = [("link set eth0 down", "link set eth0 up")]
    if version == 4:  # routes of IPv6 outlive the address of their link
        bounces.append((f"addr del {one.address}/24 dev eth0", f"addr add {one.address}/24 dev eth0"))
    for bounce in bounces:
        one.daemon.signal(signal.SIGSTOP)
        for words in (*bounce, *after_down(one, version)):
            one.ns.ip(*words.split())
        assert rows(one, version) != had, "the kernel dropped no route"
        one.daemon.signal(signal.SIGCONT)
        wait_until(lambda: had <= rows(one, version),
                   lambda: f"{bounce}: {had - rows(one, version)}", within=WITHIN)  # fmt: skip


def test_a_repair_does_not_repeat_itself(cluster):
    """A repaired row is not written again: the kernel sends no more notifications."""
    one, _ = cluster.hosts
    one.ns.ip("link", "del", "flannel.1")
    cluster.wait_complete(within=WITHIN)

    def heard():
        with Monitor(one, "-4", "monitor", "route", "link", "address") as monitor:
            time.sleep(1.5)  # in which nothing is to happen
            return monitor.lines()

    wait_until(lambda: heard() == [], lambda: f"an end of the repair: {heard()}", within=20)
