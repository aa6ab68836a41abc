# SPDX-License-Identifier: Apache-2.0
"""The backend extension: commands of the configuration carry the packets, as host-gw does and as vxlan does.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

import json
import pathlib

import pytest

from lab import wait_until
from lab.cluster import Cluster
from lab.flanneld import ctl
from lab.overlay import base, key_of, lease_key, subnet
from lab.topology import LAN, Container
from lab.traffic import EchoStreams, ping, reached

PEER = "10.5.77.0/24"  # the subnet of a peer that the test imitates

HOST_GW = {
    "SubnetAddCommand": "ip route add $SUBNET via $PUBLIC_IP",
    "SubnetRemoveCommand": "ip route del $SUBNET via $PUBLIC_IP",
}
HOST_GW_OF_BOTH = {
    "SubnetAddCommand": "ip route add $SUBNET via $PUBLIC_IP && ip -6 route add $IPV6SUBNET via $PUBLIC_IPV6",
    "SubnetRemoveCommand": "ip route del $SUBNET; ip -6 route del $IPV6SUBNET",
}
# The device is made anew, and its MAC announced; the address comes with the lease.
VXLAN = {
    "PreStartupCommand":
        "export DEV=ext-vxlan; ip link del $DEV 2>/dev/null; ip link add $DEV type vxlan id 7 dstport 4789 nolearning"
        " && ip link set $DEV mtu 1450 && cat /sys/class/net/$DEV/address",
    "PostStartupCommand":
        "export BASE=`echo $SUBNET | cut -d/ -f1`; ip addr add $BASE/32 dev ext-vxlan && ip link set ext-vxlan up",
    "SubnetAddCommand":
        "export BASE=`echo $SUBNET | cut -d/ -f1`; read MAC; ip route add $SUBNET nexthop via $BASE dev ext-vxlan onlink"
        " && arp -s $BASE $MAC dev ext-vxlan && bridge fdb add $MAC dev ext-vxlan self dst $PUBLIC_IP",
    "ShutdownCommand": "ip link del ext-vxlan",
}  # fmt: skip


def cluster_of(lab, commands, **options):
    cluster = Cluster(lab, backend="extension", **options)
    cluster.config["Backend"] |= commands
    return cluster


def peers_in_place(cluster, host):
    """Whether the commands for all other hosts have succeeded, as the record says."""
    record = host.daemon.state_dir / "extension.json"
    peers = json.loads(record.read_text())["Peers"] if record.exists() else []
    return len(peers) == len(cluster.hosts) - 1 and all(peer["Done"] for peer in peers)


def start(cluster):
    cluster.start(containers=True)
    for host in cluster.hosts:
        wait_until(lambda: peers_in_place(cluster, host), f"the commands of {host.name}")
    return cluster


def problems(host):
    return [problem["code"] for problem in host.daemon.status()["problems"]]


@pytest.mark.parametrize(
    "commands, store, families",
    [(HOST_GW, "etcd", "v4"), (HOST_GW_OF_BOTH, "sqlite", "dual"), (VXLAN, "consul", "v4")],
    ids=["host-gw", "host-gw-of-both", "vxlan"],
)
def test_commands_carry_packets(lab, commands, store, families):
    cluster = start(cluster_of(lab, commands, store=store, families=families, hosts=3))
    for version in cluster.versions:
        for one in cluster.hosts:
            for two in cluster.hosts:
                if one is not two:
                    reached(one.container, two.container.at(version))
    assert all(not problems(host) for host in cluster.hosts)


def test_a_host_that_is_gone_is_removed(lab):
    cluster = start(cluster_of(lab, HOST_GW, store="etcd"))
    one, gone = cluster.hosts
    before = subnet(gone)
    gone.daemon.stop()
    cluster.store.delete_lease(key_of(gone))
    wait_until(lambda: not one.ns.ip("route", "show", before), "its route to go")
    assert problems(one) == []


# The device is not made again, and routes that are there are no problem.
@pytest.mark.parametrize("commands", [HOST_GW, VXLAN], ids=["host-gw", "vxlan"])
@pytest.mark.parametrize("end", ["stop", "kill9"])
def test_a_restart_loses_no_packet(lab, commands, end):
    cluster = start(cluster_of(lab, commands))
    one, two = cluster.hosts
    with EchoStreams(cluster, one.container, two.container) as echoes:
        echoes.more()
        getattr(one.daemon, end)()
        echoes.more()
        one.daemon.start().wait_ready()
        one.daemon.wait_log("SubnetAddCommand fails for a peer for which it succeeded before")
        echoes.more()
    assert echoes.lost() == []
    assert problems(one) == []


@pytest.mark.parametrize("commands, boots", [(HOST_GW, True), (VXLAN, False)], ids=["host-gw-boot", "vxlan-restart"])
def test_a_host_starts_without_its_store(lab, commands, boots):
    cluster = start(cluster_of(lab, commands, store="etcd"))
    one, two = cluster.hosts
    kept = one.daemon.state_dir / "kept-state-coreos.com-network.gz"
    one.daemon.stop()
    kept.unlink()
    one.daemon.start().wait_ready()
    wait_until(kept.exists, "the kept state, with the lease of the other")
    one.daemon.kill9()
    cluster.store.stop()
    one.daemon.subnet_file.unlink()
    if boots:  # nothing of the commands is left, and no record of them
        one.ns.ip("route", "del", subnet(two))
        (one.daemon.state_dir / "extension.json").unlink()
    one.daemon.start().wait_ready()
    wait_until(lambda: peers_in_place(cluster, one), "the commands")
    assert "store-not-heard" in problems(one)
    with EchoStreams(cluster, one.container, two.container) as echoes:
        echoes.more()
        cluster.store.start()
        wait_until(lambda: problems(one) == [], lambda: f"no problem: {problems(one)}")
        echoes.more()
    assert echoes.lost() == []


def test_what_a_peer_announces_is_never_code(lab):
    command = "cat >got; ip route add $SUBNET via $PUBLIC_IP"
    cluster = cluster_of(lab, HOST_GW | {"SubnetAddCommand": command}, store="etcd", hosts=1).start()
    (host,) = cluster.hosts
    hostile = "$(touch owned); `touch owned`; ' \" | touch owned\n& touch owned"
    peer = {"PublicIP": f"{LAN}.200", "BackendType": "extension", "BackendData": hostile}
    cluster.store.put_lease(lease_key(PEER), json.dumps(peer))
    wait_until(lambda: host.ns.ip("route", "show", PEER), "the route to the peer")
    assert (host.daemon.state_dir / "got").read_text() == hostile + "\n"
    assert not (host.daemon.state_dir / "owned").exists()


def test_a_failing_command_is_shown_and_tried_again(lab):
    command = "test -e allowed || { printf 'no \\033[31mway\\n' >&2; exit 3; }; ip route add $SUBNET via $PUBLIC_IP"
    cluster = cluster_of(lab, HOST_GW | {"SubnetAddCommand": command}).start()
    one, two = cluster.hosts
    wait_until(lambda: problems(one) == ["peer-command-fails"], lambda: f"the problem: {problems(one)}")
    shown = ctl(one, "status", check=False)
    assert f"SubnetAddCommand of {subnet(two)}: exit status 3: no \\x1b[31mway" in shown
    for host in cluster.hosts:
        (host.daemon.state_dir / "allowed").touch()
    wait_until(lambda: problems(one) == [], lambda: f"no problem: {problems(one)}")
    assert one.ns.ip("route", "show", subnet(two))


def test_no_lease_comes_before_the_first_command(lab):
    cluster = cluster_of(lab, HOST_GW | {"PreStartupCommand": "test -e allowed && echo mine"}, hosts=1)
    cluster.store.set_config(cluster.config)
    (host,) = cluster.hosts
    host.daemon.start()
    host.daemon.wait_log("code=startup-command-fails")
    assert cluster.store.lease_values() == {}
    (host.daemon.state_dir / "allowed").touch()
    host.daemon.wait_ready()
    assert cluster.lease(host)["BackendData"] == "mine"


# A command that is not ended by itself is ended with the daemon, or by the deadline.
def test_no_command_runs_for_ever(lab):
    command = "echo $$ >running; sleep 4000; true"
    cluster = cluster_of(lab, {"PreStartupCommand": command, "CommandTimeout": 2}, hosts=1)
    cluster.store.set_config(cluster.config)
    (host,) = cluster.hosts
    running = host.daemon.state_dir / "running"

    def pid():
        wait_until(lambda: running.exists() and running.read_text().strip(), "the command")
        return running.read_text().strip()

    def is_gone(process):
        return not pathlib.Path(f"/proc/{process}").exists()

    host.daemon.start()
    first = pid()
    wait_until(lambda: is_gone(first), "the deadline")
    wait_until(lambda: pid() != first, "another attempt")
    second = pid()
    host.daemon.kill9()
    wait_until(lambda: is_gone(second), "the command to end with the daemon")


# The next start has another MAC, so the other host needs a command that removes the former one.
def test_what_commands_made_is_removed_at_the_exit_if_asked(lab):
    remove = "export BASE=`echo $SUBNET | cut -d/ -f1`; read MAC; ip route del $SUBNET; bridge fdb del $MAC dev ext-vxlan"
    cluster = start(cluster_of(lab, VXLAN | {"RemoveAtExit": True, "SubnetRemoveCommand": remove}))
    one, two = cluster.hosts
    one.daemon.stop()
    assert not one.ns.ask("link", "show", "ext-vxlan")
    assert not (one.daemon.state_dir / "extension.json").exists()
    one.daemon.start().wait_ready()
    wait_until(lambda: peers_in_place(cluster, one), "the commands")
    reached(one.container, two.container)


# Both use the commands of host-gw, or the routes of flanneld: each host reaches each other by what that announces.
def test_the_backend_changes_while_hosts_run(lab):
    cluster = Cluster(lab, backend="host-gw").start(containers=True)
    one, two = cluster.hosts
    cluster.change_backend("extension", **HOST_GW)
    cluster.wait_announced(cluster.hosts, "extension")
    for host in cluster.hosts:
        wait_until(lambda: peers_in_place(cluster, host), f"the commands of {host.name}")
    ping(one.container, two.container)
    assert "proto 250" not in one.ns.ip("route", "show", subnet(two))
    cluster.change_backend("host-gw")
    cluster.wait_announced(cluster.hosts, "host-gw")
    cluster.wait_complete()
    wait_until(lambda: "proto 250" in one.ns.ip("route", "show", subnet(two)), "the route of flanneld")
    reached(one.container, two.container)


# A host whose flannel is another: its lease has no more than upstream writes, and its routes are made by hand.
def test_a_peer_of_upstream(lab):
    cluster = cluster_of(lab, VXLAN, store="etcd", hosts=1).start(containers=True)
    (one,) = cluster.hosts
    peer = lab.host()
    peer.ns.ip(*"link add ext-vxlan address 02:00:00:00:00:77 type vxlan id 7 dstport 4789 nolearning".split())
    peer.ns.ip("link", "set", "ext-vxlan", "up", "mtu", "1450")
    peer.ns.ip("addr", "add", f"{base(PEER)}/32", "dev", "ext-vxlan")
    mac = cluster.lease(one)["BackendData"]
    there = subnet(one)
    peer.ns.ip("route", "add", there, "via", base(there), "dev", "ext-vxlan", "onlink")
    peer.ns.ip("neigh", "add", base(there), "lladdr", mac, "dev", "ext-vxlan")
    peer.ns.run("bridge", "fdb", "add", mac, "dev", "ext-vxlan", "dst", one.address)
    value = {"PublicIP": peer.address, "BackendType": "extension", "BackendData": "02:00:00:00:00:77"}
    cluster.store.put_lease(lease_key(PEER), json.dumps(value))
    container = Container(peer, {"FLANNEL_SUBNET": "10.5.77.1/24", "FLANNEL_MTU": "1450"})
    reached(one.container, container)


def test_commands_have_the_powers_of_the_daemon(lab):
    command = "grep -E '^(CapBnd|CapEff|NoNewPrivs)' /proc/self/status >powers; env >environment"
    cluster = cluster_of(lab, HOST_GW | {"PostStartupCommand": command}, hosts=1)
    cluster.hosts[0].daemon.environment = {"ETCDCTL_PASSWORD": "hunter2", "MINE": "yes"}
    cluster.start()
    folder = cluster.hosts[0].daemon.state_dir
    # CAP_NET_ADMIN and CAP_NET_RAW
    assert (folder / "powers").read_text().split() == [
        "CapEff:", "0000000000003000", "CapBnd:", "0000000000003000", "NoNewPrivs:", "1",
    ]  # fmt: skip
    given = (folder / "environment").read_text().splitlines()
    assert "MINE=yes" in given
    assert not any("hunter2" in line or line.startswith("NOTIFY_SOCKET") for line in given)
    (values,) = [{line.split("=")[0]: line.split("=")[1] for line in given if "=" in line}]
    assert values["SUBNET"] == subnet(cluster.hosts[0])
    assert values["PUBLIC_IP"] == cluster.hosts[0].address
    assert values["NETWORK"] == "10.5.0.0/16"
