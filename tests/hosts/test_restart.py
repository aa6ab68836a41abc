# SPDX-License-Identifier: Apache-2.0
"""A daemon ends and is started again, while packets flow.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

import pytest

from lab.cluster import Cluster, wait_rows_gone
from lab.overlay import base, device, rows
from lab.shell import wait_until
from lab.traffic import EchoStreams


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize(
    "store, backend, families",
    [
        ("sqlite", "vxlan", "v6"),
        ("etcd", "vxlan", "dual"),
        ("consul", "vxlan", "v4"),
        ("sqlite", "ipip", "v4"),
        ("sqlite", "wireguard", "dual"),
        ("sqlite", "host-gw", "v4"),
        ("etcd", "host-gw", "v6"),
        ("consul", "host-gw", "dual"),
    ],
)
def test_a_restart_keeps_the_subnet_and_loses_no_echo(lab, store, backend, families, end):
    cluster = Cluster(lab, store, backend, families=families).start(containers=True)
    one, two = cluster.hosts
    before, had = cluster.subnets(), rows_of_all(one, cluster)
    with EchoStreams(cluster, one.container, two.container) as echoes:
        code = one.daemon.stop() if end == "SIGTERM" else one.daemon.kill9()
        assert code == (0 if end == "SIGTERM" else -9)
        assert rows_of_all(one, cluster) == had, "the data plane outlives the daemon"
        echoes.more()
        one.daemon.start().wait_ready()
        echoes.more()
    assert echoes.lost() == []
    assert cluster.subnets() == before
    assert rows_of_all(one, cluster) == had


def rows_of_all(host, cluster):
    """The rows of the host in each family of the cluster."""
    return {row for version in cluster.versions for row in rows(host, version)}


@pytest.mark.parametrize("families", ["v4", "dual", "v6"])
def test_a_host_that_lost_its_state_but_not_its_address_keeps_its_subnet(lab, families):
    """The subnet file and the node id are gone, as after a reinstallation."""
    cluster = Cluster(lab, families=families).start()
    host = cluster.hosts[0]
    before = cluster.subnets()
    host.daemon.stop()
    host.daemon.subnet_file.unlink()
    (host.daemon.state_dir / "node-id").unlink()
    host.daemon.start().wait_ready()
    assert cluster.subnets() == before
    cluster.wait_complete()


@pytest.mark.parametrize("families", ["v4", "dual"])
def test_a_reboot_keeps_the_subnet_and_the_mac(lab, families):
    """The devices and /run are lost, /var/lib stays."""
    cluster = Cluster(lab, families=families).start()
    host = cluster.hosts[0]
    before, had = cluster.subnets(), rows_of_all(host, cluster)
    host.daemon.kill9()
    for version in cluster.versions:
        host.ns.ip("link", "del", device(version))
    host.daemon.subnet_file.unlink()
    host.daemon.start().wait_ready()
    assert cluster.subnets() == before
    cluster.wait_complete()
    wait_until(lambda: rows_of_all(host, cluster) == had, lambda: f"{rows_of_all(host, cluster) ^ had}")


# {o}: a subnet of the network, up to its last digits; {l}: the LAN in the same way.
PARTS = {4: {"o": "10.5.{}.0/24", "l": "192.0.2.{}"}, 6: {"o": "fd00:5:0:{}::/64", "l": "2001:db8:2::{}"}}


def test_rows_of_peers_that_went_meanwhile_are_removed_and_foreign_ones_stay(lab):
    """Our rows have our device; our routes have the protocol 250."""
    cluster = Cluster(lab, families="dual").start()
    host = cluster.hosts[0]
    had = rows_of_all(host, cluster)
    host.daemon.kill9()
    for version in cluster.versions:
        leave_rows(host, version)
    stale = rows_of_all(host, cluster) - had
    assert len(stale) == 2 * 4
    for version in cluster.versions:
        add_foreign_rows(host, version)
    foreign = rows_and_others(host, cluster) - stale - had
    assert len(foreign) >= 2 * 5
    host.daemon.start().wait_ready()
    wait_rows_gone(host, lambda: rows_of_all(host, cluster) & stale, "what the earlier process left")
    assert foreign <= rows_and_others(host, cluster)
    assert had <= rows_of_all(host, cluster)


def leave_rows(host, version):
    """Adds rows as an earlier process of ours would for a peer."""
    overlay, lan = (PARTS[version][key].format for key in "ol")
    mac, link, gone = "02:00:00:00:00:63", device(version), base(overlay(99))
    host.ns.ip_all(
        f"route add {overlay(99)} via {gone} dev {link} onlink proto 250\n"
        f"route add {overlay(98)} via {lan(77)} dev eth0 proto 250\n"
        f"neigh add {gone} lladdr {mac} dev {link} nud permanent\n"
    )
    host.ns.bridge("fdb", "add", mac, "dev", link, "dst", lan(99), "self", "permanent")


def add_foreign_rows(host, version):
    """Adds rows as an operator or another program would."""
    overlay, lan = (PARTS[version][key].format for key in "ol")
    mac, link, elsewhere = "02:00:00:00:00:64", f"vx{version}", {4: "10.6.0.0/16", 6: "fd00:6::/48"}[version]
    host.ns.ip_all(
        f"link add {link} type vxlan id {version} dev eth0 local {host.underlay(version)} dstport 4789\n"
        f"link set {link} up\n"
        f"route add {overlay(97)} via {lan(78)} dev eth0 proto static\n"
        f"route add {elsewhere} via {lan(79)} dev eth0 proto bird\n"
        f"route add {overlay(96)} dev {link} proto static\n"
        f"neigh add {lan(77)} lladdr {mac} dev eth0 nud permanent\n"
    )
    host.ns.bridge("fdb", "add", mac, "dev", link, "dst", lan(88), "self", "permanent")


def rows_and_others(host, cluster):
    others = ""
    for version in cluster.versions:
        others += host.ns.ip(f"-{version}", "neigh", "show", "dev", "eth0", "nud", "permanent")
        others += host.ns.bridge("fdb", "show", "dev", f"vx{version}")
    return rows_of_all(host, cluster) | set(others.splitlines())
