# SPDX-License-Identifier: Apache-2.0
"""A running cluster changes its families.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

from lab.cluster import Cluster
from lab.overlay import subnet
from lab.traffic import EchoStream, reached


def test_a_running_cluster_gets_ipv6_and_loses_it_again_without_a_lost_ipv4_packet(lab):
    """Each host takes the configuration at its restart, and keeps its IPv4 subnet."""
    cluster = Cluster(lab, "etcd", families="dual")
    dual, v4 = cluster.config, {key: cluster.config[key] for key in ("Network", "SubnetMax", "Backend")}
    cluster.store.set_config(v4)
    for host in cluster.hosts:
        host.daemon.start().wait_ready()
    for host in cluster.hosts:
        host.start_container()
    one, two = cluster.hosts
    before = [subnet(host, 4) for host in cluster.hosts]
    reached(one.container, two.container)
    with EchoStream(one.container, two.container, lab.folder) as echoes:
        for config in (dual, v4):
            cluster.store.set_config(config)
            for host in cluster.hosts:
                host.daemon.stop()
                host.daemon.start().wait_ready()
                echoes.more()
                assert bool(subnet(host, 6)) == (config is dual)
    assert echoes.lost() == []
    assert [subnet(host, 4) for host in cluster.hosts] == before
