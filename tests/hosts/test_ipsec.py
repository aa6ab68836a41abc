# SPDX-License-Identifier: Apache-2.0
"""The backend ipsec: policies in the kernel, and charon, which agrees on keys with peers.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
               charon       sniffer         charon
"""

import contextlib
import signal

import pytest

from lab import binary, upstream, wait_until
from lab.charon import PSK, charons, kill_charon, policies, prepare, start_service, tunnels, with_charon
from lab.cluster import Cluster
from lab.damage import damage_and_wait
from lab.overlay import key_of, policy_rows, subnet
from lab.shell import run
from lab.traffic import EchoStreams, reached
from lab.watch import reaches_now, sending_marker, watching


def cluster_of(lab, store="etcd", hosts=2, **options):
    return with_charon(Cluster(lab, store, "ipsec", hosts=hosts), **options)


def test_packets_travel_as_esp_with_the_policies_of_upstream(lab):
    cluster = cluster_of(lab).start(containers=True)
    one, two = cluster.hosts
    with watching(lab, "esp") as seen, sending_marker(one.container, two.container):
        reached(one.container, two.container)
    clear, wrapped = seen
    assert clear == 0
    assert wrapped > 0
    ours, theirs = subnet(one), subnet(two)
    out = f"tmpl src {one.address} dst {two.address} proto esp reqid 11 mode tunnel"
    back = f"tmpl src {two.address} dst {one.address} proto esp reqid 11 mode tunnel"
    assert {line for line in policies(one) if "tmpl" in line} == {
        f"src {ours} dst {theirs} dir out priority 0 ptype main {out}",
        f"src {theirs} dst {ours} dir in priority 0 ptype main {back}",
        f"src {theirs} dst {ours} dir fwd priority 0 ptype main {back}",
    }
    assert one.daemon.subnet_env()["FLANNEL_MTU"] == "1423"
    value = cluster.store.lease_values()[key_of(one)]
    assert upstream.as_upstream(value) == (
        f'{{"PublicIP":"{one.address}","PublicIPv6":null,"BackendType":"ipsec"}}'
    )
    for host in cluster.hosts:
        wait_until(lambda: host.daemon.status()["problems"] == [], lambda: str(host.daemon.status()["problems"]))
        assert PSK not in host.daemon.log()


def test_udp_carries_esp(lab):
    cluster = cluster_of(lab, UDPEncap=True).start(containers=True)
    one, two = cluster.hosts
    with watching(lab, "4500") as seen, sending_marker(one.container, two.container):
        reached(one.container, two.container)
    assert seen[0] == 0
    assert seen[1] > 0
    assert one.daemon.subnet_env()["FLANNEL_MTU"] == "1415"


def test_nothing_travels_in_clear(lab):
    """Whatever ends, is restarted, goes, is deleted or gets another key."""
    cluster = cluster_of(lab, hosts=3).start(containers=True)
    one, two, three = cluster.hosts
    with watching(lab, "esp") as seen, contextlib.ExitStack() as pings:
        for source, target in ((one, two), (two, one), (one, three)):
            pings.enter_context(sending_marker(source.container, target.container))
        reached(one.container, two.container)
        for end in one.daemon.stop, two.daemon.kill9:
            end()
        assert reaches_now(one, two)
        for daemon in two.daemon, one.daemon:
            daemon.start().wait_ready()
        reached(one.container, two.container)
        for signum in signal.SIGKILL, signal.SIGTERM:
            kill_charon(one, signum)
            wait_until(lambda: charons(one), "another charon")
            reached(one.container, two.container)
            reached(two.container, one.container)
        one.daemon.signal(signal.SIGSTOP)  # nobody repairs
        for line in policies(one):
            words = line.split()
            if "tmpl" in words:
                one.ns.ip("xfrm", "policy", "delete", *words[:4], "dir", words[5])
        assert not reaches_now(one, two)
        one.daemon.signal(signal.SIGCONT)
        cluster.wait_complete()
        reached(one.container, two.container)
        cluster.change_backend("ipsec", PSK=PSK[::-1])  # another key
        kill_charon(one, signal.SIGTERM)
        reached(one.container, two.container)
        two.daemon.kill9()  # a peer is forgotten
        cluster.store.delete_lease(key_of(two))
        wait_until(lambda: f"policy to {subnet(two)} by {two.address}" not in policy_rows(one), "the peer to go")
        assert not reaches_now(one, two)
        two.daemon.start().wait_ready()
        cluster.wait_complete()
        reached(one.container, two.container)
    clear, wrapped = seen
    assert clear == 0
    assert wrapped > 100


def test_a_peer_that_goes_takes_its_tunnels_along(lab):
    cluster = cluster_of(lab).start(containers=True)
    one, two = cluster.hosts
    reached(one.container, two.container)
    two.daemon.kill9()
    cluster.store.delete_lease(key_of(two))
    wait_until(lambda: not policy_rows(one), lambda: f"the policies to go: {policy_rows(one)}")
    wait_until(lambda: not tunnels(one), lambda: f"the tunnels to go: {tunnels(one)}")


def test_a_restart_loses_no_packet(lab):
    cluster = cluster_of(lab).start(containers=True)
    one, two = cluster.hosts
    reached(one.container, two.container)
    before = charons(one)
    with EchoStreams(cluster, one.container, two.container, every=0.05) as echoes:
        for end in one.daemon.stop, one.daemon.kill9:
            end()
            echoes.more(20)
            one.daemon.start().wait_ready()
            wait_until(lambda: "connected to charon" in one.daemon.log(all_starts=False), "the connection to charon")
            echoes.more(20)
    assert echoes.lost() == []
    assert charons(one) == before


# {theirs}, {ours}: subnets; {local}, {peer}: addresses of the underlay.
DAMAGE = {
    "a policy is deleted": "ip xfrm policy delete src {ours} dst {theirs} dir out",
    "what blocks is deleted": "ip xfrm policy delete src 0.0.0.0/0 dst 10.5.0.0/16 dir out",
    "all policies are deleted": "ip xfrm policy flush",
    "a policy leads elsewhere":
        "ip xfrm policy update src {ours} dst {theirs} dir out"
        " tmpl src {local} dst 192.0.2.200 proto esp reqid 11 mode tunnel",
    "a policy is left of another peer":
        "ip xfrm policy add src {ours} dst 10.5.77.0/24 dir out"
        " tmpl src {local} dst 192.0.2.200 proto esp reqid 11 mode tunnel",
}  # fmt: skip


def test_damage_is_repaired_and_the_policies_of_others_stay(lab):
    cluster = cluster_of(lab).start(containers=True)
    one, two = cluster.hosts
    other = "src 10.99.0.0/24 dst 10.98.0.0/24 dir out"
    words = {"ours": subnet(one), "theirs": subnet(two), "local": one.address, "peer": two.address}
    for damage, command in DAMAGE.items():
        damage_and_wait(one, damage, command.format(**words), lambda: policies(one))
    reached(one.container, two.container)
    one.ns.ip("xfrm", "policy", "add", *other.split())
    one.daemon.stop()
    removed = one.ns.run(*one.daemon.under, binary("flannelctl"), "cleanup", "--backend=ipsec")
    assert "removed xfrm policy" in removed
    assert [line for line in policies(one) if "priority 0" not in line or "tmpl" in line] == []
    assert len(policies(one)) == 1


def test_a_charon_of_the_system_is_used(lab):
    cluster = cluster_of(lab)
    one, two = cluster.hosts
    service = start_service(one)
    cluster.start(containers=True)
    reached(one.container, two.container)
    assert charons(one) == [service.pid]
    assert "charon was started" not in one.daemon.log()
    kept = run("grep", "CapPrm", f"/proc/{one.daemon.pid()}/status").split()[1]
    assert int(kept, 16) == 1 << 12 | 1 << 13, "CAP_NET_ADMIN and CAP_NET_RAW are enough"
    service.terminate()
    service.wait()
    wait_until(
        lambda: [p["code"] for p in one.daemon.status()["problems"]] == ["charon-away"],
        lambda: str(one.daemon.status()["problems"]),
    )
    service = start_service(one)
    try:
        reached(one.container, two.container)
        wait_until(lambda: not one.daemon.status()["problems"], lambda: str(one.daemon.status()["problems"]))
    finally:
        service.terminate()
        service.wait()


def test_from_vxlan_to_ipsec_and_back(lab):
    cluster = with_charon(Cluster(lab, "etcd", "ipsec"))
    with_key = cluster.config["Backend"]
    cluster.change_backend("vxlan")
    cluster.start(containers=True)
    one, two = cluster.hosts
    reached(one.container, two.container)
    cluster.change_backend(**{"backend": with_key["Type"], "PSK": with_key["PSK"]})
    cluster.wait_announced(cluster.hosts, "ipsec")
    cluster.wait_complete()
    reached(one.container, two.container)
    with watching(lab, "esp") as seen, sending_marker(one.container, two.container):
        reached(one.container, two.container)
    assert seen[0] == 0
    assert seen[1] > 0
    cluster.change_backend("vxlan")
    cluster.wait_announced(cluster.hosts, "vxlan")
    cluster.wait_complete()
    reached(one.container, two.container)


@pytest.mark.parametrize("psk", ["short", None])
def test_a_key_that_is_too_short_is_refused_in_words(lab, psk):
    cluster = Cluster(lab, "etcd", "ipsec", hosts=1)
    prepare(cluster.hosts[0])
    if psk:
        cluster.config["Backend"]["PSK"] = psk
    cluster.store.set_config(cluster.config)  # by etcdctl, which checks nothing
    cluster.hosts[0].daemon.start().wait_log("PSK in the ipsec backend's options: must have 96 to 4096 characters")
