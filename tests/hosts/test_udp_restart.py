# SPDX-License-Identifier: Apache-2.0
"""Daemons of the udp backend end, are started again, and share a host, while packets flow.

    h1c ── cni0 ─ h1 ─ flannel0, eth0 ── lan ── eth0, flannel0 ─ h2 ─ cni0 ── h2c
                                          │
                                         etcd
"""

import ipaddress
import json

import pytest

from lab import wait_until
from lab.cluster import NETWORK, Cluster
from lab.flanneld import Flanneld
from lab.stores import PREFIX
from lab.traffic import EchoStream, reached, transfer_during

BURST = 1000
RESTARTS = 3


def device(host, name="flannel0"):
    links = host.ns.ask("link", "show", name)
    return links[0]["ifindex"] if links else None


def network_routes(host, network=NETWORK):
    return host.ns.ip("route", "show", network)


@pytest.mark.parametrize("how", ["SIGTERM", "kill -9", "SIGTERM, kept"])
def test_a_restart_keeps_the_device_and_cuts_no_connection(lab, how):
    """`kept`: the service manager stores the queue and the socket; else they close meanwhile."""
    one, two = Cluster(lab, "etcd", "udp").start(containers=True).hosts
    reached(one.container, two.container)
    before, routes = device(one), network_routes(one)

    def end():
        wait_until(lambda: one.daemon.told() and len(one.daemon.fd_store.names()) == 2, "queues and sockets to be kept")
        one.daemon.kill9() if how == "kill -9" else one.daemon.stop()

    def begin():
        one.daemon.start(with_kept_fds="kept" in how).wait_ready()

    end()
    assert device(one) == before and network_routes(one) == routes
    begin()
    with EchoStream(one.container, two.container, lab.folder) as echoes:
        with transfer_during(two.container, one.container) as stream:
            for _ in range(RESTARTS):  # at once, as a service manager restarts a service
                end()
                begin()
                echoes.more(50)
        assert stream.sent == stream.received
    assert device(one) == before and network_routes(one) == routes
    gaps = echoes.longest_gaps(RESTARTS)
    print(f"{how}: {len(echoes.lost())} echoes lost, longest gaps {[round(gap * 1000) for gap in gaps]} ms")
    assert min(gaps) < 1, "on an idle machine each is a few tens of milliseconds"
    if "kept" in how:
        assert echoes.lost() == []


def test_a_change_to_another_backend_takes_the_device_along(lab):
    cluster = Cluster(lab, "sqlite", "udp", hosts=1).start()
    host = cluster.hosts[0]
    assert device(host)
    host.daemon.stop()
    cluster.config["Backend"]["Type"] = "vxlan"
    cluster.store.set_config(cluster.config)
    host.daemon.start().wait_ready()
    assert device(host), "what peers may still send is received for a minute"
    wait_until(lambda: device(host) is None, "flannel0 to be gone", within=150)


def put_many(store, values):
    """Writes leases in as few transactions as etcd accepts."""
    items = list(values.items())
    for at in range(0, len(items), 100):
        part = items[at : at + 100]
        puts = "".join(f"put {PREFIX}/subnets/{key} {json.dumps(value)}\n" for key, value in part)
        store.etcdctl("txn", input=f"\n{puts}\n\n")


def test_a_thousand_leases_come_change_and_go_without_a_lost_packet(lab):
    cluster = Cluster(lab, "etcd", "udp")
    cluster.config.update(SubnetLen=28, SubnetMin="10.5.250.0", SubnetMax="10.5.255.0")
    one, two = cluster.start(containers=True).hosts
    reached(one.container, two.container)
    peers = lambda: one.daemon.status()["peers"]["up"]  # noqa: E731
    keys = [f"10.5.{100 + n // 16}.{n % 16 * 16}-28" for n in range(BURST)]
    with EchoStream(one.container, two.container, lab.folder) as echoes:
        for number in (1, 2):
            values = {k: json.dumps({"PublicIP": f"198.51.{number}.{n % 250}"}) for n, k in enumerate(keys)}
            put_many(cluster.store, values)
            wait_until(lambda: peers() == BURST + 1, lambda: f"{BURST + 1} peers: {peers()}")
        reached(one.container, two.container)
        # More at once would be suspected for half a minute.
        gone = sum(key.startswith("10.5.11") for key in keys)
        cluster.store.etcdctl("del", "--prefix", f"{PREFIX}/subnets/10.5.11")
        wait_until(lambda: peers() == BURST + 1 - gone, lambda: f"{gone} peers fewer: {peers()}")
        echoes.more()
    assert echoes.lost() == []
    assert one.daemon.status()["packet_path"]["drops"]["in_unknown_source"] == 0


class SecondDaemon:
    """A place for another daemon on the same machine."""

    def __init__(self, host):
        self.ns, self.address, self.lab = host.ns, host.address, host.lab
        self.name = host.name + "b"
        self.folder = host.folder / "b"
        self.folder.mkdir()


def test_daemons_of_two_networks_share_a_host(lab):
    """The daemons start in any order, and each adopts its own device again."""
    cluster = Cluster(lab, "etcd", "udp").start(containers=True)
    other = "/other/network"
    config = {"Network": "10.6.0.0/16", "Backend": {"Type": "udp", "Port": 8286}}
    seconds = []
    for host in cluster.hosts:
        place = SecondDaemon(host)
        daemon = Flanneld(place, cluster.store, f"--etcd-prefix={other}", healthz_port=8082)
        place.daemon = daemon
        lab.daemons.append(daemon)
        seconds.append(place)
    seconds[0].daemon.start()
    cluster.store.etcdctl("put", f"{other}/config", json.dumps(config))
    seconds[1].daemon.start()
    for place in seconds:
        place.daemon.wait_ready()

    one, two = cluster.hosts
    for place in seconds:
        address = ipaddress.ip_interface(place.daemon.subnet_env()["FLANNEL_SUBNET"])
        place.ns.ip("addr", "add", address, "dev", "lo")
        place.inside = str(address.ip)
        assert "dev flannel1 proto kernel" in network_routes(place, "10.6.0.0/16")
    reached(one.container, two.container)
    reached_in_second = lambda: seconds[0].ns.run(  # noqa: E731
        *["ping", "-n", "-c1", "-W1", "-I", seconds[0].inside, seconds[1].inside], check=False
    )
    wait_until(lambda: " 0% packet loss" in reached_in_second(), "the second network to carry packets")

    before = [(device(h, "flannel0"), device(h, "flannel1")) for h in cluster.hosts]
    one.daemon.kill9()
    seconds[0].daemon.kill9()
    seconds[0].daemon.start().wait_ready()
    one.daemon.start().wait_ready()
    assert [(device(h, "flannel0"), device(h, "flannel1")) for h in cluster.hosts] == before
    assert "dev flannel0 proto kernel" in network_routes(one)
    assert "dev flannel1 proto kernel" in network_routes(one, "10.6.0.0/16")
    reached(one.container, two.container)
    wait_until(lambda: " 0% packet loss" in reached_in_second(), "the second network to carry packets")
