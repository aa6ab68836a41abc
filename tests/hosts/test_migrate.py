# SPDX-License-Identifier: Apache-2.0
"""A host of a running cluster is swapped from upstream flannel to ours, and back: docs/migrate.md.

    h1c ── cni0 ─ h1 (upstream, then ours, then upstream) ─ eth0 ──┬── eth0 ─ h2 (ours) ── h2c
                                                                 etcd
"""

import pytest

from lab import binary, upstream, wait_until
from lab.cluster import NETWORK, Cluster
from lab.overlay import lease_key, rows, subnet, vtep_mac, vxlan_rows
from lab.traffic import EchoStream, ping

SUBNET = "10.5.7.0/24"
MAC = "c6:d2:32:6f:8f:44"
STORES = {"v0.10": "etcd-v2", "v0.28": "etcd"}


def make_pair(lab, release, filter="iptables", flags=("--ip-masq",)):
    """Returns h1 in the state that the daemon of upstream's release leaves, and h2 with our daemon."""
    cluster = Cluster(lab, STORES[release], flags=flags)
    one, two = cluster.hosts
    cluster.store.set_config(cluster.config)
    cluster.store.put_lease(lease_key(SUBNET), upstream.lease(release, one.address, MAC))
    upstream.make_vxlan_host(one, (SUBNET, MAC))
    if filter == "iptables":
        one.ns.run("iptables-restore", input=upstream.rules(release, NETWORK, SUBNET))
    else:
        one.ns.run("nft", "-f", "-", input=upstream.nft_rules(NETWORK, SUBNET))
    one.daemon.subnet_file.write_text(upstream.subnet_env(NETWORK, SUBNET), encoding="ascii")
    two.daemon.start().wait_ready()
    two.start_container()
    key = lease_key(subnet(two))
    upstream.add_peer(one, key, cluster.store.lease_values()[key])
    wait_until(lambda: vxlan_rows(SUBNET, MAC, one.address) <= rows(two), "h1 as a peer of h2")
    ping(one.container, two.container)
    return cluster, one, two


def device(host):
    link = host.ns.ask("link", "show", "flannel.1")[0]
    return link["ifindex"], link["address"]


def own_rules(host):
    said = host.ns.run("iptables-save").split("\n")
    return [line for line in said if line.startswith("-A") and ("10.5." in line or "FLANNEL" in line)]


@pytest.mark.parametrize(("release", "filter"), [("v0.10", "iptables"), ("v0.28", "iptables"),
                                                 ("v0.28", "nftables")])  # fmt: skip
def test_a_host_of_upstream_becomes_ours_and_no_packet_is_lost(lab, release, filter):
    cluster, one, two = make_pair(lab, release, filter)
    before = device(one)
    with EchoStream(one.container, two.container, lab.folder) as echoes:
        one.daemon.start().wait_ready()
        cluster.wait_complete()
        echoes.more()
    assert echoes.lost() == []
    assert (subnet(one), device(one)) == (SUBNET, before)
    values = cluster.store.lease_values()
    assert set(values) == {lease_key(SUBNET), lease_key(subnet(two))}
    ours = upstream.as_upstream(values[lease_key(SUBNET)])
    assert ours == upstream.lease("v0.28", one.address, MAC)
    protocols = lambda: [route["protocol"] for route in one.ns.ask("route", "show", subnet(two))]  # noqa: E731
    wait_until(lambda: protocols() == ["250"], lambda: f"upstream's route to be taken over: {protocols()}")
    one.daemon.wait_log("packet filter in order")
    assert own_rules(one) == [], "taken over, not doubled"
    said = one.ns.run("nft", "list", "tables").splitlines()
    assert [line for line in said if "flannel" in line] == [f"table ip flannel-{NETWORK.replace('/', '-')}"]


@pytest.mark.parametrize("release", STORES)
def test_with_iptables_upstreams_rules_are_kept_each_once(lab, release):
    cluster, one, _ = make_pair(lab, release, flags=["--ip-masq", "--firewall=iptables"])
    one.daemon.start().wait_ready()
    cluster.wait_complete()
    one.daemon.wait_log("packet filter in order")
    wanted = [line for line in upstream.rules("v0.28", NETWORK, SUBNET).split("\n") if line[:2] == "-A"]
    assert sorted(own_rules(one)) == sorted(wanted)
    assert one.ns.run("iptables-save").count("FLANNEL-FWD") == 4, "chain, jump, two rules"


def test_our_host_goes_back_to_upstream_and_no_packet_is_lost(lab):
    cluster, one, two = make_pair(lab, "v0.28")
    before = device(one)
    one.daemon.start().wait_ready()
    cluster.wait_complete()
    ours = upstream.as_upstream(cluster.store.lease_values()[lease_key(SUBNET)])
    assert ours == upstream.lease("v0.28", one.address, MAC), "upstream finds its own lease"
    with EchoStream(one.container, two.container, lab.folder) as echoes:
        one.daemon.stop()
        key = lease_key(subnet(two))
        upstream.add_peer(one, key, cluster.store.lease_values()[key])
        echoes.more()
    assert echoes.lost() == []
    assert device(one) == before, "upstream keeps a device that has its settings"
    assert one.ns.run("ip", "route", "show", "proto", "250") == ""
    assert "10.5.7.1/24" in one.daemon.subnet_file.read_text(encoding="ascii")


def test_a_host_that_is_cleaned_up_first_is_new_to_upstream(lab):
    cluster, one, two = make_pair(lab, "v0.28")
    one.daemon.start().wait_ready()
    cluster.wait_complete()
    one.daemon.stop()
    one.ns.run(binary("flannelctl"), "cleanup")
    assert own_rules(one) == [] and vtep_mac(one) is None
    upstream.make_device(one, SUBNET, MAC)
    key = lease_key(subnet(two))
    upstream.add_peer(one, key, cluster.store.lease_values()[key])
    ping(one.container, two.container)
