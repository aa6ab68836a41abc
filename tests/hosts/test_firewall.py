# SPDX-License-Identifier: Apache-2.0
"""Masquerade and forward rules of the daemon.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan, 192.0.2.254: knows no way back to 10.5.0.0/16
    h2c ── cni0 ─ h2 ─ eth0 ──┘
"""

import pytest

from lab.cluster import Cluster
from lab.shell import wait_until
from lab.topology import LAN
from lab.traffic import answers, ping

WORLD = f"{LAN}.254"
FILTERS = ["iptables", "nftables"]

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
    """The address that `target` sees when `source` sends to `address` of it."""
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


def rules(host, command="iptables-save"):
    return host.ns.run(command)


@pytest.mark.parametrize("kind", FILTERS)
def test_containers_reach_the_world_by_the_hosts_address_and_each_other_by_their_own(lab, kind):
    flags = ["--ip-masq", f"--firewall={kind}"]
    one, two = Cluster(lab, "etcd", flags=flags).start(containers=True).hosts
    assert one.daemon.subnet_env()["FLANNEL_IPMASQ"] == "true"
    ping_world = answers(one.container, WORLD)
    assert ping_world, rules(one)
    assert seen_by(lab.lan, one.container.ns, WORLD) == one.address
    for source, target in ((one, two), (two, one)):
        seen = seen_by(target.container.ns, source.container.ns, target.container.address)
        assert seen == source.container.address


def test_without_the_flag_nothing_is_masqueraded(lab):
    one, two = Cluster(lab, "etcd").start(containers=True).hosts
    assert one.daemon.subnet_env()["FLANNEL_IPMASQ"] == "false"
    assert not answers(one.container, WORLD)
    assert "FLANNEL-POSTRTG" not in rules(one)
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
def test_rules_that_somebody_deletes_come_back(lab, kind):
    flags = ["--ip-masq", f"--firewall={kind}", "--iptables-resync=1"]
    one, _ = Cluster(lab, "etcd", flags=flags).start(containers=True).hosts
    assert answers(one.container, WORLD)
    one.ns.run("nft", "flush", "ruleset")
    wait_until(lambda: answers(one.container, WORLD), "the rules to come back")
    assert "putting them back" in one.daemon.log()


def test_rules_stay_when_the_daemon_ends_and_a_restart_makes_no_second_set(lab):
    one, _ = Cluster(lab, "etcd", flags=["--ip-masq"]).start(containers=True).hosts

    def own():
        return [line for line in rules(one).splitlines() if "FLANNEL" in line]

    before = own()
    assert len(before) == 12, before
    assert one.daemon.stop() == 0
    assert own() == before
    assert answers(one.container, WORLD)
    one.daemon.start().wait_ready()
    assert own() == before


def test_the_configuration_chooses_nftables(lab):
    cluster = Cluster(lab, "etcd", flags=["--ip-masq"])
    cluster.config["EnableNFTables"] = True
    one, _ = cluster.start(containers=True).hosts
    assert answers(one.container, WORLD)
    assert "FLANNEL" not in rules(one)
    assert "masquerade" in one.ns.run("nft", "list", "table", "ip", "flannel")
