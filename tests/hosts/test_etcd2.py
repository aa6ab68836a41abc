# SPDX-License-Identifier: Apache-2.0
"""Leases under the v2 API of etcd, as flannel up to v0.17 has them; the daemon detects the API without a flag."""

import json

from lab.cluster import Cluster
from lab.shell import wait_until
from lab.traffic import ping

PEER = {
    "PublicIP": "192.0.2.77",
    "BackendType": "vxlan",
    "BackendData": {"VtepMAC": "7a:90:55:c2:b7:c7"},
}


def test_a_configuration_that_comes_under_v2_starts_a_waiting_daemon(lab):
    cluster = Cluster(lab, "etcd-v2", hosts=1)
    host = cluster.hosts[0]
    host.daemon.start().wait_log("there is none in the store yet")
    cluster.store.set_config(cluster.config)
    host.daemon.wait_ready()
    host.daemon.wait_log('etcd API chosen api=v2 why="the configuration has come there"')


def test_a_peer_that_an_operator_writes_and_deletes_comes_and_goes(lab):
    cluster = Cluster(lab, "etcd-v2", hosts=1).start()
    host = cluster.hosts[0]

    def routed():
        return any(route["dst"] == "10.5.77.0/24" for route in host.ns.ask("route", "show"))

    cluster.store.put_lease("10.5.77.0-24", json.dumps(PEER))
    wait_until(routed, "the route to the peer", unless=host.daemon.must_run)
    cluster.store.delete_lease("10.5.77.0-24")
    wait_until(lambda: not routed(), "the route to go", unless=host.daemon.must_run)


def test_an_etcd_that_restarts_is_taken_up_again(lab):
    cluster = Cluster(lab, "etcd-v2").start(containers=True)
    one, two = cluster.hosts
    cluster.store.stop()
    one.daemon.wait_log("store away")
    ping(one.container, two.container)
    cluster.store.start()
    one.daemon.wait_log("over: store away")
    cluster.add_host().daemon.start().wait_ready()
    cluster.wait_complete()
