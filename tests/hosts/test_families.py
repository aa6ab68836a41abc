# SPDX-License-Identifier: Apache-2.0
"""Networks with IPv6, beside IPv4 ("dual") or alone ("v6").

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

import itertools
import json
import signal

import pytest

from lab import wait_until
from lab.families import FamilyCluster, device, rows, subnet
from lab.traffic import EchoStream, ping, transfer

MTU = {"vxlan": "1430", "host-gw": "1500", "udp": "1452"}


@pytest.mark.parametrize(
    "families, store, backend",
    [
        ("dual", "etcd", "vxlan"),
        ("dual", "sqlite", "host-gw"),
        ("dual", "etcd-v2", "udp"),
        ("dual", "consul", "vxlan"),
        ("v6", "sqlite", "vxlan"),
        ("v6", "etcd", "host-gw"),
        ("v6", "sqlite", "udp"),
    ],
)
def test_containers_talk_in_each_family_in_all_pairs(lab, families, store, backend):
    cluster = FamilyCluster(lab, families, store, backend, hosts=3).start(containers=True)
    for host in cluster.hosts:
        env = host.daemon.subnet_env()
        assert env["FLANNEL_MTU"] == MTU[backend]
        assert ("FLANNEL_SUBNET" in env) == ("FLANNEL_NETWORK" in env) == (families == "dual")
    containers = [host.container for host in cluster.hosts]
    for source, target in itertools.permutations(containers, 2):
        for version in cluster.versions:
            ping(source, target.at(version))
    for version in cluster.versions:
        sent, received = transfer(containers[0], containers[1].at(version), megabytes=50)
        assert sent == received


@pytest.mark.parametrize("families, backend", [("dual", "vxlan"), ("v6", "udp")])
def test_the_largest_packet_of_the_announced_mtu_passes_unfragmented(lab, families, backend):
    one, two = FamilyCluster(lab, families, backend=backend).start(containers=True).hosts
    payload = int(MTU[backend]) - 48  # IPv6 and ICMPv6 headers
    target = two.container.at(6).address
    argv = ["ping", "-n", "-c", "3", "-i", "0.05", "-W", "3", "-M", "do"]
    one.container.ns.run(*argv, "-s", payload, target)
    refused = one.container.ns.run(*argv, "-s", payload + 1, target, check=False)
    assert "100% packet loss" in refused


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("families, store, backend",
                         [("dual", "etcd", "vxlan"), ("v6", "sqlite", "vxlan"), ("v6", "etcd", "host-gw")])
def test_a_restart_keeps_the_subnets_and_loses_no_echo(lab, families, store, backend, end):
    cluster = FamilyCluster(lab, families, store, backend).start(containers=True)
    one, two = cluster.hosts
    before = [subnet(one, version) for version in cluster.versions]
    had = rows(one, 6)
    with EchoStream(one.container, two.container.at(6), lab.folder) as echoes:
        one.daemon.stop() if end == "SIGTERM" else one.daemon.kill9()
        assert rows(one, 6) == had, "the data plane outlives the daemon"
        echoes.more()
        one.daemon.start().wait_ready()
        echoes.more()
    assert echoes.lost() == []
    assert [subnet(one, version) for version in cluster.versions] == before
    assert rows(one, 6) == had


DAMAGE = {
    "the route is deleted": "ip -6 route del {subnet}",
    "all routes are flushed": "ip -6 route flush proto 250",
    "the neighbour is deleted": "ip -6 neigh del {base} dev flannel-v6.1",
    "the neighbour has another mac":
        "ip -6 neigh replace {base} lladdr 02:00:00:00:00:01 dev flannel-v6.1 nud permanent",
    "the fdb row is deleted": "bridge fdb del {mac} dev flannel-v6.1 dst {address}",
    "the fdb row leads elsewhere": "bridge fdb replace {mac} dev flannel-v6.1 dst 2001:db8:2::99",
    "the address is deleted": "ip -6 addr flush dev flannel-v6.1 scope global",
    "the device is deleted": "ip link del flannel-v6.1",
    "the device is down": "ip link set flannel-v6.1 down",
    "the mtu is changed": "ip link set flannel-v6.1 mtu 1300",
}


def state(host):
    links = host.ns.ask("-d", "link", "show", "flannel-v6.1")
    links += host.ns.ask("-6", "addr", "show", "flannel-v6.1", "scope", "global")
    addresses = [entry["local"] for link in links for entry in link.get("addr_info", []) if entry]
    return rows(host, 6), [(link.get("mtu"), link.get("operstate")) for link in links], addresses


def test_damaged_kernel_objects_of_ipv6_are_repaired(lab):
    one, two = FamilyCluster(lab, "dual").start(containers=True).hosts
    had = state(one)
    words = {
        "subnet": subnet(two, 6),
        "base": subnet(two, 6).split("/")[0],
        "mac": two.ns.ask("link", "show", "flannel-v6.1")[0]["address"],
        "address": two.address6,
    }
    for damage, command in DAMAGE.items():
        one.daemon.signal(signal.SIGSTOP)
        one.ns.run(*command.format(**words).split())
        assert state(one) != had, f"{damage}: nothing was damaged"
        one.daemon.signal(signal.SIGCONT)
        wait_until(lambda: state(one) == had, lambda: f"{damage}: {had} {state(one)}", within=2,
                   unless=one.daemon.must_run)
        ping(one.container, two.container.at(6))
        ping(one.container, two.container.at(4))


def test_addresses_of_others_on_our_device_stay(lab):
    one, _ = FamilyCluster(lab, "dual").start().hosts
    one.ns.ip("addr", "add", "fd99::1/64", "dev", "flannel-v6.1", "nodad")
    one.ns.ip("link", "set", "flannel-v6.1", "mtu", "1300")
    wait_until(lambda: one.ns.ask("link", "show", "flannel-v6.1")[0]["mtu"] == 1430, "the repair")
    text = one.ns.ip("-6", "addr", "show", "dev", "flannel-v6.1")
    assert "fd99::1/64" in text


def test_a_running_cluster_gets_ipv6_and_loses_it_again_without_a_lost_ipv4_packet(lab):
    """Each host takes the configuration at its restart, and keeps its IPv4 subnet."""
    cluster = FamilyCluster(lab, "dual", "etcd")
    dual = dict(cluster.config)
    cluster.config = {key: dual[key] for key in ("Network", "SubnetMax", "Backend")}
    cluster.families = "v4"
    cluster.store.set_config(cluster.config)
    for host in cluster.hosts:
        host.daemon.start().wait_ready()
    for host in cluster.hosts:
        host.start_container()
    one, two = cluster.hosts
    before = [subnet(host, 4) for host in cluster.hosts]
    ping(one.container, two.container)
    with EchoStream(one.container, two.container, lab.folder) as echoes:
        for config in (dual, cluster.config):
            cluster.store.set_config(config)
            for host in cluster.hosts:
                host.daemon.stop()
                host.daemon.start().wait_ready()
                echoes.more()
                assert bool(subnet(host, 6)) == (config is dual)
    assert echoes.lost() == []
    assert [subnet(host, 4) for host in cluster.hosts] == before


def test_a_vxlan_peer_of_upstream_is_reached_in_both_families(lab):
    """A peer made with `ip` as upstream makes it, whose lease is written by hand."""
    cluster = FamilyCluster(lab, "dual", "etcd", hosts=1).start()
    ours = cluster.hosts[0]
    peer = lab.host()
    peer.add_ipv6()
    mac, mac6 = "02:00:00:00:00:64", "02:00:00:00:06:64"
    peer.ns.ip_all(
        f"link add flannel.1 address {mac} type vxlan id 1 local {peer.address} dev eth0 dstport 8472 nolearning\n"
        "addr add 10.5.100.0/32 dev flannel.1\n"
        "link set flannel.1 up\n"
        f"link add flannel-v6.1 address {mac6} type vxlan id 1 local {peer.address6} dev eth0 dstport 8472 nolearning\n"
        "addr add fd00:5:0:64::/128 dev flannel-v6.1 nodad\n"
        "link set flannel-v6.1 up\n"
    )
    value = {
        "PublicIP": peer.address, "PublicIPv6": peer.address6, "BackendType": "vxlan",
        "BackendData": {"VNI": 1, "VtepMAC": mac}, "BackendV6Data": {"VNI": 1, "VtepMAC": mac6},
    }  # fmt: skip
    cluster.store.put_lease("10.5.100.0-24&fd00:5:0:64::-64", json.dumps(value))
    for version, base, to in ((4, "10.5.100.0", ours.address), (6, "fd00:5:0:64::", ours.address6)):
        link, cidr = device(version), subnet(ours, version)
        ours_mac = ours.ns.ask("link", "show", link)[0]["address"]
        ours_base = cidr.split("/")[0]
        peer.ns.ip_all(
            f"neigh add {ours_base} lladdr {ours_mac} dev {link} nud permanent\n"
            f"route add {cidr} via {ours_base} dev {link} onlink\n"
        )
        peer.ns.bridge("fdb", "add", ours_mac, "dev", link, "dst", to, "self", "permanent")
        wait_until(
            lambda: any(base in row for row in rows(ours, version)), f"the rows of {base}", within=5
        )
        peer.ns.run("ping", "-n", "-c", "3", "-i", "0.05", "-W", "3", "-I", base, ours_base)
        ours.ns.run("ping", "-n", "-c", "3", "-i", "0.05", "-W", "3", "-I", ours_base, base)
