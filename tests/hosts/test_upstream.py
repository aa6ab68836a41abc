# SPDX-License-Identifier: Apache-2.0
"""A cluster shared with upstream flannel, which appears only through etcd and the kernel.

    h1c ── cni0 ─ h1 (our daemon) ─ eth0 ──┬── lan ──┬── eth0 ─ h2 (as upstream sets it up) ── h2c
                                         etcd

h2 runs no daemon: its lease is written and its kernel programmed by hand, word for word as
flanneld v0.20 does it.
"""

import pytest

from lab import upstream, wait_until
from lab.cluster import NETWORK, Cluster, wait_rows_gone
from lab.overlay import key_of, lease_key, rows, rows_about, subnet, version_of, vtep_mac, vxlan_rows
from lab.topology import Container
from lab.traffic import ping, transfer

SUBNET = "10.5.77.0/24"  # of a peer
OWN = "10.5.7.0/24"
MAC = "c6:d2:32:6f:8f:44"
VXLAN_VALUE = (
    '{"PublicIP":"192.0.2.2","PublicIPv6":null,"BackendType":"vxlan",'
    f'"BackendData":{{"VNI":1,"VtepMAC":"{MAC}"}}}}'
)
HOSTGW_VALUE = '{"PublicIP":"192.0.2.2","PublicIPv6":null,"BackendType":"host-gw"}'


def on_etcd(lab, backend="vxlan", hosts=1):
    return Cluster(lab, "etcd", backend, hosts).start(containers=True)


@pytest.fixture
def ours(lab):
    cluster = on_etcd(lab)
    return cluster, cluster.hosts[0]


def test_a_host_of_upstream_is_reached_and_reaches_us_over_vxlan(lab, ours):
    cluster, one = ours
    two = lab.host()
    upstream.make_vxlan_host(two, (SUBNET, MAC))
    reach_each_other(cluster, one, two, {SUBNET: MAC}, VXLAN_VALUE)


def test_a_host_of_upstream_is_reached_in_both_families_over_vxlan(lab):
    cluster = Cluster(lab, "etcd", hosts=1, families="dual").start(containers=True)
    two = lab.host()
    two.add_ipv6()
    ends = {SUBNET: MAC, "fd00:5:0:4d::/64": "c6:d2:32:6f:8f:46"}
    upstream.make_vxlan_host(two, *ends.items())
    value = (
        f'{{"PublicIP":"{two.address}","PublicIPv6":"{two.address6}","BackendType":"vxlan",'
        f'"BackendData":{{"VNI":1,"VtepMAC":"{MAC}"}},'
        f'"BackendV6Data":{{"VNI":1,"VtepMAC":"{ends["fd00:5:0:4d::/64"]}"}}}}'
    )
    reach_each_other(cluster, cluster.hosts[0], two, ends, value)


def reach_each_other(cluster, one, two, ends, value):
    """`ends`: the MAC for each subnet of the host of upstream, `two`; `value`: its lease."""
    cluster.store.put_lease(lease_key(*ends), value)
    for cidr, mac in ends.items():
        version = version_of(cidr)
        wanted = vxlan_rows(cidr, mac, two.underlay(version))
        wait_until(lambda: wanted <= rows(one, version), lambda: f"{wanted - rows(one, version)}")
    key = key_of(one)
    upstream.add_peer(two, key, cluster.store.lease_values()[key])
    for source, target in ((one, two), (two, one)):
        for version in cluster.versions:
            ping(source.container, target.container.at(version))
            sent, received = transfer(source.container, target.container.at(version), megabytes=20)
            assert sent == received


def test_a_lease_of_upstream_that_is_deleted_takes_its_rows_along(lab, ours):
    cluster, one = ours
    cluster.store.put_lease(lease_key(SUBNET), VXLAN_VALUE)
    wait_until(lambda: rows_about(one, SUBNET, "192.0.2.2"), "the peer")
    cluster.store.delete_lease(lease_key(SUBNET))
    wait_rows_gone(one, lambda: rows_about(one, SUBNET, "192.0.2.2"), "the peer")


def test_a_peer_of_upstream_that_comes_back_with_another_mac_leaves_no_old_row(lab, ours):
    cluster, one = ours
    cluster.store.put_lease(lease_key(SUBNET), VXLAN_VALUE)
    wait_until(lambda: vxlan_rows(SUBNET, MAC, "192.0.2.2") <= rows(one), "the peer")
    other = "c6:d2:32:6f:8f:45"
    cluster.store.put_lease(lease_key(SUBNET), VXLAN_VALUE.replace(MAC, other))
    wanted = vxlan_rows(SUBNET, other, "192.0.2.2")
    wait_until(lambda: rows_about(one, SUBNET, "192.0.2.2") == wanted,
               lambda: f"{rows_about(one, SUBNET, '192.0.2.2') ^ wanted}")


def test_a_host_of_upstream_is_reached_over_host_gw(lab):
    cluster = on_etcd(lab, "host-gw")
    one, two = cluster.hosts[0], lab.host()
    two.container = Container(two, {"FLANNEL_SUBNET": "10.5.77.1/24", "FLANNEL_MTU": "1500"})
    two.ns.ip("route", "add", subnet(one), "via", one.address, "dev", "eth0")
    cluster.store.put_lease(lease_key(SUBNET), HOSTGW_VALUE)
    wanted = {f"route {SUBNET} via {two.address} dev eth0"}
    wait_until(lambda: wanted <= rows(one), lambda: f"{wanted - rows(one)}")
    ping(one.container, two.container)
    ping(two.container, one.container)


def lease_values(cluster):
    values = cluster.store.lease_values()
    return {key: upstream.as_upstream(value) for key, value in values.items()}


@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
def test_our_lease_is_stored_byte_for_byte_as_upstream_writes_it(lab, backend):
    cluster = Cluster(lab, "etcd", backend, hosts=1).start()
    one = cluster.hosts[0]
    value = f'{{"PublicIP":"{one.address}","PublicIPv6":null,"BackendType":"{backend}"'
    if backend == "vxlan":
        value += f',"BackendData":{{"VNI":1,"VtepMAC":"{vtep_mac(one)}"}}'
    assert lease_values(cluster) == {lease_key(subnet(one)): value + "}"}
    hold = cluster.store.hold(lease_key(subnet(one)))
    assert cluster.store.ttl_granted(hold) == 86400


def test_the_same_bytes_are_stored_through_the_v2_api(lab):
    cluster = Cluster(lab, "etcd-v2", hosts=1).start()
    one = cluster.hosts[0]
    value = (
        f'{{"PublicIP":"{one.address}","PublicIPv6":null,"BackendType":"vxlan",'
        f'"BackendData":{{"VNI":1,"VtepMAC":"{vtep_mac(one)}"}}}}'
    )
    assert lease_values(cluster) == {lease_key(subnet(one)): value}


def test_a_reservation_made_by_hand_is_taken_and_stays_a_reservation(lab):
    cluster = Cluster(lab, "etcd", hosts=1)
    cluster.store.reserve(lease_key(OWN), '{"PublicIP":"192.0.2.1"}')
    cluster.start()
    one = cluster.hosts[0]
    assert subnet(one) == OWN
    assert cluster.store.hold(lease_key(OWN)) == 0
    one.daemon.stop()
    one.daemon.start().wait_ready()
    assert cluster.store.hold(lease_key(OWN)) == 0


def test_a_subnet_that_another_host_takes_is_an_alarm_and_never_taken_back_by_force(ours):
    """Upstream's daemons overwrite a key of another owner; ours does not."""
    cluster, one = ours
    mine, key = subnet(one), lease_key(subnet(one))
    was = cluster.store.lease_values()[key]
    theirs = VXLAN_VALUE.replace("192.0.2.2", "192.0.2.9")
    cluster.store.put_lease(key, theirs)
    wait_until(lambda: "192.0.2.9" in one.daemon.health("/readyz")[1], "the alarm")
    assert cluster.store.lease_values()[key] == theirs
    assert subnet(one) == mine, "the containers keep their addresses"
    cluster.store.delete_lease(key)
    wait_until(lambda: cluster.store.lease_values().get(key) == was, "the lease to be ours again")
    wait_until(lambda: "192.0.2.9" not in one.daemon.health("/readyz")[1], "the end of the alarm")


def test_invalid_records_among_the_leases_cost_no_route(lab):
    cluster = on_etcd(lab, hosts=2)
    put = cluster.store.put_lease
    put("lock", "mine")
    put("10.5.300.0-24", VXLAN_VALUE)
    put("10.5.88.0-24", "{not json")
    put("10.5.89.0-24", '{"PublicIP":"nonsense"}')
    put("../subnets-tmp/x", "y")
    # Once this good record has arrived, the bad ones before it have arrived too.
    put(lease_key(SUBNET), VXLAN_VALUE.replace("192.0.2.2", "192.0.2.9"))
    for host in cluster.hosts:
        wait_until(lambda h=host: rows_about(h, SUBNET, "192.0.2.9"), "the good record",
                   unless=host.daemon.must_run)
    assert not cluster.missing()
    for host in cluster.hosts:
        host.daemon.stop()
        host.daemon.start().wait_ready()
    assert not cluster.missing()


def test_a_subnet_file_of_upstream_names_the_subnet_that_is_taken_over(lab):
    """A node is migrated by swapping the binary after its lease has expired."""
    cluster = Cluster(lab, hosts=1)
    cluster.hosts[0].daemon.subnet_file.write_text(
        f"FLANNEL_NETWORK={NETWORK}\nFLANNEL_SUBNET=10.5.7.1/24\nFLANNEL_MTU=1450\n"
        "FLANNEL_IPMASQ=true\n"
    )
    cluster.start()
    assert subnet(cluster.hosts[0]) == OWN


def test_a_device_of_upstream_is_taken_over_with_its_mac(lab):
    """Peers have that MAC from the lease; another MAC would interrupt their packets for a moment."""
    cluster = Cluster(lab, "etcd", hosts=1)
    one = cluster.hosts[0]
    value = VXLAN_VALUE.replace("192.0.2.2", one.address)
    upstream.make_device(one, OWN, MAC)
    cluster.store.put_lease(lease_key(OWN), value)
    before = one.ns.ask("link", "show", "flannel.1")[0]["ifindex"]
    cluster.start()
    assert lease_values(cluster) == {lease_key(OWN): value}
    after = one.ns.ask("link", "show", "flannel.1")[0]
    assert (after["ifindex"], after["address"]) == (before, MAC)
