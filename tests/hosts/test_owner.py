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
from lab.monitor import Monitor
from lab.overlay import key_of, lease_key, subnet
from lab.shell import wait_until

def wait_nothing_wrong(host):
    wait_until(lambda: host.daemon.health("/readyz")[1] == "flanneld is ready", lambda: host.daemon.health("/readyz")[1])


SUBNETS = {4: "10.5.7.0/24", 6: "fd00:5:0:7::/64"}


@pytest.mark.parametrize("store, families", [("etcd", "v6"), ("etcd-v2", "v4"), ("sqlite", "dual")])
def test_a_reservation_comes_and_goes_under_a_running_daemon(lab, store, families):
    flags = ["--subnet-lease-ttl=20"]
    cluster = Cluster(lab, store, "host-gw", hosts=1, families=families, flags=flags)
    cluster.store.set_config(cluster.config)
    one = cluster.hosts[0]
    reserved = [SUBNETS[version] for version in cluster.versions]
    both = ",".join(reserved)
    flannelctl(cluster.store, "reserve", both, f"--node={one.address}")
    one.daemon.start().wait_ready()
    assert cluster.subnets() == [reserved]
    kind = lambda: [lease["kind"] for lease in leases_of(cluster.store)]  # noqa: E731
    assert kind() == ["reservation"]

    def is_reservation():
        return one.daemon.status()["lease"]["reservation"]

    wait_until(is_reservation, "the reservation")
    flannelctl(cluster.store, "unreserve", both)
    wait_until(lambda: not is_reservation(), "the lease")
    wait_until(lambda: kind() == ["lease"], lambda: str(kind()))
    flannelctl(cluster.store, "reserve", both)
    wait_until(is_reservation, "the reservation again")
    before = one.daemon.log().count("Lease renewed")
    assert flannelctl(cluster.store, "leases").count("reservation") == 1
    assert cluster.subnets() == [reserved]
    assert one.daemon.log().count("Lease renewed") == before
    wait_nothing_wrong(one)


@pytest.mark.parametrize("families", ["v4", "dual"])
def test_a_host_has_one_etcd_lease_however_often_it_starts(lab, families):
    cluster = Cluster(lab, "etcd", "host-gw", hosts=1, families=families).start()
    one = cluster.hosts[0]
    for round in range(20):
        one.daemon.kill9() if round % 2 else one.daemon.stop()
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
    wait_nothing_wrong(one)


@pytest.mark.parametrize("copy, families", [("lower", "v4"), ("higher", "dual"), ("lower", "v6")])
def test_a_copied_state_folder_costs_the_original_nothing(lab, copy, families):
    """The copy is another container of the same machine, and has the boot id of the original."""
    cluster = Cluster(lab, "etcd", "vxlan", hosts=3, families=families)
    cluster.store.set_config(cluster.config)
    original, copied, third = cluster.hosts
    places = [(20, original), (30, copied)]
    if copy == "lower":
        places = [(10, copied), (20, original)]
    for number, host in places:
        place = {4: f"10.5.{number}.0/24", 6: f"fd00:5:0:{number}::/64"}[cluster.versions[0]]
        flannelctl(cluster.store, "reserve", place, f"--node={host.address}")
    original.daemon.start().wait_ready()
    third.daemon.start().wait_ready()
    values = cluster.store.lease_values()
    key = key_of(original)
    source, target = original.folder / "state", copied.folder / "state"
    target.mkdir(exist_ok=True)
    (target / "node-id").write_text((source / "node-id").read_text())
    copied.daemon.start().wait_ready()
    assert cluster.store.lease_values()[key] == values[key]
    assert (target / "node-id").read_text() != (source / "node-id").read_text()
    macs = [re.findall(r'"VtepMAC":"([0-9a-f:]+)"', v) for v in cluster.store.lease_values().values()]
    assert all(len({host[n] for host in macs}) == 3 for n in range(len(cluster.versions))), macs
    copied.daemon.wait_log("this host takes new ones")
    cluster.wait_complete()
    wait_nothing_wrong(third)


def test_our_address_in_the_lease_of_another_node_is_quarantined(lab):
    cluster = Cluster(lab, "etcd", "host-gw", hosts=1).start()
    one = cluster.hosts[0]
    claim = f'{{"PublicIP":"{one.address}","NodeID":"{"a" * 32}/00000000"}}'
    cluster.store.put_lease("10.5.99.0-24", claim)
    wait_until(lambda: "is our own, but node" in one.daemon.health("/readyz")[1], "the alarm")
    assert one.daemon.status()["peers"]["quarantined"][0]["key"] == "10.5.99.0-24"


@pytest.mark.parametrize("families", ["v4", "dual", "v6"])
def test_peers_stay_when_their_leases_are_deleted_all_at_once(lab, families):
    """The hosts write their leases again; no route is changed meanwhile."""
    cluster = Cluster(lab, "etcd", "host-gw", hosts=3, families=families).start()
    one = cluster.hosts[0]
    with Monitor(one, "monitor", "route") as monitor:
        cluster.store.etcdctl("del", "--prefix", "/coreos.com/network/subnets/")
        wait_until(lambda: len(cluster.store.lease_values()) == 3, "the leases to be back")
        wait_nothing_wrong(one)  # no peer is suspected
        assert not cluster.missing()
        assert not [line for line in monitor.lines() if "Deleted" in line]


def test_the_password_is_in_no_list_of_processes(lab):
    flags = ["--etcd-username=u", "--etcd-password=s3cret"]
    cluster = Cluster(lab, "sqlite", "host-gw", hosts=1, flags=flags).start()
    pid = cluster.hosts[0].daemon.pid()
    shown = b"".join(open(f"/proc/{pid}/{name}", "rb").read() for name in ("cmdline", "environ"))
    assert b"--etcd-password=xxxxxx" in shown
    assert b"s3cret" not in shown
    assert "s3cret" not in cluster.hosts[0].daemon.log()
