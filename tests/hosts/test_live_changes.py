# SPDX-License-Identifier: Apache-2.0
"""The configuration changes while containers talk: no packet is lost, whichever host follows first.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

import contextlib
import itertools
import json

import pytest

from lab.cluster import Cluster
from lab.overlay import key_of, route_rows, subnet
from lab.shell import wait_until
from lab.traffic import EchoStreams, answers, ping, transfer_during

BACKENDS = ["udp", "vxlan", "host-gw"]


def change(cluster, backend, **options):
    """Puts a configuration with another backend, or other options of it."""
    cluster.backend = backend
    cluster.config = cluster.config | {"Backend": {"Type": backend, **options}}
    cluster.store.set_config(cluster.config)


def announced(cluster, host):
    return json.loads(cluster.store.lease_values()[key_of(host)]).get("Backend", {})


def wait_announced(cluster, hosts, backend):
    wait_until(
        lambda: all(announced(cluster, host).get("Type") == backend for host in hosts),
        lambda: f"{backend} to be announced: {[announced(cluster, host) for host in hosts]}",
    )


@pytest.mark.parametrize("before, after", list(itertools.permutations(BACKENDS, 2)))
def test_another_backend_loses_no_packet(lab, before, after):
    families = "v4" if before == "udp" else "dual"
    store = "etcd" if before == "vxlan" else "sqlite"
    cluster = Cluster(lab, store, before, families=families).start(containers=True)
    one, two = cluster.hosts
    subnets = cluster.subnets()
    with (
        transfer_during(one.container, two.container) as stream,
        EchoStreams(cluster, one.container, two.container) as there,
        EchoStreams(cluster, two.container, one.container) as back,
    ):
        change(cluster, after)
        wait_announced(cluster, cluster.hosts, after)
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
        change(cluster, after)
        wait_announced(cluster, [one, two], after)
        for stream in echoes:
            stream.more()
        late.daemon.start().wait_ready()
        wait_announced(cluster, [late], after)
        cluster.wait_complete()
        for stream in echoes:
            stream.more()
        ping(one.container, late.container)
    assert [stream.lost() for stream in echoes] == [[]] * len(echoes)


def test_a_kill_in_the_midst_of_changes_loses_no_packet(lab):
    cluster = Cluster(lab, "etcd", "vxlan").start(containers=True)
    one, two = cluster.hosts
    with EchoStreams(cluster, one.container, two.container) as echoes:
        for backend in ["host-gw", "vxlan"] * 3:
            change(cluster, backend)
            one.daemon.kill9()
            one.daemon.start().wait_ready()
            wait_announced(cluster, cluster.hosts, backend)
        cluster.wait_complete()
        echoes.more()
    assert echoes.lost() == []


def test_another_vni_has_a_device_beside_the_old_one(lab):
    cluster = Cluster(lab, "etcd", "vxlan").start(containers=True)
    one, two = cluster.hosts
    with EchoStreams(cluster, one.container, two.container) as echoes:
        change(cluster, "vxlan", VNI=7)
        wait_until(
            lambda: all("flannel.7" in row for host in (one, two) for row in to_peer(cluster, host)),
            lambda: str([to_peer(cluster, host) for host in (one, two)]),
        )
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
    assert one.daemon.subnet_env()["FLANNEL_NETWORK"] == "10.4.0.0/15"


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


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_host_with_another_address_is_reached_there(lab, backend):
    """DHCP gives the host another address: it keeps its subnet, and its peers follow."""
    cluster = Cluster(lab, "etcd", backend).start(containers=True)
    one, two = cluster.hosts
    subnets = cluster.subnets()
    one.ns.ip_all(
        f"addr del {one.address}/24 dev eth0\naddr add 192.0.2.77/24 dev eth0\n"
        "route replace default via 192.0.2.254\n"
    )
    one.address = "192.0.2.77"
    wait_until(lambda: public_ip(cluster, one) == "192.0.2.77", lambda: one.daemon.log())
    cluster.wait_complete()
    wait_until(lambda: answers(one.container, two.container.address), "packets", within=10)
    with EchoStreams(cluster, one.container, two.container) as echoes:
        echoes.more()
    assert echoes.lost() == []
    assert cluster.subnets() == subnets
    assert one.daemon.ready()


def public_ip(cluster, host):
    return json.loads(cluster.store.lease_values()[key_of(host)])["PublicIP"]


def test_the_mtu_of_the_underlay_is_followed(lab):
    cluster = Cluster(lab, "etcd", "vxlan").start(containers=True)
    one, two = cluster.hosts
    with EchoStreams(cluster, one.container, two.container) as echoes:
        for mtu in (1400, 1500):
            one.ns.ip("link", "set", "eth0", "mtu", mtu)
            wait_until(
                lambda: one.daemon.subnet_env()["FLANNEL_MTU"] == str(mtu - 50),
                lambda: str(one.daemon.subnet_env()),
            )
            assert one.ns.ask("link", "show", "flannel.1")[0]["mtu"] == mtu - 50
            echoes.more()
    assert echoes.lost() == []
