# SPDX-License-Identifier: Apache-2.0
"""The configuration changes while containers talk: no packet is lost, whichever host follows first.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

import contextlib
import itertools
import json

import pytest

from lab import CommandFailed, binary, flannelctl
from lab.cluster import Cluster
from lab.overlay import route_rows, subnet, vtep_mac
from lab.shell import wait_until
from lab.traffic import EchoStreams, reached, transfer_during

BACKENDS = ["udp", "vxlan", "ipip", "host-gw"]


@pytest.mark.parametrize("before, after", list(itertools.permutations(BACKENDS, 2)))
def test_another_backend_loses_no_packet(lab, before, after):
    families = "v4" if before == "udp" or "ipip" in (before, after) else "dual"
    store = "etcd" if before == "vxlan" else "sqlite"
    cluster = Cluster(lab, store, before, families=families).start(containers=True)
    one, two = cluster.hosts
    subnets = cluster.subnets()
    with (
        transfer_during(one.container, two.container) as stream,
        EchoStreams(cluster, one.container, two.container, every=0.001) as there,
        EchoStreams(cluster, two.container, one.container, every=0.001) as back,
    ):
        cluster.change_backend(after)
        cluster.wait_announced(cluster.hosts, after)
        cluster.wait_complete()
        there.more()
        back.more()
    assert (there.lost(), back.lost()) == ([], [])
    assert stream.sent == stream.received
    assert cluster.subnets() == subnets


@pytest.mark.parametrize("before, after", [("vxlan", "host-gw"), ("host-gw", "udp"), ("udp", "vxlan")])
def test_a_host_that_was_away_follows_later(lab, before, after):
    """One daemon is down during the change: the others reach it as before, and it finds the new world."""
    cluster = Cluster(lab, "etcd", before).start(containers=True)
    one, two = cluster.hosts
    late = cluster.add_host()
    late.daemon.start().wait_ready()
    late.start_container()
    cluster.wait_complete()
    late.daemon.kill9()
    # Over udp no packet passes without the daemon.
    targets = [two.container] if before == "udp" else [two.container, late.container]
    with contextlib.ExitStack() as streams:
        echoes = [streams.enter_context(EchoStreams(cluster, one.container, target)) for target in targets]
        cluster.change_backend(after)
        cluster.wait_announced([one, two], after)
        for stream in echoes:
            stream.more()
        late.daemon.start().wait_ready()
        cluster.wait_announced([late], after)
        cluster.wait_complete()
        for stream in echoes:
            stream.more()
        reached(one.container, late.container)
    assert [stream.lost() for stream in echoes] == [[]] * len(echoes)


def test_another_vni_has_a_device_beside_the_old_one(lab):
    cluster = Cluster(lab, "etcd", "vxlan").start(containers=True)
    one, two = cluster.hosts
    with EchoStreams(cluster, one.container, two.container) as echoes:
        cluster.change_backend("vxlan", VNI=7)
        wait_until(
            lambda: all("flannel.7" in row for host in (one, two) for row in to_peer(cluster, host)),
            lambda: str([to_peer(cluster, host) for host in (one, two)]),
        )
        echoes.more()
    assert echoes.lost() == []


def on_port(cluster, port, **options):
    """The port changes; waits until all hosts announce it and reach each other there."""
    cluster.change_backend(cluster.backend, Port=port, **options)
    wait_until(
        lambda: all(cluster.announced(host).get("Port") == port for host in cluster.hosts),
        lambda: f"port {port} to be announced: {[cluster.announced(host) for host in cluster.hosts]}",
    )
    if cluster.backend == "vxlan":
        for host in cluster.hosts:
            wait_until(lambda: ways(cluster, host) == {port}, lambda: f"{port}: {ways(cluster, host)}")


def vxlan_ports(host):
    """The ports of the vxlan devices, by name."""
    links = host.ns.ask("-d", "link", "show", "type", "vxlan")
    return {link["ifname"]: link["linkinfo"]["info_data"]["port"] for link in links}


def ways(cluster, host):
    """The ports by which a host sends to its peers, in each family; {None}: it changes its ways just now."""
    peers = [other for other in cluster.hosts if other is not host]
    routes = [
        route for peer in peers for version in cluster.versions
        for route in host.ns.ask(f"-{version}", "route", "show", subnet(peer, version))
    ]  # fmt: skip
    ports = vxlan_ports(host)  # after the routes, whose devices are older than they
    is_one_each = len(routes) == len(peers) * len(cluster.versions)
    return {ports.get(route["dev"]) for route in routes} if is_one_each else {None}


def test_another_vxlan_port_has_a_device_beside_the_old_one(lab):
    cluster = Cluster(lab, "etcd", "vxlan", families="dual").start(containers=True)
    one, two = cluster.hosts
    macs = [vtep_mac(host, version) for host in cluster.hosts for version in cluster.versions]
    with (
        transfer_during(one.container, two.container) as stream,
        EchoStreams(cluster, one.container, two.container) as there,
        EchoStreams(cluster, two.container, one.container) as back,
    ):
        for port in 8473, 8472, 8473:
            on_port(cluster, port)
            for host in cluster.hosts:
                assert vxlan_ports(host) == {
                    "flannel.1": 8472, "flannel-v6.1": 8472, "fl2.1": 8473, "fl2-v6.1": 8473,
                }  # fmt: skip
            there.more()
            back.more()
    assert (there.lost(), back.lost()) == ([], [])
    assert stream.sent == stream.received
    assert macs == [
        host.ns.ask("link", "show", name)[0]["address"] for host in cluster.hosts for name in ("fl2.1", "fl2-v6.1")
    ]
    one.daemon.stop()
    cleanup = one.ns.run(binary("flannelctl"), "cleanup")
    assert all(f"removed device {name}\n" in cleanup for name in ("flannel.1", "fl2.1", "fl2-v6.1"))
    assert vxlan_ports(one) == {}


def test_three_vxlan_ports_one_after_another_lose_no_packet(lab):
    cluster = Cluster(lab, "sqlite", "vxlan").start(containers=True)
    one, two = cluster.hosts
    with EchoStreams(cluster, one.container, two.container) as echoes:
        for port in 8473, 8474, 8475:
            cluster.change_backend("vxlan", Port=port)
        on_port(cluster, 8475)
        echoes.more()
    assert echoes.lost() == []


def test_a_kill_in_the_midst_of_another_vxlan_port_loses_no_packet(lab):
    cluster = Cluster(lab, "etcd", "vxlan", families="dual").start(containers=True)
    one, two = cluster.hosts
    with EchoStreams(cluster, one.container, two.container) as echoes:
        for port in [8473, 8472] * 3:
            cluster.change_backend("vxlan", Port=port)
            one.daemon.kill9()
            one.daemon.start().wait_ready()
            on_port(cluster, port)
        echoes.more()
    assert echoes.lost() == []


def test_another_udp_port_has_a_device_beside_the_old_one(lab):
    cluster = Cluster(lab, "etcd", "udp", families="dual").start(containers=True)
    one, two = cluster.hosts
    with (
        EchoStreams(cluster, one.container, two.container) as there,
        EchoStreams(cluster, two.container, one.container) as back,
    ):
        for port in 8286, 8285:
            on_port(cluster, port)
            there.more()
            back.more()
    assert (there.lost(), back.lost()) == ([], [])


def test_gbp_costs_a_moment_on_one_port_and_nothing_with_another(lab):
    cluster = Cluster(lab, "sqlite", "vxlan").start(containers=True)
    one, two = cluster.hosts

    def option(host, name, key):
        links = host.ns.ask("-d", "link", "show", name)
        return links[0]["linkinfo"]["info_data"].get(key, False) if links else None

    def set_config(*flags, **options):
        cluster.config["Backend"] = {"Type": "vxlan"} | options
        flannelctl(cluster.store, "config", "set", *flags, json.dumps(cluster.config))

    with EchoStreams(cluster, one.container, two.container) as echoes:
        for gbp in True, False:
            with pytest.raises(CommandFailed, match="each host makes its devices on Port 8472 anew"):
                set_config(GBP=gbp)
            set_config("--force", GBP=gbp)
            for host in cluster.hosts:
                wait_until(lambda: option(host, "flannel.1", "gbp") is gbp, f"GBP {gbp} on {host.name}")
            cluster.wait_complete()
            echoes.more()
    print("lost by GBP on and off:", [len(lost) for lost in echoes.lost()])

    with EchoStreams(cluster, one.container, two.container) as echoes:
        set_config(Learning=True)
        wait_until(lambda: all(option(host, "flannel.1", "learning") for host in cluster.hosts), "learning")
        echoes.more()
        set_config(GBP=True, Port=8473)
        wait_until(lambda: all(ways(cluster, host) == {8473} for host in cluster.hosts), "the other port")
        for host in cluster.hosts:
            assert [option(host, name, "gbp") for name in ("flannel.1", "fl2.1")] == [False, True]
        echoes.more()
    assert echoes.lost() == []


def to_peer(cluster, host):
    peer = next(other for other in cluster.hosts if other is not host)
    return [row for row in route_rows(host) if f"route {subnet(peer)} " in row]


def test_a_network_that_grows_keeps_every_subnet(lab):
    cluster = Cluster(lab, "etcd", "udp").start(containers=True)
    one, two = cluster.hosts
    subnets = cluster.subnets()
    with EchoStreams(cluster, one.container, two.container) as echoes:
        cluster.config = cluster.config | {"Network": "10.4.0.0/15"}
        cluster.store.set_config(cluster.config)
        for host in cluster.hosts:
            wait_until(lambda: "route 10.4.0.0/15 dev flannel0" in route_rows(host), lambda: str(route_rows(host)))
        echoes.more()
    assert echoes.lost() == []
    assert cluster.subnets() == subnets
    wait_until(lambda: one.daemon.subnet_env()["FLANNEL_NETWORK"] == "10.4.0.0/15", lambda: str(one.daemon.subnet_env()))


def test_a_family_comes_and_goes(lab):
    cluster = Cluster(lab, "etcd", "vxlan", families="dual")
    both = cluster.config
    cluster.config = {name: value for name, value in both.items() if "IPv6" not in name}
    cluster.versions = (4,)
    cluster.start(containers=True)
    one, two = cluster.hosts
    before = [subnet(host) for host in cluster.hosts]
    with EchoStreams(cluster, one.container, two.container) as echoes:
        cluster.store.set_config(both)
        wait_until(lambda: all(subnet(host, 6) for host in cluster.hosts), "IPv6 subnets")
        cluster.versions = (4, 6)
        cluster.wait_complete()
        echoes.more()
        cluster.store.set_config(cluster.config)
        wait_until(lambda: not any(subnet(host, 6) for host in cluster.hosts), "the end of IPv6 subnets")
        cluster.versions = (4,)
        cluster.wait_complete()
        echoes.more()
    assert echoes.lost() == []
    assert [subnet(host) for host in cluster.hosts] == before
