# SPDX-License-Identifier: Apache-2.0
"""Which host owns a lease, and for how long.

     one: flanneld        store: etcd v3, etcd v2 or a SQLite file; flannelctl
       |                    |
     --+------- bridge -----+--
"""

import re

import pytest
from lab.cluster import Cluster
from lab.flanneld import flannelctl, leases_of
from lab.overlay import lease_key, subnet
from lab.shell import wait_until

SUBNET = "10.5.7.0/24"


@pytest.mark.parametrize("store", ["etcd", "etcd-v2", "sqlite"])
def test_a_reservation_comes_and_goes_under_a_running_daemon(lab, store):
    cluster = Cluster(lab, store, "host-gw", hosts=1, flags=["--subnet-lease-ttl=20"])
    cluster.store.set_config(cluster.config)
    one = cluster.hosts[0]
    flannelctl(cluster.store, "reserve", SUBNET, f"--node={one.address}")
    one.daemon.start().wait_ready()
    assert subnet(one) == SUBNET
    kind = lambda: [lease["kind"] for lease in leases_of(cluster.store)]  # noqa: E731
    assert kind() == ["reservation"]

    def is_reservation():
        return one.daemon.status()["lease"]["reservation"]

    wait_until(is_reservation, "the reservation")
    flannelctl(cluster.store, "unreserve", SUBNET)
    wait_until(lambda: not is_reservation(), "the lease")
    assert kind() == ["lease"]
    flannelctl(cluster.store, "reserve", SUBNET)
    wait_until(is_reservation, "the reservation again")
    before = one.daemon.log().count("Lease renewed")
    assert flannelctl(cluster.store, "leases").count("reservation") == 1
    assert subnet(one) == SUBNET
    assert one.daemon.log().count("Lease renewed") == before
    assert one.daemon.health("/readyz")[1] == "flanneld is ready"


def test_a_host_has_one_etcd_lease_however_often_it_starts(lab):
    cluster = Cluster(lab, "etcd", "host-gw", hosts=1).start()
    one = cluster.hosts[0]
    for round in range(20):
        one.daemon.kill9() if round % 2 else one.daemon.stop()
        # A child that the daemon has just forked may have the port open for a moment longer.
        wait_until(lambda: not one.ns.run("ss", "-Hltn", "sport", "=", ":8081"), "the port")
        one.daemon.start().wait_ready()
    listed = cluster.store.etcdctl("lease", "list").split()
    assert listed[:3] == ["found", "1", "leases"], listed


def test_a_copied_node_id_is_reported_and_the_subnets_stay(lab):
    """The second host has another boot id, since it is a machine of its own."""
    cluster = Cluster(lab, "etcd", "host-gw", hosts=2).start()
    one, two = cluster.hosts
    values = cluster.store.lease_values()
    key = lease_key(subnet(one))
    node = re.search(r'"NodeID":"([0-9a-f]{32})/', values[key]).group(1)
    copy = f'{{"PublicIP":"192.0.2.99","BackendType":"host-gw","NodeID":"{node}/00000000"}}'
    cluster.store.put_lease("10.5.99.0-24", copy)
    wait_until(lambda: "has our node id" in one.daemon.health("/readyz")[1], "the alarm")
    assert "has our node id" not in two.daemon.health("/readyz")[1]
    assert cluster.store.lease_values()[key] == values[key]
    cluster.store.delete_lease("10.5.99.0-24")
    wait_until(lambda: one.daemon.health("/readyz")[1] == "flanneld is ready", "its end")


@pytest.mark.parametrize("copy", ["lower", "higher"])
def test_a_copied_state_folder_costs_the_original_nothing(lab, copy):
    """The copy is another container of the same machine, and has the boot id of the original."""
    cluster = Cluster(lab, "etcd", "vxlan", hosts=3)
    cluster.store.set_config(cluster.config)
    original, copied, third = cluster.hosts
    places = [("10.5.20.0/24", original), ("10.5.30.0/24", copied)]
    if copy == "lower":
        places = [("10.5.10.0/24", copied), ("10.5.20.0/24", original)]
    for place, host in places:
        flannelctl(cluster.store, "reserve", place, f"--node={host.address}")
    original.daemon.start().wait_ready()
    third.daemon.start().wait_ready()
    values = cluster.store.lease_values()
    key = lease_key(subnet(original))
    source, target = original.folder / "state", copied.folder / "state"
    target.mkdir(exist_ok=True)
    (target / "node-id").write_text((source / "node-id").read_text())
    copied.daemon.start().wait_ready()
    assert cluster.store.lease_values()[key] == values[key]
    assert (target / "node-id").read_text() != (source / "node-id").read_text()
    macs = [re.search(r'"VtepMAC":"([0-9a-f:]+)"', v).group(1)
            for v in cluster.store.lease_values().values()]
    assert len(set(macs)) == 3, macs
    assert "this host takes new ones" in copied.daemon.log()
    wait_until(lambda: not cluster.missing(), "all rows in all kernels")
    assert third.daemon.health("/readyz")[1] == "flanneld is ready"


def test_our_address_in_the_lease_of_another_node_is_quarantined(lab):
    cluster = Cluster(lab, "etcd", "host-gw", hosts=1).start()
    one = cluster.hosts[0]
    claim = f'{{"PublicIP":"{one.address}","NodeID":"{"a" * 32}/00000000"}}'
    cluster.store.put_lease("10.5.99.0-24", claim)
    wait_until(lambda: "is our own, but node" in one.daemon.health("/readyz")[1], "the alarm")
    assert one.daemon.status()["peers"]["quarantined"][0]["key"] == "10.5.99.0-24"


def test_peers_stay_when_their_leases_are_deleted_all_at_once(lab):
    """The hosts write their leases again; no route is changed meanwhile."""
    cluster = Cluster(lab, "etcd", "host-gw", hosts=3).start()
    one = cluster.hosts[0]
    monitor = one.ns.start("ip", "monitor", "route", stdout=open(one.folder / "monitor", "wb"))
    cluster.store.etcdctl("del", "--prefix", "/coreos.com/network/subnets/")
    wait_until(lambda: len(cluster.store.lease_values()) == 3, "the leases to be back")
    wait_until(lambda: one.daemon.health("/readyz")[1] == "flanneld is ready", "no peer to be suspected")
    monitor.kill()
    monitor.wait()
    assert not cluster.missing()
    assert "Deleted" not in (one.folder / "monitor").read_text()


def test_the_password_is_in_no_list_of_processes(lab):
    flags = ["--etcd-username=u", "--etcd-password=s3cret"]
    cluster = Cluster(lab, "sqlite", "host-gw", hosts=1, flags=flags).start()
    pid = cluster.hosts[0].daemon.pid()
    shown = b"".join(open(f"/proc/{pid}/{name}", "rb").read() for name in ("cmdline", "environ"))
    assert b"--etcd-password=xxxxxx" in shown
    assert b"s3cret" not in shown
    assert "s3cret" not in cluster.hosts[0].daemon.log()
