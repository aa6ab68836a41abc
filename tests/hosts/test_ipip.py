# SPDX-License-Identifier: Apache-2.0
"""What is particular to the backend ipip: its device, and peers of upstream. The other suites have it among
their backends.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

import json

import pytest

from lab import CommandFailed, binary, upstream, wait_until
from lab.cluster import Cluster
from lab.damage import damage_and_wait
from lab.flanneld import ctl
from lab.overlay import IPIP, base, key_of, lease_key, route_rows, subnet
from lab.topology import LAN, Container
from lab.traffic import EchoStreams, ping, reached, transfer

SUBNET = "10.5.77.0/24"  # of a peer of upstream


def device(host):
    """What `ip` says of the device; {}: there is none."""
    links = host.ns.ask("-d", "link", "show", IPIP)
    if not links:
        return {}
    link = links[0]
    return {
        "mtu": link["mtu"],
        "up": "UP" in link["flags"],
        "kind": link["linkinfo"]["info_kind"],
        "data": link["linkinfo"]["info_data"],
        "addresses": [
            (address["local"], address["prefixlen"])
            for shown in host.ns.ask("addr", "show", IPIP)
            for address in shown["addr_info"]
        ],
    }


def test_the_device_is_that_of_upstream(lab):
    cluster = Cluster(lab, backend="ipip", hosts=1).start()
    one = cluster.hosts[0]
    found = device(one)
    assert (found["mtu"], found["up"], found["kind"]) == (1480, True, "ipip")
    assert found["addresses"] == [(base(subnet(one)), 32)]
    assert {key: found["data"].get(key) for key in ("remote", "local", "ttl", "pmtudisc", "link")} == {
        "remote": "any", "local": one.address, "ttl": 0, "pmtudisc": False, "link": None,
    }  # fmt: skip
    (value,) = cluster.store.lease_values().values()
    assert upstream.as_upstream(value) == (
        f'{{"PublicIP":"{one.address}","PublicIPv6":null,"BackendType":"ipip"}}'
    )


# {local}: the address of eth0; {elsewhere}: an address that no host has.
DAMAGE = {
    "the route is deleted": "ip route del {subnet}",
    "the route leads elsewhere": "ip route replace {subnet} via {elsewhere} dev eth0 proto 250",
    "all routes are flushed": "ip route flush proto 250",
    "the address is deleted": "ip addr flush dev {link} scope global",
    "the device is deleted": "ip link del {link}",
    "the device is down": "ip link set {link} down",
    "the mtu is changed": "ip link set {link} mtu 1300",
    "the local address is changed": "ip link set {link} type ipip local {elsewhere} nopmtudisc",
    "path mtu discovery is on": "ip link set {link} type ipip local {local} pmtudisc",
    "it has a remote address":
        "sh -c 'ip link del {link}; ip link add {link} type ipip local {local} remote {elsewhere} nopmtudisc'",
    "it has a tos": "ip link set {link} type ipip local {local} tos 8 nopmtudisc",
}


def test_damage_is_repaired(lab):
    cluster = Cluster(lab, backend="ipip").start(containers=True)
    one, two = cluster.hosts
    words = {"link": IPIP, "subnet": subnet(two), "local": one.address, "elsewhere": "192.0.2.200"}
    for damage, command in DAMAGE.items():
        damage_and_wait(one, damage, command.format(**words), lambda: (device(one), route_rows(one)))
        ping(one.container, two.container)


def test_another_address_of_the_underlay_is_put_into_the_device(lab):
    """The device stays, and so do its routes."""
    cluster = Cluster(lab, backend="ipip").start(containers=True)
    one, two = cluster.hosts
    index = one.ns.ask("link", "show", IPIP)[0]["ifindex"]
    one.ns.ip_all(
        f"addr del {one.address}/24 dev eth0\naddr add {LAN}.77/24 dev eth0\n"
        f"route replace default via {LAN}.254\n"
    )
    one.address = f"{LAN}.77"
    wait_until(lambda: device(one)["data"]["local"] == one.address, lambda: str(device(one)))
    cluster.wait_complete()
    reached(one.container, two.container)
    assert one.ns.ask("link", "show", IPIP)[0]["ifindex"] == index


def test_from_host_gw_to_ipip_to_vxlan_loses_no_packet_among_three_hosts(lab):
    cluster = Cluster(lab, backend="host-gw", hosts=3).start(containers=True)
    one, two, three = cluster.hosts
    with (
        EchoStreams(cluster, one.container, two.container, every=0.02) as there,
        EchoStreams(cluster, three.container, one.container, every=0.02) as back,
    ):
        for backend in "ipip", "vxlan", "ipip", "host-gw":
            cluster.change_backend(backend)
            cluster.wait_announced(cluster.hosts, backend)
            cluster.wait_complete()
            there.more(50)
            back.more(50)
    assert (there.lost(), back.lost()) == ([], [])


def test_with_direct_routing_a_peer_on_the_link_needs_no_tunnel(lab):
    cluster = Cluster(lab, backend="ipip").start(containers=True)
    one, two = cluster.hosts
    direct = f"route {subnet(two)} via {two.address} dev eth0"
    with EchoStreams(cluster, one.container, two.container, every=0.02) as echoes:
        cluster.change_backend("ipip", DirectRouting=True)
        wait_until(lambda: direct in route_rows(one), lambda: str(route_rows(one)))
        echoes.more(50)
        cluster.change_backend("ipip")
        cluster.wait_complete()
        echoes.more(50)
    assert echoes.lost() == []


def make_upstream_device(host, own):
    """The device as upstream makes it, with the address of its lease."""
    host.ns.ip_all(
        f"link add {IPIP} mtu 1480 txqueuelen 0 type ipip local {host.address} nopmtudisc\n"
        f"addr add {base(own)}/32 dev {IPIP}\n"
        f"link set {IPIP} up\n"
    )


def test_a_host_of_upstream_is_reached_and_reaches_us(lab):
    cluster = Cluster(lab, "etcd", "ipip", hosts=1).start(containers=True)
    one, two = cluster.hosts[0], lab.host()
    make_upstream_device(two, SUBNET)
    two.container = Container(two, {"FLANNEL_SUBNET": SUBNET.replace(".0/", ".1/"), "FLANNEL_MTU": "1480"})
    two.ns.ip("route", "replace", subnet(one), "via", one.address, "dev", IPIP, "onlink")
    cluster.store.put_lease(
        lease_key(SUBNET), f'{{"PublicIP":"{two.address}","PublicIPv6":null,"BackendType":"ipip"}}'
    )
    wanted = f"route {SUBNET} via {two.address} dev {IPIP} onlink"
    wait_until(lambda: wanted in route_rows(one), lambda: f"{wanted}: {route_rows(one)}")
    for source, target in ((one, two), (two, one)):
        ping(source.container, target.container)
        sent, received = transfer(source.container, target.container, megabytes=5)
        assert sent == received


def test_the_device_that_upstream_left_is_taken_over_with_its_routes(lab):
    cluster = Cluster(lab, "etcd", "ipip").start(containers=True)
    one, two = cluster.hosts
    one.daemon.stop()
    key = key_of(one)
    value = upstream.as_upstream(cluster.store.lease_values()[key])
    one.ns.ip("link", "del", IPIP)
    make_upstream_device(one, subnet(one))
    one.ns.ip("route", "add", subnet(two), "via", two.address, "dev", IPIP, "onlink")  # proto boot
    cluster.store.put_lease(key, value)
    index = one.ns.ask("link", "show", IPIP)[0]["ifindex"]
    with EchoStreams(cluster, one.container, two.container, every=0.02) as echoes:
        one.daemon.start().wait_ready()
        wait_until(lambda: one.ns.ask("route", "show", subnet(two))[0].get("protocol") == "250", "the route to be ours")
        echoes.more(50)
    assert echoes.lost() == []
    assert one.ns.ask("link", "show", IPIP)[0]["ifindex"] == index
    assert key_of(one) == key


def test_a_device_of_another_kind_with_our_name_stays(lab):
    cluster = Cluster(lab, backend="ipip", hosts=1)
    one = cluster.hosts[0]
    one.ns.ip("link", "add", IPIP, "type", "bridge")
    cluster.store.set_config(cluster.config)
    one.daemon.start()
    words = f"{IPIP} is a device of kind bridge that is not ours; it is left alone"
    wait_until(lambda: words in one.daemon.log(), lambda: one.daemon.log()[-2000:])
    assert one.ns.ask("-d", "link", "show", IPIP)[0]["linkinfo"]["info_kind"] == "bridge"
    one.ns.ip("link", "del", IPIP)
    wait_until(lambda: device(one).get("kind") == "ipip", "the device")


def test_a_device_in_the_way_is_named(lab):
    """The kernel has one device for each pair of addresses."""
    cluster = Cluster(lab, backend="ipip", hosts=1)
    one = cluster.hosts[0]
    one.ns.ip("link", "add", "mine", "type", "ipip", "local", one.address, "nopmtudisc")
    cluster.store.set_config(cluster.config)
    one.daemon.start()
    words = "mine is an ipip device with the same local address: delete it (ip link delete mine)"
    wait_until(lambda: words in one.daemon.log(), lambda: one.daemon.log()[-2000:])
    one.ns.ip("link", "del", "mine")
    wait_until(lambda: device(one).get("kind") == "ipip", "the device")


def test_trace_and_doctor_know_the_tunnel(lab):
    cluster = Cluster(lab, backend="ipip").start(containers=True)
    one, two = cluster.hosts
    ends = (one.container.address, two.container.address)

    def steps():
        said = ctl(one, "trace", "--json", *ends, check=False, inside=True)
        answer = json.loads(said[: said.rindex("}") + 1])
        return {step["step"]: step["text"] for step in answer["steps"] if step["way"] == "there"}

    wait_until(lambda: " ms" in steps().get("answer", ""), lambda: str(steps()))
    found = steps()
    assert found["route"] == f"from cni0 via {two.address} dev {IPIP} (ipip), MTU 1480"
    assert found["underlay"] == f"{two.address} by eth0"
    assert found["tunnel"] == f"no rule is known to drop it as IP protocol 4 to {two.address} by eth0"
    one.ns.run("nft", "add table ip fw; add chain ip fw out { type filter hook output priority 0; };"
               "add rule ip fw out ip protocol ipencap drop")  # fmt: skip
    assert "dropped by nftables table ip fw, chain out: ip protocol" in steps()["tunnel"]
    said = ctl(one, "doctor", check=False, inside=True)
    assert f"drops the overlay's own IP protocol 4 to {two.address}" in said


@pytest.mark.parametrize("flags", [(), ("--backend=ipip",)])
def test_cleanup_removes_the_device(lab, flags):
    cluster = Cluster(lab, backend="ipip", hosts=1).start()
    one = cluster.hosts[0]
    one.daemon.stop()
    assert f"removed device {IPIP}\n" in one.ns.run(binary("flannelctl"), "cleanup", *flags)
    assert device(one) == {}


def test_a_network_with_ipv6_is_refused_in_words(lab):
    words = "ipip carries IPv4 only"
    cluster = Cluster(lab, "etcd", "ipip", hosts=1, families="dual")
    one = cluster.hosts[0]
    cluster.store.set_config(cluster.config)  # by etcdctl, which checks nothing
    one.daemon.start().wait_log(words)
    with pytest.raises(CommandFailed, match=words):
        lab.sqlite().set_config(cluster.config)  # by flannelctl
