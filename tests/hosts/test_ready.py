# SPDX-License-Identifier: Apache-2.0
"""A ready host carries packets, and a repair does not interrupt working traffic.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                           sqlite
"""

import pytest

from lab import NotReached, wait_until
from lab.cluster import Cluster
from lab.overlay import subnet
from lab.traffic import answers, ping, reached

READY = (200, "flanneld is ready")


def says(host, status, words, within=60):
    """Waits until /readyz of the host has this status and these words."""

    def as_said():
        code, text = host.daemon.health("/readyz")
        return code == status and words in text

    wait_until(as_said, lambda: f"{status}, {words!r}: {host.daemon.health('/readyz')}", within,
               unless=host.daemon.must_run)


def is_ready(host):
    wait_until(lambda: host.daemon.health("/readyz") == READY,
               lambda: str(host.daemon.health("/readyz")), unless=host.daemon.must_run)


def device_index(host, name="flannel.1"):
    return host.ns.ask("link", "show", name)[0]["ifindex"]


@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_a_renamed_underlay_costs_only_the_time_it_was_down(lab, backend):
    one, two = Cluster(lab, backend=backend).start(containers=True).hosts
    index = device_index(one) if backend == "vxlan" else None
    for was, now in (("eth0", "wan0"), ("wan0", "eth0")):
        one.ns.ip_all(f"link set {was} down\nlink set {was} name {now}\nlink set {now} up\n"
                      "route add default via 192.0.2.254\n")
        wait_until(lambda: one.daemon.status()["underlay"]["interface"] == now, lambda: str(one.daemon.status()))
        reached(one.container, two.container)
        is_ready(one)
        if backend == "vxlan":
            assert device_index(one) == index, "the device was made anew"
    one.daemon.stop()
    one.daemon.start().wait_ready()
    ping(one.container, two.container)
    assert backend != "vxlan" or device_index(one) == index


def test_an_underlay_that_was_made_anew_is_the_same(lab):
    one, two = Cluster(lab).start(containers=True).hosts
    one.ns.ip("link", "del", "eth0")
    says(one, 503, "the interface eth0 is gone")
    lab.lan.ip_all(f"link add {one.name} type veth peer name eth0 netns {one.ns}\n"
                   f"link set {one.name} master lan0 up\n")
    one.ns.ip_all(f"addr add {one.address}/24 dev eth0\nlink set eth0 up\n"
                  "route add default via 192.0.2.254\n")
    is_ready(one)
    reached(one.container, two.container)


def test_a_virtual_address_is_not_announced_wherever_it_goes(lab):
    cluster = Cluster(lab)
    one, two = cluster.hosts
    vip = "192.0.2.100/32"
    one.ns.ip_all(f"addr flush dev eth0\naddr add {vip} dev eth0\n"
                  f"addr add {one.address}/24 dev eth0\nroute add default via 192.0.2.254\n")
    cluster.start(containers=True)
    assert one.daemon.status()["lease"]["public_ip"] == one.address
    ping(one.container, two.container)
    one.ns.ip("addr", "del", vip, "dev", "eth0")
    two.ns.ip_all(f"addr flush dev eth0\naddr add {vip} dev eth0\n"
                  f"addr add {two.address}/24 dev eth0\nroute add default via 192.0.2.254\n")
    is_ready(two)
    is_ready(one)
    reached(one.container, two.container)
    two.daemon.stop()
    two.daemon.start().wait_ready()
    assert two.daemon.status()["lease"]["public_ip"] == two.address
    ping(one.container, two.container)


def test_a_host_on_which_no_packet_passes_is_not_ready_and_names_the_remedy(lab):
    one, two = Cluster(lab).start(containers=True).hosts
    one.plug(False)
    says(one, 503, "underlay: eth0 has no carrier")
    one.plug(True)
    is_ready(one)

    def another_address_is_named():
        """For a few seconds only, which a test may miss: so it is done again."""
        one.ns.ip_all(f"addr del {one.address}/24 dev eth0\naddr add 192.0.2.77/24 dev eth0\n"
                      "route replace default via 192.0.2.254\n")
        try:
            says(one, 503, "if it stays so, this host uses 192.0.2.77 of eth0 in a few seconds", within=3)
            return True
        except NotReached:
            return False
        finally:
            one.ns.ip_all(f"addr flush dev eth0\naddr add {one.address}/24 dev eth0\n"
                          "route replace default via 192.0.2.254\n")
            is_ready(one)

    wait_until(another_address_is_named, "the other address to be named")

    own = subnet(one)
    one.ns.ip("route", "prepend", own, "dev", "eth0")
    says(one, 503, f"host: the route {own} dev eth0 goes before that of cni0")
    one.ns.ip("route", "del", own, "dev", "eth0")
    is_ready(one)
    ping(one.container, two.container)
    wait_until(lambda: one.daemon.log().count("code=own-subnet-taken") == 2, one.daemon.log)
    log = one.daemon.log()
    assert log.count("over: another route to our own subnet goes before that of the bridge") == 1, log


def test_a_ready_host_reports_what_stops_some_packets(lab):
    one, two = Cluster(lab).start(containers=True).hosts
    one.ns.sysctl(net_ipv4_ip_forward=0)
    says(one, 200, "host: net.ipv4.ip_forward is 0")
    one.ns.sysctl(net_ipv4_ip_forward=1)
    is_ready(one)

    inside = subnet(two).replace(".0/24", ".128/25")
    one.ns.ip("route", "add", inside, "dev", "eth0")
    says(one, 200, f"the route {inside} dev eth0 goes before ours by flannel.1 to the peer {subnet(two)}")
    one.ns.ip("route", "del", inside)
    is_ready(one)


def test_a_table_of_others_that_refuses_by_default_is_named(lab):
    one, two = Cluster(lab).start(containers=True).hosts
    one.ns.run("nft", "add table inet walls; add chain inet walls guard "
               "{ type filter hook forward priority 10; }; add rule inet walls guard reject")
    one.daemon.stop()
    one.daemon.start().wait_ready()
    says(one, 200, "the chain guard of the nftables table inet walls refuses")
    assert not answers(one.container, two.container.address)
    one.ns.run("nft", "insert rule inet walls guard ip saddr 10.5.0.0/16 ip daddr 10.5.0.0/16 accept")
    one.daemon.stop()
    one.daemon.start().wait_ready()
    is_ready(one)
    ping(one.container, two.container)


def test_a_route_that_upstream_left_to_our_own_subnet_goes(lab):
    one, two = Cluster(lab).start(containers=True).hosts
    own = subnet(one)
    one.daemon.stop()
    one.ns.ip("route", "prepend", own, "via", "10.5.250.0", "dev", "flannel.1", "onlink")
    assert "flannel.1" in one.ns.ip("route", "get", one.container.address)
    one.daemon.start().wait_ready()
    wait_until(lambda: "cni0" in one.ns.ip("route", "get", one.container.address), "it goes")
    is_ready(one)
    ping(one.container, two.container)


def test_a_port_that_another_device_has_is_named(lab):
    cluster = Cluster(lab)
    one, _ = cluster.hosts
    one.ns.ip_all("link add cilium_vxlan type vxlan external dstport 8472\nlink set cilium_vxlan up\n")
    cluster.store.set_config(cluster.config)
    one.daemon.start().wait_log("kernel change failed")
    says(one, 503, "UDP port 8472 is taken by the vxlan device cilium_vxlan")
    one.ns.ip("link", "del", "cilium_vxlan")
    one.daemon.wait_ready()


def test_host_gw_names_a_peer_that_is_not_on_the_link(lab):
    cluster = Cluster(lab, backend="host-gw")
    one, two = cluster.hosts
    one.ns.ip_all(f"addr flush dev eth0\naddr add {one.address}/32 dev eth0\n"
                  "route add default via 192.0.2.254 dev eth0 onlink\n")
    cluster.store.set_config(cluster.config)
    for host in cluster.hosts:
        host.daemon.start().wait_ready()
    says(one, 200, f"{two.address} is not on the link of eth0, so host-gw cannot reach it")
    assert "Nexthop has invalid gateway" not in one.daemon.log()
    one.ns.ip("route", "add", two.address, "dev", "eth0")
    one.daemon.signal(1)  # SIGHUP: read interfaces and routes again
    is_ready(one)
