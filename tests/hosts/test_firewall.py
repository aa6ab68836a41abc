# SPDX-License-Identifier: Apache-2.0
"""Masquerade and forward rules of the daemon.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan, 192.0.2.254: has no route back to 10.5.0.0/16
    h2c ── cni0 ─ h2 ─ eth0 ──┘
"""

import pytest

from lab import binary
from lab.cluster import Cluster
from lab.shell import wait_until
from lab.stores import Sqlite
from lab.topology import LAN
from lab.traffic import answers, ping

WORLD = f"{LAN}.254"
FILTERS = ["iptables", "nftables"]
TABLE = "table ip flannel-10.5.0.0-16"

SEE = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 9000))
print("ready", flush=True)
s.settimeout(10)
print(s.recvfrom(100)[1][0])
"""
SEND = """
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", (sys.argv[1], 9000))
"""


def seen_by(target, source, address):
    """Returns the source address that `target` sees when `source` sends to its `address`."""
    receiver = target.start(
        "/usr/bin/python3", "-c", SEE, address, stdout=-1, text=True
    )
    try:
        assert receiver.stdout.readline() == "ready\n"
        source.run("/usr/bin/python3", "-c", SEND, address)
        return receiver.communicate(timeout=15)[0].strip()
    finally:
        receiver.kill()
        receiver.wait()


IPTABLES = ("iptables-save",)
NFT = ("nft", "list", "ruleset")


def rules(host, command=IPTABLES):
    return host.ns.run(*command)


def tables(host):
    return set(rules(host, ("nft", "list", "tables")).splitlines())


@pytest.mark.parametrize("kind", FILTERS)
def test_containers_reach_the_world_by_the_hosts_address_and_each_other_by_their_own(lab, kind):
    flags = ["--ip-masq", f"--firewall={kind}"]
    one, two = Cluster(lab, "etcd", flags=flags).start(containers=True).hosts
    assert one.daemon.subnet_env()["FLANNEL_IPMASQ"] == "true"
    wait_until(lambda: answers(one.container, WORLD), lambda: rules(one))
    assert seen_by(lab.lan, one.container.ns, WORLD) == one.address
    for source, target in ((one, two), (two, one)):
        seen = seen_by(target.container.ns, source.container.ns, target.container.address)
        assert seen == source.container.address


def test_without_the_flag_nothing_is_masqueraded(lab):
    one, two = Cluster(lab, "etcd").start(containers=True).hosts
    assert one.daemon.subnet_env()["FLANNEL_IPMASQ"] == "false"
    assert not answers(one.container, WORLD)
    assert "masquerade" not in rules(one, NFT)
    ping(one.container, two.container)


@pytest.mark.parametrize("kind", FILTERS)
def test_containers_reach_each_other_where_docker_made_the_policy_drop(lab, kind):
    cluster = Cluster(lab, "etcd", flags=[f"--firewall={kind}"])
    for host in cluster.hosts:
        for words in (
            "-P FORWARD DROP",
            "-N DOCKER-USER",
            "-A DOCKER-USER -j RETURN",
            "-A FORWARD -j DOCKER-USER",
            "-A FORWARD -o cni0 ! -i cni0 -j DROP",
        ):
            host.ns.run("iptables", *words.split())
    one, two = cluster.start(containers=True).hosts
    ping(one.container, two.container)
    ping(two.container, one.container)


@pytest.mark.parametrize("kind", FILTERS)
def test_deleted_rules_come_back(lab, kind):
    flags = ["--ip-masq", f"--firewall={kind}", "--iptables-resync=1"]
    one, _ = Cluster(lab, "etcd", flags=flags).start(containers=True).hosts
    wait_until(lambda: answers(one.container, WORLD), "the world to answer")
    one.ns.run("nft", "flush", "ruleset")
    wait_until(lambda: answers(one.container, WORLD), "the rules to come back")
    assert "putting them back" in one.daemon.log()


@pytest.mark.parametrize("kind", FILTERS)
def test_rules_stay_when_the_daemon_ends_and_a_restart_makes_no_second_set(lab, kind):
    flags = ["--ip-masq", f"--firewall={kind}"]
    one, _ = Cluster(lab, "etcd", flags=flags).start(containers=True).hosts

    def own():
        said = rules(one, NFT if kind == "nftables" else IPTABLES)
        return [line for line in said.splitlines() if "10.5." in line or "FLANNEL" in line]

    before = own()
    assert len(before) == {"nftables": 8, "iptables": 12}[kind], before
    assert one.daemon.stop() == 0
    assert own() == before
    wait_until(lambda: answers(one.container, WORLD), "the world to answer")
    one.daemon.start().wait_ready()
    assert own() == before


def faults_of_children(pid):
    """Page faults of all children that have ended: every child has some."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[8])


def test_by_default_one_table_of_nftables_does_it_and_no_program_is_run(lab):
    one, _ = Cluster(lab, flags=["--ip-masq"]).start(containers=True).hosts
    wait_until(lambda: answers(one.container, WORLD), "the world to answer")
    assert rules(one) == ""
    assert tables(one) == {TABLE}
    one.ns.run("nft", "flush", "ruleset")
    wait_until(lambda: answers(one.container, WORLD), "the rules to come back")
    assert faults_of_children(one.daemon.pid()) == 0


def test_the_flag_of_the_host_overrules_the_configuration(lab):
    cluster = Cluster(lab, hosts=1, flags=["--ip-masq", "--firewall=iptables"])
    cluster.config["EnableNFTables"] = True
    one, = cluster.start().hosts
    wait_until(lambda: "EnableNFTables of the network configuration is not followed" in one.daemon.log(),
               one.daemon.log)
    assert "FLANNEL-POSTRTG" in rules(one)


def test_two_networks_on_one_host_have_a_table_each(lab):
    """h1 has a daemon for each of two networks, and an address of a container in 10.6.0.0/16."""
    one, two = Cluster(lab, flags=["--ip-masq"]).start(containers=True).hosts
    other = Sqlite(lab.folder / "other.db")
    other.set_config({"Network": "10.6.0.0/16", "Backend": {"Type": "vxlan", "VNI": 2}})
    first, second = one.daemon, one.flanneld(other, "--ip-masq", healthz_port=8082)
    second.start().wait_ready()
    inside = second.subnet_env()["FLANNEL_SUBNET"]
    one.ns.ip_all(f"link add cni1 type bridge\naddr add {inside} dev cni1\nlink set cni1 up\n")
    ping_by_second = ["ping", "-n", "-q", "-c1", "-W1", "-I", inside.split("/")[0], WORLD]

    def masqueraded():
        by_second = one.ns.run(*ping_by_second, check=False)
        return answers(one.container, WORLD) and " 0% packet loss" in by_second

    other_table = TABLE.replace("10.5", "10.6")
    assert tables(one) == {TABLE, other_table}
    wait_until(masqueraded, "both to be masqueraded")
    ping(one.container, two.container)
    one.ns.run("nft", "delete", *TABLE.split())
    wait_until(masqueraded, "the table to come back")
    first.stop()
    first.start().wait_ready()
    assert tables(one) == {TABLE, other_table}
    first.stop()
    second.stop()
    said = one.ns.run(binary("flannelctl"), "cleanup")
    assert f"removed nftables: {TABLE}\n" in said and f"removed nftables: {other_table}\n" in said
    assert tables(one) == set()
