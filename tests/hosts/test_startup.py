# SPDX-License-Identifier: Apache-2.0
"""Daemons that start early, late, together, or without a store.

    h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2
              store
"""

import pytest

from lab import wait_until
from lab.cluster import Cluster, wait_rows_gone
from lab.overlay import rows_about, subnet
from lab.traffic import ping

STORES = ["sqlite", "etcd", "etcd-v2", "consul"]
ROUNDS = 50


@pytest.mark.parametrize("store", STORES)
def test_the_daemon_may_come_first_and_the_configuration_later(lab, store):
    cluster = Cluster(lab, store, hosts=2)
    for host in cluster.hosts:
        host.daemon.start()
    for host in cluster.hosts:
        wait_until(
            lambda host=host: "network config" in host.daemon.log(),
            f"{host.name} to say what it waits for",
            unless=host.daemon.must_run,
        )
        assert not host.daemon.ready() and host.daemon.subnet_env() is None
    cluster.store.set_config(cluster.config)
    for host in cluster.hosts:
        host.daemon.wait_ready()
    cluster.wait_complete()


def test_a_configuration_that_makes_no_sense_is_waited_out(lab):
    cluster = Cluster(lab, "etcd", hosts=1)
    host = cluster.hosts[0]
    cluster.store.set_config({"Network": "nonsense"})
    host.daemon.start().wait_log("nonsense")
    assert not host.daemon.ready()
    cluster.store.set_config(cluster.config)
    host.daemon.wait_ready()


@pytest.mark.parametrize("store", STORES)
def test_hosts_started_at_the_same_instant_always_find_each_other(lab, store):
    """Upstream v0.20 misses a peer in about one round of three."""
    cluster = Cluster(lab, store, hosts=2)
    for number in range(ROUNDS):
        cluster.store.set_config(cluster.config)
        cluster.start_at_once()
        for host in cluster.hosts:
            host.daemon.wait_ready()
        cluster.wait_complete()
        assert subnet(cluster.hosts[0]) != subnet(cluster.hosts[1]), f"round {number}"
        for host in cluster.hosts:
            host.daemon.kill9()
        cluster.forget_everything()


@pytest.mark.parametrize("store", STORES)
def test_a_small_network_is_shared_out_without_a_conflict(lab, store):
    """Three hosts start together with three subnets: the loser of a race leases another subnet."""
    cluster = Cluster(lab, store, hosts=3)
    cluster.store.set_config({"Network": "10.5.0.0/24", "Backend": {"Type": "vxlan"}})
    cluster.start_at_once()
    for host in cluster.hosts:
        host.daemon.wait_ready()
    cluster.wait_complete()
    assert {subnet(h) for h in cluster.hosts} == {"10.5.0.64/26", "10.5.0.128/26", "10.5.0.192/26"}


@pytest.mark.parametrize("store", STORES)
def test_a_new_host_is_reached_by_all_others(lab, store):
    cluster = Cluster(lab, store, hosts=2).start(containers=True)
    new = cluster.add_host()
    new.daemon.start().wait_ready()
    cluster.wait_complete()
    new.start_container()
    for host in cluster.hosts[:2]:
        ping(host.container, new.container)
        ping(new.container, host.container)


@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_a_host_whose_key_is_deleted_disappears_from_all_others(lab, backend):
    cluster = Cluster(lab, "etcd", backend, hosts=3).start()
    *stay, gone = cluster.hosts
    left = subnet(gone)
    gone.daemon.stop()
    assert not cluster.missing(), "a stopped daemon is no reason to cut its host off"
    cluster.store.delete_lease(left.replace("/", "-"))
    for host in stay:
        wait_rows_gone(host, lambda h=host: rows_about(h, left, gone.address), gone.name)
    cluster.hosts.remove(gone)
    assert not cluster.missing(), "the rows of other hosts stay"


@pytest.mark.parametrize("store", STORES)
def test_a_host_that_died_disappears_when_its_lease_expires(lab, store):
    cluster = Cluster(lab, store, hosts=3, flags=["--subnet-lease-ttl=10"]).start()
    *stay, dead = cluster.hosts
    left = subnet(dead)
    kept = [subnet(host) for host in stay]
    dead.daemon.kill9()
    for host in stay:
        wait_rows_gone(host, lambda h=host: rows_about(h, left, dead.address), dead.name)
    # The other hosts have renewed more than once meanwhile.
    assert [subnet(host) for host in stay] == kept
    cluster.hosts.remove(dead)
    assert not cluster.missing()


def refused_connections(host):
    """The number of connections that the host's kernel refused because no process listens."""
    names, values = [
        line.split() for line in host.ns.run("cat", "/proc/net/snmp").splitlines()
        if line.startswith("Tcp:")
    ]
    return int(values[names.index("OutRsts")])


def test_an_etcd_that_is_down_is_awaited_and_logged_once(lab):
    etcd, host = lab.etcd(running=False), lab.host()
    daemon = host.flanneld(etcd).start()
    daemon.wait_log("store away")
    wait_until(lambda: refused_connections(etcd.host) >= 3, "the daemon to try again and again",
               within=40, unless=daemon.must_run)
    assert daemon.log().count("store away") == 1
    status, reasons = daemon.health("/readyz")
    assert status == 503 and "store" in reasons
    etcd.start()
    etcd.set_config({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}})
    daemon.wait_ready(within=40)


def test_a_store_file_that_cannot_be_opened_is_awaited_and_logged_once(lab):
    store, host = lab.sqlite(), lab.host()
    folder = lab.folder / "in-the-way"
    store.path = folder / "flannel.db"
    folder.write_text("no folder")
    daemon = host.flanneld(store).start()
    daemon.wait_log("store away")
    assert str(store.path) in daemon.log().split("store away")[1]
    # The pause after the first try is 0.2 s, and doubles each time.
    wait_until(lambda: daemon.status()["store"]["for_s"] >= 3, "the daemon to try again and again",
               unless=daemon.must_run)
    assert daemon.log().count("store away") == 1
    folder.unlink()
    folder.mkdir()
    store.set_config({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}})
    daemon.wait_ready()


def test_an_etcd_that_goes_and_comes_back_costs_no_connection(lab):
    cluster = Cluster(lab, "etcd", hosts=2).start(containers=True)
    one, two = cluster.hosts
    before = [subnet(host) for host in cluster.hosts]
    cluster.store.stop()
    for host in cluster.hosts:
        wait_until(lambda host=host: "store" in host.daemon.health("/readyz")[1],
                   f"{host.name} to report its store", unless=host.daemon.must_run)
    ping(one.container, two.container)
    assert not cluster.missing()
    cluster.store.start()
    new = cluster.add_host()
    new.daemon.start().wait_ready(within=30)
    cluster.wait_complete(within=30)
    assert [subnet(host) for host in cluster.hosts[:2]] == before
