# SPDX-License-Identifier: Apache-2.0
"""flannelctl drain and undrain: a host leaves the overlay and comes back, while containers talk.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c     (h3 alike)
                            store
"""

import json
import time

import pytest

from lab import CommandFailed, binary
from lab.cluster import Cluster, wait_rows_gone
from lab.faults import without_store
from lab.overlay import base, key_of, lease_key, rows, rows_about, subnet, version_of
from lab.shell import wait_until
from lab.traffic import EchoStreams, reached

STORES = ["etcd", "etcd-v2"]
STRANGER = json.dumps({"PublicIP": "192.0.2.99", "BackendType": "vxlan", "BackendData": {"VNI": 1, "VtepMAC": "02:00:00:00:00:99"}})  # fmt: skip


def ctl(host, command, *flags):
    """Runs flannelctl on this host."""
    state = f"--state-dir={host.daemon.state_dir}"
    return host.ns.run(binary("flannelctl"), *host.daemon.store.flags(), command, state, *flags)


def all_rows(cluster, host):
    return set().union(*(rows(host, version) for version in cluster.versions))


def rows_of(host, peer, subnets):
    return set().union(*(rows_about(host, cidr, peer.underlay(version_of(cidr))) for cidr in subnets))


def is_drained(host):
    try:
        code, text = host.daemon.health("/readyz")
    except OSError:  # it has only just been started
        return False
    return code == 503 and "\nlease: drained since 20" in text


def wait_drained(host):
    wait_until(lambda: is_drained(host), f"{host.name} to say that it is drained")


def stored(cluster):
    return cluster.store.lease_values()


def wait_deleted(cluster, key):
    wait_until(lambda: key not in stored(cluster), f"{key} to be deleted")


def wait_leased(cluster, key):
    wait_until(lambda: key in stored(cluster), f"{key} in the store")


@pytest.mark.parametrize("store, backend, families", [
    ("etcd", "vxlan", "dual"), ("etcd-v2", "host-gw", "v4"), ("sqlite", "udp", "v4"), ("consul", "vxlan", "v4"),
])  # fmt: skip
def test_a_host_leaves_and_comes_back(lab, store, backend, families):
    cluster = Cluster(lab, store, backend, hosts=3, families=families).start(containers=True)
    one, two, three = cluster.hosts
    key, subnets, kernel = key_of(one), cluster.subnets(), all_rows(cluster, one)
    env = one.daemon.subnet_env()
    with EchoStreams(cluster, two.container, three.container) as others:
        said = ctl(one, "drain")
        assert said.startswith(f"drained: the lease {','.join(subnets[0])} is deleted, so peers send nothing to it")
        assert key not in stored(cluster)
        wait_drained(one)
        assert "; remedy: flannelctl undrain" in one.daemon.health("/readyz")[1]
        for host in (two, three):
            wait_rows_gone(host, lambda host=host: rows_of(host, one, subnets[0]), "the rows of the drained host")
        assert all_rows(cluster, one) == kernel, "its own data plane stays"
        assert one.daemon.subnet_env() == env
        others.more()
        said = ctl(one, "undrain")
        assert said == f"this host has the lease {','.join(subnets[0])}, and peers send to it\n"
        cluster.wait_complete()
        others.more()
    assert others.lost() == []
    assert cluster.subnets() == subnets
    assert all_rows(cluster, one) == kernel
    wait_until(lambda: one.daemon.health("/readyz")[0] == 200, "the host to be ready")
    reached(one.container, two.container)


@pytest.mark.parametrize("backend", ["vxlan", "host-gw", "udp"])
def test_what_still_arrives_passes(lab, backend):
    """The daemon of the peer is stopped or has no store, and hears of nothing: it sends to the drained host all the time."""
    cluster = Cluster(lab, "etcd", backend).start(containers=True)
    one, two = cluster.hosts
    key = key_of(one)
    if backend != "udp":  # over which no packet passes without the daemon
        two.daemon.kill9()
    with EchoStreams(cluster, two.container, one.container) as there:
        if backend == "udp":
            with without_store(two, cluster.store):
                ctl(one, "drain")
                there.more()
                ctl(one, "undrain")
                there.more()
        else:
            ctl(one, "drain")
            there.more()
            one.daemon.kill9()
            one.daemon.start()
            wait_drained(one)
            there.more()
            ctl(one, "undrain")
            there.more()
            two.daemon.start().wait_ready()
        wait_leased(cluster, key)
        there.more()
    assert there.lost() == []


@pytest.mark.parametrize("store", STORES)
def test_a_restart_stays_drained(lab, store):
    cluster = Cluster(lab, store, "vxlan").start(containers=True)
    one, two = cluster.hosts
    key, kernel, subnets = key_of(one), all_rows(cluster, one), cluster.subnets()
    ctl(one, "drain")
    one.daemon.kill9()
    one.daemon.start().wait_ready()
    wait_until(lambda: "STATUS=not ready: lease: drained since 20" in one.daemon.told(), one.daemon.told)
    wait_until(lambda: one.daemon.status()["lease"] is not None, "the subnets of the run before")
    wait_drained(one)
    time.sleep(3)  # longer than a start takes
    assert key not in stored(cluster)
    assert all_rows(cluster, one) == kernel
    three = cluster.add_host()
    # At random it would take the free subnet of the drained host in one run of sixty.
    other = next(net for n in (20, 21, 22) if [net := f"10.5.{n}.0/24"] not in subnets)
    cluster.store.reserve(lease_key(other), json.dumps({"PublicIP": three.address}))
    three.daemon.start().wait_ready()
    assert subnet(three) == other
    wait_until(lambda: rows_about(one, subnet(three), three.address), "the peer that is new")
    ctl(one, "undrain")
    cluster.wait_complete()
    assert cluster.subnets()[:2] == subnets
    reached(two.container, one.container)


@pytest.mark.parametrize("store", STORES)
def test_a_store_that_is_away_is_asked_until_it_is_back(lab, store):
    cluster = Cluster(lab, store, "vxlan").start()
    one, _ = cluster.hosts
    key = key_of(one)
    cluster.store.stop()
    with pytest.raises(CommandFailed, match="after 2000 ms|no answer from|is --etcd-endpoints right"):
        ctl(one, "drain", "--timeout=2s")
    wait_drained(one)
    cluster.store.start()
    wait_deleted(cluster, key)
    ctl(one, "undrain")
    cluster.wait_complete()


@pytest.mark.parametrize("store", STORES)
def test_a_kill_in_the_midst_is_finished_by_the_next_start(lab, store):
    cluster = Cluster(lab, store, "vxlan").start()
    one, _ = cluster.hosts
    key, kernel = key_of(one), all_rows(cluster, one)
    cluster.store.stop()
    ctl(one, "drain", "--no-wait", "--timeout=1s")
    wait_drained(one)
    one.daemon.kill9()
    cluster.store.start()
    assert key in stored(cluster)
    with pytest.raises(CommandFailed, match="flanneld does not run on this host: start it, or delete the lease"):
        ctl(one, "drain", "--timeout=5s")
    one.daemon.start()
    wait_deleted(cluster, key)
    assert all_rows(cluster, one) == kernel
    ctl(one, "undrain")
    cluster.wait_complete()
    assert key_of(one) == key


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("store", STORES)
def test_a_subnet_that_another_host_has_taken_is_not_exchanged(lab, store, restarts):
    cluster = Cluster(lab, store, "vxlan").start()
    one, _ = cluster.hosts
    key, cidr = key_of(one), subnet(one)
    ctl(one, "drain")
    cluster.store.put_lease(key, STRANGER)
    if restarts:
        one.daemon.kill9()
        one.daemon.start().wait_ready()
        wait_until(lambda: one.daemon.status()["lease"] is not None, "the subnet of the run before")
        wait_drained(one)
    with pytest.raises(CommandFailed, match="the store has no lease of this host after 3000 ms"):
        ctl(one, "undrain", "--timeout=3s")
    says = f"lease: cannot take {cidr} again: 192.0.2.99 has {key}"
    wait_until(lambda: says in one.daemon.health("/readyz")[1], says)
    assert subnet(one) == cidr
    assert f"{base(cidr)}/32" in one.ns.run("ip", "address", "show", "flannel.1")
    cluster.store.delete_lease(key)
    wait_until(lambda: "NodeID" in stored(cluster).get(key, ""), "the lease again")
    cluster.wait_complete()


def test_a_reservation_is_refused_and_nothing_happens(lab):
    cluster = Cluster(lab, "etcd", "vxlan").start()
    one, _ = cluster.hosts
    one.ns.run(binary("flannelctl"), *cluster.store.flags(), "reserve", subnet(one))
    with pytest.raises(CommandFailed, match="is a reservation of this host, and peers send to every host"):
        ctl(one, "drain")
    assert one.daemon.health("/readyz")[0] == 200
    assert not cluster.missing()
