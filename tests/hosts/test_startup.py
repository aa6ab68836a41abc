# SPDX-License-Identifier: Apache-2.0
"""Daemons that start early, late, together, or without a store.

    h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2
              store
"""

import pytest

from lab import wait_until
from lab.cluster import Cluster, wait_rows_gone
from lab.overlay import key_of, rows_about, subnet
from lab.traffic import ping

ROUNDS = 50


@pytest.mark.parametrize(
    "store, families", [("sqlite", "dual"), ("etcd", "v6"), ("etcd-v2", "v4"), ("consul", "dual")]
)
def test_the_daemon_may_come_first_and_the_configuration_later(lab, store, families):
    cluster = Cluster(lab, store, hosts=2, families=families)
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


@pytest.mark.parametrize(
    "store, families", [("sqlite", "v6"), ("etcd", "v4"), ("etcd-v2", "dual"), ("consul", "v4")]
)
def test_hosts_started_at_the_same_instant_always_find_each_other(lab, store, families):
    """Upstream v0.20 misses a peer in about one round of three."""
    cluster = Cluster(lab, store, hosts=2, families=families)
    for number in range(ROUNDS):
        cluster.store.set_config(cluster.config)
        cluster.start_at_once()
        for host in cluster.hosts:
            host.daemon.wait_ready()
        cluster.wait_complete()
        one, two = cluster.subnets()
        assert not set(one) & set(two), f"round {number}"
        for host in cluster.hosts:
            host.daemon.kill9()
        cluster.forget_everything()


SMALL_NETWORKS = {"Network": "10.5.0.0/24", "IPv6Network": "fd00:5::/62"}
THEIR_SUBNETS = {
    4: {"10.5.0.64/26", "10.5.0.128/26", "10.5.0.192/26"},
    6: {"fd00:5:0:1::/64", "fd00:5:0:2::/64", "fd00:5:0:3::/64"},
}


@pytest.mark.parametrize(
    "store, families", [("sqlite", "v4"), ("etcd", "dual"), ("etcd-v2", "v6"), ("consul", "v4")]
)
def test_a_small_network_is_shared_out_without_a_conflict(lab, store, families):
    """Three hosts start together with three subnets: the loser of a race leases another subnet."""
    cluster = Cluster(lab, store, hosts=3, families=families)
    small = {key: network for key, network in SMALL_NETWORKS.items() if key in cluster.config}
    for last in ("SubnetMax", "IPv6SubnetMax"):
        cluster.config.pop(last, None)
    cluster.store.set_config({**cluster.config, **small})
    cluster.start_at_once()
    for host in cluster.hosts:
        host.daemon.wait_ready()
    cluster.wait_complete()
    for version in cluster.versions:
        assert {subnet(host, version) for host in cluster.hosts} == THEIR_SUBNETS[version]


@pytest.mark.parametrize(
    "store, families", [("sqlite", "v4"), ("etcd", "v4"), ("etcd-v2", "v6"), ("consul", "dual")]
)
def test_a_new_host_is_reached_by_all_others(lab, store, families):
    cluster = Cluster(lab, store, hosts=2, families=families).start(containers=True)
    new = cluster.add_host()
    new.daemon.start().wait_ready()
    cluster.wait_complete()
    new.start_container()
    for host in cluster.hosts[:2]:
        for version in cluster.versions:
            ping(host.container, new.container.at(version))
            ping(new.container, host.container.at(version))


@pytest.mark.parametrize("backend, families", [("vxlan", "dual"), ("host-gw", "v4"), ("host-gw", "v6")])
def test_a_host_whose_key_is_deleted_disappears_from_all_others(lab, backend, families):
    cluster = Cluster(lab, "etcd", backend, hosts=3, families=families).start()
    *stay, gone = cluster.hosts
    key, left = key_of(gone), cluster.subnets()[-1]
    gone.daemon.stop()
    assert not cluster.missing(), "a stopped daemon is no reason to cut its host off"
    cluster.store.delete_lease(key)
    for host in stay:
        wait_rows_gone(host, lambda h=host: rows_about_host(h, left, gone, cluster), gone.name)
    cluster.hosts.remove(gone)
    assert not cluster.missing(), "the rows of other hosts stay"


def rows_about_host(host, subnets, other, cluster):
    """Rows of a host about another one, which had these subnets."""
    return {
        row
        for cidr, version in zip(subnets, cluster.versions)
        for row in rows_about(host, cidr, other.underlay(version))
    }


@pytest.mark.parametrize(
    "store, families", [("sqlite", "v6"), ("etcd", "dual"), ("etcd-v2", "v4"), ("consul", "v6")]
)
def test_a_host_that_died_disappears_when_its_lease_expires(lab, store, families):
    cluster = Cluster(lab, store, hosts=3, families=families, flags=["--subnet-lease-ttl=10"]).start()
    *stay, dead = cluster.hosts
    *kept, left = cluster.subnets()
    dead.daemon.kill9()
    for host in stay:
        wait_rows_gone(host, lambda h=host: rows_about_host(h, left, dead, cluster), dead.name)
    # The other hosts have renewed more than once meanwhile.
    assert cluster.subnets()[:-1] == kept
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
               unless=daemon.must_run)
    assert daemon.log().count("] store away") == 1
    status, reasons = daemon.health("/readyz")
    assert status == 503 and "store" in reasons
    etcd.start()
    etcd.set_config({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}})
    daemon.wait_ready()


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
    assert daemon.log().count("] store away") == 1
    folder.unlink()
    folder.mkdir()
    store.set_config({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}})
    daemon.wait_ready()


def test_an_etcd_that_goes_and_comes_back_costs_no_connection(lab):
    cluster = Cluster(lab, "etcd", hosts=2).start(containers=True)
    one, two = cluster.hosts
    before = cluster.subnets()
    cluster.store.stop()
    for host in cluster.hosts:
        wait_until(lambda host=host: "store" in host.daemon.health("/readyz")[1],
                   f"{host.name} to report its store", unless=host.daemon.must_run)
    ping(one.container, two.container)
    assert not cluster.missing()
    cluster.store.start()
    new = cluster.add_host()
    new.daemon.start().wait_ready()
    cluster.wait_complete()
    assert cluster.subnets()[:2] == before
