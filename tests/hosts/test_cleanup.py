# SPDX-License-Identifier: Apache-2.0
"""flannelctl cleanup removes the objects of flanneld, leaves others, and refuses beside a running daemon.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ── cni0 ── h2c
"""

import re
import signal

import pytest

from lab import CommandFailed, binary, wait_until
from lab.cluster import Cluster
from lab.overlay import subnet
from lab.packet_filter import TABLES, iptables, own_rules
from lab.traffic import ping

LOOK = (
    ("ip", "-o", "link", "show"),
    ("ip", "-4", "route", "show", "table", "all"),
    ("ip", "-6", "route", "show", "table", "all"),
    ("ip", "nexthop", "show"),
    ("ip", "neigh", "show", "nud", "permanent"),
    ("nft", "list", "ruleset"),
    ("iptables-nft-save",),
    ("iptables-legacy-save",),
    ("ip6tables-nft-save",),
    ("ip6tables-legacy-save",),
)


def picture(host):
    """The host's kernel objects as a set of lines, without counters and numbers that change when an object is made again."""
    text = "\n".join(host.ns.run(*words) for words in LOOK)
    lines = (re.sub(r"^[0-9]+: | qlen.*|( packets| bytes) \d+| \[\d+:\d+\]$", "", line) for line in text.split("\n"))
    return {line.rstrip() for line in lines if line.strip() and not line.startswith("#")}


def cleanup(host, *flags, check=True):
    return host.ns.run(binary("flannelctl"), "cleanup", *flags, check=check)


def marks(host):
    """The objects that have our name or protocol number."""
    return {line for line in picture(host) if "flannel" in line.lower() or "proto 250" in line}


@pytest.mark.parametrize(
    "backend, filter, families",
    [
        ("vxlan", "iptables", "dual"),
        ("vxlan", "nftables", "v4"),
        ("ipip", "nftables", "v4"),
        ("wireguard", "nftables", "dual"),
        ("host-gw", "iptables", "v6"),
        ("host-gw", "nftables", "dual"),
        ("udp", "iptables", "v4"),
        ("udp", "nftables", "dual"),
    ],
)
def test_cleanup_leaves_nothing_of_ours_and_all_of_others(lab, backend, filter, families):
    flags = ["--ip-masq", f"--firewall={filter}", "--ip-blackhole-route"]
    cluster = Cluster(lab, "etcd", backend, families=families, flags=flags)
    if backend == "udp":
        cluster.config["Backend"]["Persistent"] = True
    one = cluster.hosts[0]
    for version in cluster.versions:
        network, family = {4: ("10.9.0.0/16", "ip"), 6: ("fd00:9::/48", "ip6")}[version]
        one.ns.run(iptables(filter, version), "-A", "FORWARD", "-s", network, "-j", "ACCEPT")
        one.ns.run("nft", "add table {0} mine; add chain {0} mine c; add rule {0} mine c accept".format(family))
        one.ns.ip("route", "add", network, "via", cluster.hosts[1].underlay(version))
    one.ns.ip("link", "add", "vxlan9", "type", "vxlan", "id", "9", "dstport", "4789")
    before = picture(one)
    cluster.start()
    own = cluster.subnets()[0]
    wait_rules(one, filter, cluster.versions)
    one.daemon.stop()
    # A device of an earlier configuration; a persistent TUN device stays only if no process has it open.
    one.ns.ip("link", "add", "flannel.77", "type", "vxlan", "id", "77", "dstport", "8473")
    had = marks(one)
    would = cleanup(one, "--dry-run")
    assert marks(one) == had
    said = cleanup(one)
    assert said == would.replace("would remove", "removed")
    assert marks(one) == set()
    assert before <= picture(one)
    assert "removed device flannel.77\n" in said
    for version, subnet_of_family in zip(cluster.versions, own):
        assert f"removed blackhole {subnet_of_family}\n" in said
        wanted = {"iptables": f"{iptables(filter, version)} nat: chain FLANNEL-POSTRTG with its rules",
                  "nftables": f"nftables: {TABLES[version]}"}[filter]
        assert f"removed {wanted}\n" in said
    assert cleanup(one) == "nothing of flanneld is here\n"


def wait_rules(host, filter, versions=(4,)):
    """Waits for the rules of the daemon: it makes them after it is ready."""
    for version in versions:
        wait_until(lambda: own_rules(host, filter, version), f"rules of IPv{version}")
    for version in versions:
        family = {4: "IPv4", 6: "IPv6"}[version]
        host.daemon.wait_log(f"packet filter in order family={family}")


RULES6 = """*nat
:FLANNEL-POSTRTG - [0:0]
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -s fd00:12::/56 ! -d ff00::/8 -m comment --comment "flanneld masq" -j MASQUERADE
COMMIT
*filter
:FLANNEL-FWD - [0:0]
:FLANNEL-DOCKER - [0:0]
-A FORWARD -s fd00:99::/56 -j ACCEPT
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A FLANNEL-FWD -s fd00:12::/56 -m comment --comment "flanneld forward" -j ACCEPT
-A FLANNEL-DOCKER -s fd00:12::/56 -d fd00:12:0:1::/64 -i flannel-v6.1 -m comment --comment "flanneld docker" -j ACCEPT
COMMIT
"""


def test_cleanup_removes_the_rules_for_ipv6(lab):
    one = lab.host()
    for kind in ("nft", "legacy"):
        one.ns.run(f"ip6tables-{kind}-restore", input=RULES6)
    one.ns.run("nft", "add table ip6 flannel-fd00_12__-56; add table ip6 mine")
    said = cleanup(one)
    assert marks(one) == set()
    assert "removed nftables: table ip6 flannel-fd00_12__-56\n" in said
    for kind in ("nft", "legacy"):
        assert f"removed ip6tables-{kind} nat: chain FLANNEL-POSTRTG with its rules\n" in said
        assert f"removed ip6tables-{kind} filter: chain FLANNEL-DOCKER with its rules\n" in said
        assert "-A FORWARD -s fd00:99::/56 -j ACCEPT" in one.ns.run(f"ip6tables-{kind}-save")
    assert "table ip6 mine" in one.ns.run("nft", "list", "tables")
    assert cleanup(one) == "nothing of flanneld is here\n"


def test_cleanup_refuses_under_a_running_daemon_unless_it_is_forced(lab):
    one, two = Cluster(lab).start().hosts
    had = marks(one)
    with pytest.raises(CommandFailed, match=rf"process {one.daemon.pid()}.*--force"):
        cleanup(one)
    assert marks(one) == had
    two.daemon.stop()
    assert "removed device flannel.1" in cleanup(two), "the daemon of another host is no obstacle"
    assert "removed device flannel.1" in cleanup(one, "--force")
    wait_until(lambda: marks(one) == had, lambda: f"{marks(one) ^ had}: the daemon to put it back", unless=one.daemon.must_run)


def test_cleanup_of_one_backend_leaves_what_the_others_need(lab):
    one, two = Cluster(lab, backend="host-gw", flags=["--ip-masq"]).start(containers=True).hosts
    wait_rules(one, "nftables")
    one.daemon.stop()
    one.ns.ip_all(
        "link add flannel.1 type vxlan id 1 dstport 8472\n"
        "link set flannel.1 up\n"
        "route add 10.5.99.0/24 via 10.5.99.0 dev flannel.1 onlink proto 250\n"
    )
    assert cleanup(one, "--backend=vxlan") == (
        "removed route 10.5.99.0/24 via 10.5.99.0 dev flannel.1 onlink\n"
        "removed device flannel.1\n"
    )
    ping(one.container, two.container)
    assert "table ip flannel-10.5.0.0-16" in one.ns.run("nft", "list", "ruleset")


def test_after_cleanup_the_next_start_brings_everything_back(lab):
    cluster = Cluster(lab, flags=["--ip-masq"]).start(containers=True)
    one, two = cluster.hosts
    own = subnet(one)
    one.daemon.stop()
    cleanup(one)
    one.daemon.start().wait_ready()
    cluster.wait_complete()
    assert subnet(one) == own
    ping(one.container, two.container)


def test_sighup_lists_again_and_ends_nothing(lab):
    cluster = Cluster(lab, "etcd").start(containers=True)
    one, two = cluster.hosts
    for _ in range(3):
        one.daemon.signal(signal.SIGHUP)
    one.daemon.wait_log("as requested")
    one.daemon.must_run()
    ping(one.container, two.container)
    assert one.daemon.stop() == 0
