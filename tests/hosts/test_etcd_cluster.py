# SPDX-License-Identifier: Apache-2.0
"""Faults of a cluster of three etcd members, while packets flow between all hosts.

    h1c ─ h1 ─ eth0 ──┬───────── lan ─────────┬──── eth0 ─ e1
    h2c ─ h2 ─ eth0 ──┤                       ├──── eth0 ─ e2
    h3c ─ h3 ─ eth0 ──┘                       └──── eth0 ─ e3

A lease lives 15 s. Each container pings the next one every 10 ms. After each fault of the cluster: no echo was
lost, no route, neighbour or FDB entry was ever removed, each host has its subnet still, and its record
is in the store under one etcd lease.
"""

import json
import time

import pytest
from lab import wait_until
from lab.cluster import Cluster
from lab.etcd_cluster import Certificates
from lab.overlay import lease_key, route_rows, rows, subnet
from lab.stores import PREFIX
from lab.traffic import EchoStream
from lab.witness import Witness

TTL = 15


def started(lab, store, hosts=3, flags=(), backend="vxlan"):
    store.start()
    flags = [f"--subnet-lease-ttl={TTL}", *flags]
    return Cluster(lab, store, backend, hosts=hosts, flags=flags).start(containers=True)


def kill_the_leader(store, witness):
    leader = store.leader()
    leader.kill()
    store.leader()
    witness.nothing_happened("without the old leader")
    leader.start()


def cut_off_a_minority(store, witness):
    leader, *others = store.leader_and_others()
    leader.cut_off(*others)
    wait_until(lambda: any(other.leads() for other in others), "a leader of the majority")
    witness.nothing_happened("with the old leader cut off")
    leader.join()


def cut_off_a_majority(store, witness):
    leader, one, two = store.leader_and_others()
    leader.cut_off(one, two)
    one.cut_off(two)
    wait_until(lambda: not any(m.leads() for m in store.members), "no leader any more")
    time.sleep(TTL / 2)  # nothing may happen meanwhile
    witness.nothing_happened("without a majority")
    leader.join()
    one.join()


def stop_all_for_longer_than_a_lease_lives(store, witness):
    store.stop()
    time.sleep(TTL + 3)
    witness.nothing_happened("without any etcd")
    store.start()


def compact_and_defragment_under_load(store, witness):
    for number in range(150):
        store.on(store.members[0], "put", f"/load/{number % 7}", "x" * 1000)
        if number % 30 == 0:
            store.make_room()
    witness.nothing_happened("under load")


def fill_the_quota(store, witness):
    store.fill_up()
    time.sleep(TTL / 2)  # a renewal falls into it: it is no write
    witness.nothing_happened("with the NOSPACE alarm")
    store.on(store.members[0], "del", "/filler")
    store.make_room()


FAULTS = [
    kill_the_leader,
    cut_off_a_minority,
    cut_off_a_majority,
    stop_all_for_longer_than_a_lease_lives,
    compact_and_defragment_under_load,
    fill_the_quota,
]


def test_no_fault_of_the_cluster_costs_a_packet(lab):
    store = lab.etcd_cluster()
    with Witness(started(lab, store)) as witness:
        for fault in FAULTS:
            fault(store, witness)
            store.wait_healthy()
            witness.all_is_well_again(fault.__name__.replace("_", " "))
            wait_until(lambda: len(store.leases()) == len(witness.hosts), "one etcd lease a host")


def test_a_prefix_that_is_deleted_and_restored_costs_no_packet(lab):
    store = lab.etcd_cluster()
    with Witness(started(lab, store)) as witness:
        saved = lab.folder / "saved.db"
        store.save(saved)
        for number in range(30):
            store.on(store.members[0], "put", "/elsewhere", number)
        before = store.revision()
        store.etcdctl("del", "--prefix", PREFIX)
        wait_until(lambda: len(store.lease_values()) == 3, "the hosts to take their leases again")
        witness.nothing_happened("after the prefix was deleted")
        store.restore(saved)
        assert store.revision() < before, "it went back"
        witness.all_is_well_again("the restored cluster")


def test_a_lease_changed_by_hand_is_restored_by_its_host(lab):
    """The owner is back before any host has removed its route."""
    store = lab.etcd_cluster()
    with Witness(started(lab, store)) as witness:
        key = lease_key(witness.subnets[witness.hosts[0].name])
        path = f"{PREFIX}/subnets/{key}"
        value = store.lease_values()[key]

        def is_back():
            return store.lease_values().get(key) == value

        stranger = json.dumps({"PublicIP": "192.0.2.99"})
        bare = json.dumps({"PublicIP": witness.hosts[0].address})
        for by_hand in (
            ("lease", "revoke", f"{store.hold(key):x}"),
            ("del", path),
            ("put", path, "nonsense"),
            ("put", path, bare),
        ):
            store.etcdctl(*by_hand)
            wait_until(is_back, f"the lease to be as before: {by_hand}")
            witness.nothing_happened(by_hand)
        store.etcdctl("put", path, stranger)
        store.etcdctl("del", path)
        wait_until(is_back, "the lease to be taken again")
        witness.all_is_well_again("all that was done by hand")


def test_authentication_and_new_certificates_come_while_it_runs(lab):
    certificates = Certificates(lab.folder / "pki")
    store = lab.etcd_cluster(certificates)
    flags = ["--etcd-username=flannel", "--etcd-password=secret"]
    with Witness(started(lab, store, flags=flags)) as witness:
        one = store.members[0]
        store.on(one, "user", "add", "root:root")
        store.on(one, "user", "add", "flannel:secret")
        store.on(one, "role", "add", "network")
        store.on(one, "role", "grant-permission", "network", "--prefix=true", "readwrite", PREFIX)
        store.on(one, "user", "grant-role", "flannel", "network")
        store.on(one, "user", "grant-role", "root", "root", check=False)
        store.on(one, "auth", "enable")
        store.root = "root:root"
        time.sleep(TTL / 2)  # a renewal falls into it
        witness.all_is_well_again("authentication")
        certificates.renew()
        for member in store.members:
            member.kill()
            member.start()
        store.wait_healthy()
        witness.all_is_well_again("the new certificates")
        time.sleep(TTL)
        witness.all_is_well_again("the life of a lease under the new certificates")


def without_a_quorum(member, others, host):
    member.cut_off(*others)


def frozen(member, others, host):
    member.freeze()


def swallowed_by_the_network(member, others, host):
    member.cut_off_clients(host)


@pytest.mark.parametrize("silenced", [without_a_quorum, frozen, swallowed_by_the_network])
def test_a_member_that_falls_silent_hides_no_change(lab, silenced):
    """Its TCP connections stay open. The hosts receive changes of the cluster from another member."""
    store = lab.etcd_cluster()
    host = started(lab, store, hosts=1, backend="host-gw").hosts[0]

    def first_in_use():
        """The members, those first with which the host is connected."""
        peers = host.ns.run("ss", "-Htn", "state", "established", "dport = :2379")
        members = sorted(store.members, key=lambda member: member.host.address not in peers)
        return members if members[0].host.address in peers else None

    silent, *others = wait_until(first_in_use, "a connection with a member")
    silenced(silent, others, host)
    if silenced is not swallowed_by_the_network:  # there it stays the leader
        wait_until(lambda: any(other.leads() for other in others), "a leader of the others")
    value = '{"PublicIP":"192.0.2.99","BackendType":"host-gw"}'
    store.on(others[0], "put", f"{PREFIX}/subnets/10.5.200.0-24", value)
    wait_until(lambda: "10.5.200.0/24" in str(route_rows(host)), "the new peer's route")
    host.daemon.wait_log("] store away")
    host.daemon.wait_log("over: store away")


def test_a_key_taken_by_a_stranger_is_an_alarm_and_touches_no_other_host(lab):
    store = lab.etcd_cluster()
    cluster = started(lab, store)
    robbed, *others = cluster.hosts
    key = lease_key(subnet(robbed))
    had = rows(robbed)
    with EchoStream(others[0].container, others[1].container, lab.folder) as echoes:
        store.put_lease(key, '{"PublicIP":"192.0.2.99","BackendType":"vxlan"}', 300)
        wait_until(lambda: "192.0.2.99" in robbed.daemon.health("/readyz")[1], "the alarm")
        assert rows(robbed) == had, "its own packets go on"
        assert json.loads(store.lease_values()[key])["PublicIP"] == "192.0.2.99"
        store.delete_lease(key)
        wait_until(lambda: key in store.lease_values(), "the subnet to be taken again")
        cluster.wait_complete()
        echoes.more()
    assert echoes.lost() == []
