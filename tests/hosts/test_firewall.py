# SPDX-License-Identifier: Apache-2.0
"""Masquerade and forward rules of the daemon.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan, which has no route back to the network
    h2c ── cni0 ─ h2 ─ eth0 ──┘

"The world" is the address of the LAN's gateway.
"""

import pytest

from lab import binary
from lab.cluster import Cluster
from lab.packet_filter import TABLES, iptables, own_rules, tables, use_legacy
from lab.shell import wait_until
from lab.stores import Sqlite
from lab.topology import LAN, LAN6
from lab.traffic import answers, ping, reached

WORLD = {4: f"{LAN}.254", 6: f"{LAN6}:fe"}
GROUP = {4: "239.1.2.3", 6: "ff0e::1:2:3"}

SEE = """
import ipaddress, socket, struct, sys
address, device = sys.argv[1], socket.if_nametoindex(sys.argv[2])
six = ":" in address
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((address, 9000))
group = ipaddress.ip_address(address)
if group.is_multicast and six:
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group.packed + struct.pack("@I", device))
elif group.is_multicast:
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group.packed + struct.pack("@4si", bytes(4), device))
print("ready", flush=True)
s.settimeout(60)
print(s.recvfrom(100)[1][0])
"""
SEND = """
import socket, struct, sys
address, source, device = sys.argv[1:4]
six = ":" in address
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
if source:
    s.bind((source, 0))
    out = socket.if_nametoindex(device)
    if six:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, out)
    else:
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, struct.pack("@4s4si", bytes(4), bytes(4), out))
s.sendto(b"x", (address, 9000))
"""


def seen_by(target, device, source, address, bind=""):
    """Returns the source address that `target` sees at its `device` when `source` sends to `address`.

    `bind`: the address that the sender uses; it then sends to a multicast address by its eth0."""
    receiver = target.start("/usr/bin/python3", "-c", SEE, address, device, stdout=-1, text=True)
    try:
        assert receiver.stdout.readline() == "ready\n"
        source.run("/usr/bin/python3", "-c", SEND, address, bind, "eth0")
        return receiver.communicate(timeout=90)[0].strip()
    finally:
        receiver.kill()
        receiver.wait()


@pytest.fixture
def kind(request, lab, monkeypatch):
    if request.param == "iptables-legacy":
        use_legacy(lab.folder / "bin", monkeypatch)
    return request.param


def for_kinds(*pairs):
    return pytest.mark.parametrize("kind, families", pairs, indirect=["kind"])


def start(lab, kind, families, *flags, store="etcd"):
    firewall = f"--firewall={kind.removesuffix('-legacy')}"
    cluster = Cluster(lab, store, families=families, flags=[firewall, *flags])
    return cluster.start(containers=True)


def world_answers(container, cluster):
    return all(answers(container, WORLD[version]) for version in cluster.versions)


def all_rules(host, cluster, kind):
    return "\n".join(line for version in cluster.versions for line in own_rules(host, kind, version))


@for_kinds(("nftables", "v4"), ("nftables", "dual"), ("iptables", "dual"), ("iptables", "v6"),
           ("iptables-legacy", "dual"))
def test_containers_reach_the_world_by_the_hosts_address_and_each_other_by_their_own(lab, kind, families):
    cluster = start(lab, kind, families, "--ip-masq")
    one, two = cluster.hosts
    assert one.daemon.subnet_env()["FLANNEL_IPMASQ"] == "true"
    wait_until(lambda: world_answers(one.container, cluster), lambda: all_rules(one, cluster, kind))
    for version in cluster.versions:
        world = WORLD[version]
        assert seen_by(lab.lan, "lan0", one.container.ns, world) == one.underlay(version)
        for source, target in ((one, two), (two, one)):
            address = target.container.at(version).address
            seen = seen_by(target.container.ns, "eth0", source.container.ns, address)
            assert seen == source.container.at(version).address


@for_kinds(("nftables", "dual"), ("iptables", "dual"), ("iptables-legacy", "v6"))
def test_packets_to_a_multicast_group_keep_their_source(lab, kind, families):
    """The host sends with the address of cni0, which lies in the network."""
    cluster = start(lab, kind, families, "--ip-masq")
    one = cluster.hosts[0]
    wait_until(lambda: world_answers(one.container, cluster), lambda: all_rules(one, cluster, kind))
    for version in cluster.versions:
        inside = one.container.gateways[version]
        assert seen_by(lab.lan, "lan0", one.ns, WORLD[version], bind=inside) == one.underlay(version)
        assert seen_by(lab.lan, "lan0", one.ns, GROUP[version], bind=inside) == inside


@pytest.mark.parametrize("families", ["v4", "dual"])
def test_without_the_flag_nothing_is_masqueraded(lab, families):
    cluster = Cluster(lab, "etcd", families=families).start(containers=True)
    one, two = cluster.hosts
    assert one.daemon.subnet_env()["FLANNEL_IPMASQ"] == "false"
    for version in cluster.versions:
        assert not answers(one.container, WORLD[version])
        ping(one.container, two.container.at(version))
    assert "masquerade" not in one.ns.run("nft", "list", "ruleset")


@for_kinds(("nftables", "v4"), ("nftables", "v6"), ("iptables", "dual"), ("iptables-legacy", "dual"))
def test_containers_reach_each_other_where_docker_made_the_policy_drop(lab, kind, families):
    firewall = f"--firewall={kind.removesuffix('-legacy')}"
    cluster = Cluster(lab, "etcd", families=families, flags=[firewall])
    for host in cluster.hosts:
        for version in cluster.versions:
            for words in (
                "-P FORWARD DROP",
                "-N DOCKER-USER",
                "-A DOCKER-USER -j RETURN",
                "-A FORWARD -j DOCKER-USER",
                "-A FORWARD -o cni0 ! -i cni0 -j DROP",
            ):
                host.ns.run(iptables(kind, version), *words.split())
    one, two = cluster.start(containers=True).hosts
    for version in cluster.versions:
        reached(one.container, two.container.at(version))
        reached(two.container, one.container.at(version))


def remove_all_rules(host, kind):
    if kind == "iptables-legacy":
        for version in (4, 6):
            for table in ("nat", "filter"):
                # In one step: between two the daemon may put its rules back, and a chain in use stays.
                host.ns.run(iptables(kind, version) + "-restore", input=f"*{table}\nCOMMIT\n")
    else:
        host.ns.run("nft", "flush", "ruleset")


@for_kinds(("nftables", "dual"), ("iptables", "v4"), ("iptables", "v6"), ("iptables-legacy", "dual"))
def test_deleted_rules_come_back(lab, kind, families):
    cluster = start(lab, kind, families, "--ip-masq", "--iptables-resync=1")
    one = cluster.hosts[0]
    wait_until(lambda: world_answers(one.container, cluster), "the world to answer")
    remove_all_rules(one, kind)
    wait_until(lambda: world_answers(one.container, cluster), "the rules to come back")
    one.daemon.wait_log("putting them back")


@for_kinds(("nftables", "dual"), ("nftables", "v6"), ("iptables", "dual"), ("iptables-legacy", "dual"))
def test_rules_stay_when_the_daemon_ends_and_a_restart_makes_no_second_set(lab, kind, families):
    cluster = start(lab, kind, families, "--ip-masq")
    one = cluster.hosts[0]

    def own():
        return [own_rules(one, kind, version) for version in cluster.versions]

    number = 8 if kind == "nftables" else 12
    wait_until(lambda: [len(lines) for lines in own()] == [number] * len(cluster.versions), lambda: str(own()))
    before = own()
    assert one.daemon.stop() == 0
    assert own() == before
    wait_until(lambda: world_answers(one.container, cluster), "the world to answer")
    one.daemon.start().wait_log("packet filter in order")
    assert own() == before


def faults_of_children(pid):
    """Page faults of all children that have ended: every child has some."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[8])


@pytest.mark.parametrize("families", ["v4", "dual"])
def test_by_default_a_table_of_nftables_does_it_and_no_program_is_run(lab, families):
    """One table for each version of IP."""
    cluster = Cluster(lab, families=families, flags=["--ip-masq"]).start(containers=True)
    one = cluster.hosts[0]
    wait_until(lambda: world_answers(one.container, cluster), "the world to answer")
    assert one.ns.run("iptables-save") == one.ns.run("ip6tables-save") == ""
    assert tables(one) == {TABLES[version] for version in cluster.versions}
    one.ns.run("nft", "flush", "ruleset")
    wait_until(lambda: world_answers(one.container, cluster), "the rules to come back")
    assert faults_of_children(one.daemon.pid()) == 0


def test_the_flag_of_the_host_overrules_the_configuration(lab):
    cluster = Cluster(lab, hosts=1, flags=["--ip-masq", "--firewall=iptables"])
    cluster.config["EnableNFTables"] = True
    one, = cluster.start().hosts
    wait_until(lambda: "EnableNFTables of the network configuration is not followed" in one.daemon.log(),
               one.daemon.log)
    wait_until(lambda: "FLANNEL-POSTRTG" in one.ns.run("iptables-save"), "the rules")


def test_two_networks_on_one_host_have_a_table_each(lab):
    """h1 has a daemon for each of two networks, and an address of a container in 10.6.0.0/16."""
    one, two = Cluster(lab, flags=["--ip-masq"]).start(containers=True).hosts
    other = Sqlite(lab.folder / "other.db")
    other.set_config({"Network": "10.6.0.0/16", "Backend": {"Type": "vxlan", "VNI": 2}})
    first, second = one.daemon, one.flanneld(other, "--ip-masq", healthz_port=8082)
    second.start().wait_ready()
    inside = second.subnet_env()["FLANNEL_SUBNET"]
    one.ns.ip_all(f"link add cni1 type bridge\naddr add {inside} dev cni1\nlink set cni1 up\n")
    ping_by_second = ["ping", "-n", "-q", "-c1", "-W1", "-I", inside.split("/")[0], WORLD[4]]

    def masqueraded():
        by_second = one.ns.run(*ping_by_second, check=False)
        return answers(one.container, WORLD[4]) and " 0% packet loss" in by_second

    other_table = TABLES[4].replace("10.5", "10.6")
    wait_until(masqueraded, "both to be masqueraded")
    assert tables(one) == {TABLES[4], other_table}
    ping(one.container, two.container)
    one.ns.run("nft", "delete", *TABLES[4].split())
    wait_until(masqueraded, "the table to come back")
    first.stop()
    first.start().wait_ready()
    assert tables(one) == {TABLES[4], other_table}
    first.stop()
    second.stop()
    said = one.ns.run(binary("flannelctl"), "cleanup")
    assert f"removed nftables: {TABLES[4]}\n" in said and f"removed nftables: {other_table}\n" in said
    assert tables(one) == set()
