# SPDX-License-Identifier: Apache-2.0
"""Faults of Consul, while packets flow between all hosts.

    h1c ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h3 ─ h3c
    h2c ─ h2 ─ eth0 ──┘         └── eth0 ─ consul

A lease lives 15 s, twice that by Consul's clock. Each container pings the next one every 10 ms. After each fault: no
echo was lost, no route, neighbour or FDB entry was ever removed, each host has its subnet still, and its record
is in the store.
"""

import json
import time

import pytest
from lab import wait_until
from lab.cluster import Cluster
from lab.flanneld import flannelctl
from lab.overlay import lease_key, subnet
from lab.traffic import EchoStream
from lab.witness import Witness
from test_store_move import subnets, wait_followed, wait_retired

TTL = 15


def started(lab):
    flags = [f"--subnet-lease-ttl={TTL}"]
    return Cluster(lab, "consul", "vxlan", hosts=3, flags=flags).start(containers=True)


def restart_at_once(store, witness):
    store.stop()
    store.start()


def stay_away_for_longer_than_a_lease_lives(store, witness):
    store.stop()
    time.sleep(2 * TTL + 3)
    witness.nothing_happened("without Consul")
    store.start()


def freeze(store, witness):
    store.freeze()
    time.sleep(TTL)  # a renewal falls into it
    witness.nothing_happened("with Consul frozen")
    store.thaw()


def destroy_a_session(store, witness):
    key = lease_key(subnet(witness.hosts[0]))
    held = store.api("GET", f"kv/coreos.com/network/subnets/{key}")[0]["Session"]
    store.api("PUT", f"session/destroy/{held}")
    wait_until(lambda: len(store.lease_values()) == 3, "the host to take its lease again")


def deregister_the_node_of_all_sessions(store, witness):
    store.api("PUT", "catalog/deregister", '{"Node": "flannel"}')
    wait_until(lambda: len(store.lease_values()) == 3, "the hosts to take their leases again")


def restore_a_snapshot(store, witness):
    saved = witness.cluster.lab.folder / "saved"
    store.consul("snapshot", "save", saved)
    for number in range(30):
        store.consul("kv", "put", "elsewhere", number)
    store.consul("snapshot", "restore", saved)


FAULTS = [
    restart_at_once,
    stay_away_for_longer_than_a_lease_lives,
    freeze,
    destroy_a_session,
    deregister_the_node_of_all_sessions,
    restore_a_snapshot,
]


def test_no_fault_of_consul_costs_a_packet(lab):
    with Witness(started(lab)) as witness:
        store = witness.cluster.store
        for fault in FAULTS:
            fault(store, witness)
            witness.all_is_well_again(fault.__name__.replace("_", " "))
            wait_until(lambda: len(store.sessions()) == 3, "one session a host")


@pytest.mark.parametrize("way", ["to Consul", "away from Consul"])
def test_a_cluster_moves_and_loses_no_packet(lab, way):
    etcd, consul = lab.etcd(), lab.consul()
    stores = [(etcd, f"etcd3:{etcd.url}"), (consul, f"consul:{consul.url}")]
    (store, old), (target, new) = stores if way == "to Consul" else reversed(stores)
    cluster = Cluster(lab, store, hosts=3).start(containers=True)
    one, two, three = cluster.hosts
    before = subnets(store)
    with EchoStream(one.container, two.container, lab.folder, 0.01) as echoes:
        flannelctl(store, "store", "copy", old, new)
        wait_followed(store, old, 3)
        two.daemon.kill9()
        two.daemon.start().wait_ready()
        wait_followed(store, old, 3)
        flannelctl(store, "store", "retire", old)
        wait_retired(cluster.hosts)
        store.stop()
        echoes.more(300)
    assert echoes.lost() == []
    assert subnets(target) == before


def test_flannelctl_and_consul_kv_show_and_change_the_same(lab):
    cluster = Cluster(lab, "consul", "vxlan", hosts=2).start()
    store, (one, two) = cluster.store, cluster.hosts
    assert json.loads(flannelctl(store, "config", "get")) == cluster.config
    leases = flannelctl(store, "leases")
    assert subnet(one) in leases and subnet(two) in leases
    flannelctl(store, "reserve", subnet(one))
    wait_until(lambda: len(store.sessions()) == 1, "the lease of h1 to become a reservation")
    # An operator writes a reservation for a host that is to come.
    new = cluster.add_host()
    reserved = {"PublicIP": new.address}
    free = next(net for n in (20, 21, 22) if (net := f"10.5.{n}.0/24") not in leases)
    store.consul("kv", "put", f"coreos.com/network/subnets/{lease_key(free)}", json.dumps(reserved))
    new.daemon.start().wait_ready()
    assert subnet(new) == free
    cluster.wait_complete()
    wait_until(lambda: len(store.sessions()) == 1, lambda: f"one session: {store.sessions()}")


def test_the_daemon_is_a_service_with_a_health_check(lab):
    """The agent runs on another machine here, so it is reached at an address of the host."""
    cluster = Cluster(lab, "consul", "vxlan", hosts=1)
    host = cluster.hosts[0]
    host.daemon.flags += ["--consul-register", f"--healthz-ip={host.address}"]
    host.daemon.start().wait_log("registered as a service of Consul")

    def status():
        checks = cluster.store.api("GET", "health/checks/flanneld")
        return checks[0]["Status"] if checks else None

    wait_until(lambda: status() == "critical", "the check of a host that is not ready")
    cluster.store.set_config(cluster.config)
    host.daemon.wait_ready()
    wait_until(lambda: status() == "passing", "the check of a host that is ready")


def test_a_lease_of_a_host_that_is_gone_expires(lab):
    cluster = started(lab)
    gone, *rest = cluster.hosts
    gone.daemon.kill9()
    wait_until(
        lambda: len(cluster.store.lease_values()) == 2, "the lease to expire", within=2 * TTL + 60
    )
    for host in rest:
        assert host.daemon.ready()
