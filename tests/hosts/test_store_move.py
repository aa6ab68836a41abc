# SPDX-License-Identifier: Apache-2.0
"""A cluster with traffic moves from one store to another.

    h1 ─┬─ lan0 ─┬─ h2          etcd 192.0.2.250: the old store, and with API v3 the new one, too
        │        │              new  192.0.2.251: the new store of the second test
        h3       etcd, new
"""

import json

import pytest
from lab.cluster import Cluster
from lab.flanneld import flannelctl, leases_of
from lab.shell import wait_until
from lab.stores import Etcd
from lab.topology import Host
from lab.traffic import EchoStream, ping

EVERY = 0.01


def followed(store, old):
    """The last line of `store status`: "… 3 of 3 have followed"."""
    return flannelctl(store, "store", "status", old).strip().split("\n")[-1]


def wait_followed(store, old, hosts):
    wait_until(
        lambda: f"{hosts} of {hosts} have followed" in followed(store, old),
        lambda: f"{hosts} hosts to follow: {flannelctl(store, 'store', 'status', old)}",
    )


def subnets(store):
    return {lease["public_ip"]: lease["subnet"] for lease in leases_of(store)}


def wait_retired(hosts):
    for host in hosts:
        host.daemon.wait_log("the earlier store is retired")
    for host in hosts:
        wait_until(
            lambda host=host: host.daemon.status()["troubles"] == [],
            lambda host=host: f"no trouble on {host.name}: {host.daemon.status()['troubles']}",
            unless=host.daemon.must_run,
        )


def test_a_whole_move_from_v2_to_v3_of_one_etcd_loses_no_packet(lab):
    cluster = Cluster(lab, "etcd-v2", hosts=3).start(containers=True)
    one, two, three = cluster.hosts
    old, new = f"etcd2:{cluster.store.url}", f"etcd3:{cluster.store.url}"
    before = subnets(cluster.store)
    with EchoStream(one.container, two.container, lab.folder, EVERY) as echoes:
        flannelctl(cluster.store, "store", "copy", old, new)
        wait_followed(cluster.store, old, 3)
        two.daemon.kill9()
        two.daemon.start().wait_ready()
        wait_followed(cluster.store, old, 3)
        flannelctl(cluster.store, "store", "retire", old)
        wait_retired(cluster.hosts)
        three.daemon.kill9()
        three.daemon.start().wait_ready()  # with the old address
        cluster.wait_complete()
        echoes.more(300)
    assert echoes.lost() == []
    cluster.store.api = 3
    assert subnets(cluster.store) == before
    for host in cluster.hosts:
        assert host.daemon.subnet_env()["FLANNEL_SUBNET"].replace(".1/", ".0/") == before[host.address]


@pytest.fixture(name="new_store")
def make_new_store(lab):
    store = Etcd(Host(lab, "new", 251)).start()
    yield store
    store.stop()
    store.reap()


def test_the_new_store_dies_and_daemons_restart_in_the_middle_of_a_move(lab, new_store):
    cluster = Cluster(lab, "etcd", hosts=3).start(containers=True)
    one, two, three = cluster.hosts
    old, new = f"etcd3:{cluster.store.url}", f"etcd3:{new_store.url}"
    before = subnets(cluster.store)
    with EchoStream(one.container, two.container, lab.folder, EVERY) as echoes:
        flannelctl(cluster.store, "store", "copy", old, new)
        wait_followed(cluster.store, old, 3)
        new_store.stop()
        for host in cluster.hosts:
            host.daemon.wait_log("this host cannot follow the move to another store")
        three.daemon.kill9()
        three.daemon.start().wait_ready()
        wait_until(
            lambda: "cannot follow the move to" in json.dumps(three.daemon.status()["troubles"]),
            lambda: f"the reason on h3: {three.daemon.status()['troubles']}",
            unless=three.daemon.must_run,
        )
        new_store.start()
        wait_followed(cluster.store, old, 3)

        joined = lab.host()
        joined.flanneld(new_store).start().wait_ready()
        joined.daemon.wait_log("the earlier one decides until it is retired")
        cluster.hosts.append(joined)
        cluster.wait_complete()
        wait_followed(cluster.store, old, 4)

        flannelctl(cluster.store, "store", "retire", old)
        wait_retired(cluster.hosts)
        cluster.store.stop()
        one.daemon.kill9()
        one.daemon.flags += [f"--etcd-endpoints={new_store.url}"]
        one.daemon.start().wait_ready()
        cluster.wait_complete()
        echoes.more(300)
    assert echoes.lost() == []
    after = subnets(new_store)
    assert len(set(after.values())) == 4
    assert before.items() <= after.items()
    joined.start_container()
    ping(one.container, joined.container)
