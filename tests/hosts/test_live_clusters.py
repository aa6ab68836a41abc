# SPDX-License-Identifier: Apache-2.0
"""The configuration changes while a part of the cluster, or the store, is away: no packet is lost.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store       └── eth0 ─ h3, h4 ...

HALF_SECONDS (3) is the time during which half of the hosts do not follow, and KILLS (6) the number
of daemons that are killed in the midst of a change:

    HALF_SECONDS=60 KILLS=100 python3 -m pytest tests/hosts/test_live_clusters.py
"""

import contextlib
import itertools
import os
import time

import pytest

from lab.cluster import Cluster
from lab.faults import without_store
from lab.shell import wait_until
from lab.traffic import EchoStreams, reached

BACKENDS = ["udp", "vxlan", "host-gw"]
HALF_SECONDS = float(os.environ.get("HALF_SECONDS", "3"))
KILLS = int(os.environ.get("KILLS", "6"))


def echoes_between(cluster, pairs):
    """Streams of echoes between the containers of pairs of hosts."""
    return [EchoStreams(cluster, one.container, other.container) for one, other in pairs]


@pytest.mark.parametrize("before, after", list(itertools.permutations(BACKENDS, 2)))
def test_half_of_the_hosts_follow_later(lab, before, after):
    """The others have their lease for hours, and the store is out of their reach."""
    cluster = Cluster(lab, "etcd", before, hosts=4).start(containers=True)
    one, two, three, four = cluster.hosts
    subnets = cluster.subnets()
    with contextlib.ExitStack() as stack:
        pairs = [(one, two), (one, three), (four, two), (three, four)]
        streams = [stack.enter_context(stream) for stream in echoes_between(cluster, pairs)]
        with without_store(three, cluster.store), without_store(four, cluster.store):
            cluster.change_backend(after)
            cluster.wait_announced([one, two], after)
            time.sleep(HALF_SECONDS)
            for stream in streams:
                stream.more()
            assert {cluster.announced(host)["Type"] for host in (three, four)} == {before}
        cluster.wait_announced(cluster.hosts, after)
        cluster.wait_complete()
        for stream in streams:
            stream.more()
    assert [stream.lost() for stream in streams] == [[]] * len(streams)
    assert cluster.subnets() == subnets


@pytest.mark.parametrize("before, after", [("vxlan", "host-gw"), ("host-gw", "udp"), ("udp", "vxlan")])
def test_the_store_goes_away_in_the_midst_of_a_change(lab, before, after):
    """Some hosts have heard of the change by then, and those that wrote their lease have no answer."""
    cluster = Cluster(lab, "etcd", before, hosts=3).start(containers=True)
    one, two, three = cluster.hosts
    with contextlib.ExitStack() as stack:
        pairs = [(one, two), (three, one)]
        streams = [stack.enter_context(stream) for stream in echoes_between(cluster, pairs)]
        for backend in (after, before, after):
            cluster.change_backend(backend)
            cluster.store.stop()
            for stream in streams:
                stream.more()
            cluster.store.start()
            cluster.wait_announced(cluster.hosts, backend)
        cluster.wait_complete()
        for stream in streams:
            stream.more()
    assert [stream.lost() for stream in streams] == [[]] * len(streams)


def test_a_kill_in_the_midst_of_changes_loses_no_packet(lab):
    cluster = Cluster(lab, "etcd", "vxlan").start(containers=True)
    one, two = cluster.hosts
    with EchoStreams(cluster, one.container, two.container) as echoes:
        for backend, _ in zip(itertools.cycle(["host-gw", "vxlan"]), range(KILLS)):
            cluster.change_backend(backend)
            one.daemon.kill9()
            one.daemon.start().wait_ready()
            cluster.wait_announced(cluster.hosts, backend)
        cluster.wait_complete()
        echoes.more()
    assert echoes.lost() == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cluster_that_only_leases_for_a_while_keeps_its_subnets(lab, backend):
    """With alloc other software carries the packets; when the backend is back, so are the packets."""
    cluster = Cluster(lab, "sqlite", backend, families="dual").start(containers=True)
    one, two = cluster.hosts
    subnets = cluster.subnets()
    cluster.change_backend("alloc")
    cluster.wait_announced(cluster.hosts, "alloc")
    for host in cluster.hosts:
        wait_until(lambda: host.daemon.subnet_env()["FLANNEL_MTU"] == "1500", lambda: str(host.daemon.subnet_env()))
    cluster.change_backend(backend)
    cluster.wait_announced(cluster.hosts, backend)
    cluster.wait_complete()
    for version in cluster.versions:
        reached(one.container, two.container.at(version))
    assert cluster.subnets() == subnets


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_same_configuration_again_changes_nothing(lab, backend):
    cluster = Cluster(lab, "etcd", backend).start(containers=True)
    one, two = cluster.hosts
    leases = cluster.store.lease_values()
    with EchoStreams(cluster, one.container, two.container, every=0.001) as echoes:
        cluster.change_backend(backend)
        echoes.more(1000)
    assert echoes.lost() == []
    assert cluster.store.lease_values() == leases
    for host in cluster.hosts:
        assert "another backend" not in host.daemon.log()
