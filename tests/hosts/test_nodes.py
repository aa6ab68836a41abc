# SPDX-License-Identifier: Apache-2.0
"""flannelctl node: hosts are listed, and one that is gone for ever is removed.

     one, two, three: flanneld      store: etcd v3; flannelctl
       |     |     |                  |
     --+-----+-----+------ bridge ----+--
"""

import json
import re

import pytest

from lab import CommandFailed, binary, wait_until
from lab.cluster import Cluster, wait_rows_gone
from lab.flanneld import flannelctl
from lab.overlay import key_of, missing, rows_about, subnet, version_of

LIFE = 30


def three_hosts(lab, families="v4"):
    flags = [f"--subnet-lease-ttl={LIFE}"]
    return Cluster(lab, "etcd", "vxlan", hosts=3, families=families, flags=flags).start()


def nodes(cluster):
    return json.loads(flannelctl(cluster.store, "node", "list", "--json"))


def node_id(host):
    return (host.daemon.state_dir / "node-id").read_text().strip()


def remove(cluster, name, *flags):
    return flannelctl(cluster.store, "node", "remove", name, *flags)


def rows_of(host, peer, subnets):
    """The rows of a host by which it reaches these subnets of a peer."""
    return set().union(*(rows_about(host, cidr, peer.underlay(version_of(cidr))) for cidr in subnets))


@pytest.mark.parametrize("families", ["v4", "dual"])
def test_a_dead_host_is_removed_and_a_live_one_is_not(lab, families):
    cluster = three_hosts(lab, families)
    one, two, three = cluster.hosts
    subnets = cluster.subnets()
    of_node = dict(zip(map(node_id, cluster.hosts), subnets))
    listed = nodes(cluster)
    assert {node["node_id"]: node["subnets"] for node in listed} == of_node
    for node in listed:
        assert (node["kind"], node["backend"]["type"]) == ("flannel-cpp", "vxlan")
        assert node["expires_in_s"] <= LIFE
    wait_until(lambda: all(LIFE / 2 < node["expires_in_s"] for node in nodes(cluster)), lambda: str(nodes(cluster)))

    before = cluster.store.lease_values()
    for name in (node_id(one)[:8], one.address, subnet(one)):
        with pytest.raises(CommandFailed, match="counts as abandoned after half of its 30 s"):
            remove(cluster, name)
    assert cluster.store.lease_values() == before

    three.daemon.kill9()
    key = key_of(three)
    said = []

    def is_removed():
        try:
            said.append(remove(cluster, node_id(three)[:8]))
        except CommandFailed as refused:
            assert "counts as abandoned" in str(refused)
        return said

    wait_until(is_removed, "the removal", within=LIFE)
    assert said[0].startswith(",".join(subnets[2]) + f" of {three.address}")
    assert cluster.store.lease_values() == {k: v for k, v in before.items() if k != key}
    for host in (one, two):
        wait_rows_gone(host, lambda host=host: rows_of(host, three, subnets[2]), "the rows of the removed host")
    assert not missing([one, two], "vxlan", cluster.versions)

    three.daemon.start().wait_ready()
    cluster.wait_complete()
    assert cluster.subnets() == subnets


def test_a_live_host_that_is_removed_writes_its_record_again(lab):
    cluster = three_hosts(lab)
    one = cluster.hosts[0]
    before = cluster.store.lease_values()
    remove(cluster, one.address, "--force")
    one.daemon.wait_log("the lease is lost")
    wait_until(lambda: cluster.store.lease_values() == before, "the record again")
    cluster.wait_complete()


def test_a_host_does_not_remove_itself(lab):
    cluster = three_hosts(lab)
    one, two, _ = cluster.hosts
    command = [binary("flannelctl"), *cluster.store.flags(), "node", "remove"]
    with pytest.raises(CommandFailed, match="it is this host, on which flanneld runs"):
        one.ns.run(*command, one.address)
    with pytest.raises(CommandFailed, match="counts as abandoned"):
        one.ns.run(*command, two.address)


def test_a_reservation_is_removed_by_force_only(lab):
    cluster = three_hosts(lab)
    free = next(cidr for cidr in map("10.5.{}.0/24".format, range(1, 5)) if [cidr] not in cluster.subnets())
    flannelctl(cluster.store, "reserve", free, "--node=192.0.2.99")
    table = flannelctl(cluster.store, "node", "list")
    assert re.search(rf"^- +192\.0\.2\.99 +{free} +- +reservation +another flannel or a reservation$", table, re.M)
    with pytest.raises(CommandFailed, match="it is a reservation"):
        remove(cluster, "192.0.2.99")
    assert remove(cluster, "192.0.2.99", "--force") == f"{free} of 192.0.2.99 is removed\n"
    assert "192.0.2.99" not in flannelctl(cluster.store, "node", "list")
