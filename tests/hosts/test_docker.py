# SPDX-License-Identifier: Apache-2.0
"""Real Docker engines, set up in the way that operators have used since 2018.

    web (nginx) ── docker0 ─ h1 ─ flannel0 | flannel.1 | eth0 ──┬── lan ── etcd or Consul
    client ─────── docker0 ─ h2 ─ flannel0 | flannel.1 | eth0 ──┘
"""

import ipaddress
import json
import re

import pytest

from lab import binary, run, wait_until
from lab.cluster import FAMILIES
from lab.docker import Engine, fetched, fetched_as, installed, nginx
from lab.flanneld import REPOSITORY
from lab.overlay import subnet
from lab.stores import EtcdV2
from lab.topology import LAN, LAN6

CONFIG = "/coreos.com/network/config"
BACKENDS = ["udp", "vxlan", "host-gw"]


def need(release):
    if not installed(release):
        pytest.skip(f"no Docker {release} here, scripts/fetch-docker28.sh gets it; NOTHING WAS TESTED")
    return release


@pytest.fixture(params=["20.10", "28"])
def release(request):
    return need(request.param)


@pytest.fixture
def docker28():
    return need("28")


class DockerHost:
    """A host of the lab with flanneld and an engine on top."""

    def __init__(self, lab, etcd, release, versions, *flags):
        self.host = lab.host()
        self.versions = versions
        # A machine after its installation: Docker turns forwarding on, and then drops forwarded
        # packets.
        self.host.ns.sysctl(net_ipv4_ip_forward=0)
        if 6 in versions:
            self.host.add_ipv6()
            self.host.ns.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=0")
        self.daemon = self.host.flanneld(etcd, *flags, iface=None)
        self.engine = Engine(self.host, release)
        self.ns = self.host.ns

    def run(self, *argv, check=True):
        """On the host itself."""
        return self.ns.run(*argv, check=check)

    def subnet(self, version=4):
        return ipaddress.ip_network(subnet(self.host, version))

    def docker_options(self, *flags):
        """What mk-docker-opts writes with these flags."""
        options = self.host.folder / "docker_opts.env"
        env = self.daemon.subnet_file
        run(REPOSITORY / "dist/mk-docker-opts.sh", "-f", env, "-d", options, *flags)
        return options.read_text(encoding="ascii").splitlines()

    def start_docker(self):
        (line,) = self.docker_options("-c", "-6")
        self.engine.start(*line.removeprefix('DOCKER_OPTS="').removesuffix('"').split())
        return self.engine

    def iptables(self, version, *words):
        return self.run("iptables" if version == 4 else "ip6tables", *words)

    def saved(self, version, *words):
        return self.run("iptables-save" if version == 4 else "ip6tables-save", *words)

    def docker_rules(self):
        return [line for version in self.versions for line in self.saved(version).splitlines()
                if "flanneld docker" in line]  # fmt: skip


def set_config(store, backend, verb="set", families="v4"):
    body = {"Network": "10.0.0.0/16"}
    if families == "dual":
        body |= {"EnableIPv6": True, "IPv6Network": "fd00:10::/48"}
    if backend:
        body["Backend"] = {"Type": backend}
    if isinstance(store, EtcdV2):
        store.etcdctl(verb, CONFIG, json.dumps(body))
    else:
        store.consul("kv", "put", CONFIG.lstrip("/"), json.dumps(body))


def two_hosts(lab, release, *flags, backend=None, store="etcd-v2", families="v4"):
    store = lab.store(store)
    set_config(store, backend, "mk", families)
    hosts = [DockerHost(lab, store, release, FAMILIES[families], *flags) for _ in range(2)]
    for host in hosts:
        host.daemon.start()
    for host in hosts:
        host.daemon.wait_ready()
    return store, *hosts


def start_dockers(one, two):
    """(nginx on one, a client on two)."""
    one.start_docker().load_image()
    two.start_docker().load_image()
    return nginx(one.engine), two.engine.container("client")


def reaches(source, web):
    for address in web.addresses:
        wait_until(lambda: fetched(source, address), f"{address} to be reached")


def reaches_nothing(source, web):
    return not any(fetched(source, address) for address in web.addresses)


# ---- the walkthrough, step by step


def check_udp_device(host):
    base = host.subnet().network_address
    said = host.run("ip", "addr", "show", "flannel0")
    assert "flannel0: <POINTOPOINT,MULTICAST,NOARP,UP,LOWER_UP> mtu 1472" in said
    assert f"inet {base}/16" in said and "qlen 500" in said
    assert "driver: tun\n" in host.run("ethtool", "-i", "flannel0")
    route = f"10.0.0.0/16 dev flannel0 proto kernel scope link src {base}"
    assert route in [line.strip() for line in host.run("ip", "route").splitlines()]


def check_routes(host, other, backend):
    routes = host.run("ip", "route")
    peer = other.subnet()
    way = {
        "vxlan": f"{peer} via {peer.network_address} dev flannel.1",
        "host-gw": f"{peer} via {other.host.address} dev eth0",
    }[backend]
    assert way in routes


def check_docker_options(host):
    gateway = host.subnet().network_address + 1
    assert host.docker_options() == [
        f'DOCKER_OPT_BIP="--bip={gateway}/24"',
        'DOCKER_OPT_IPMASQ="--ip-masq=true"',
        'DOCKER_OPT_MTU="--mtu=1472"',
        f'DOCKER_OPTS=" --bip={gateway}/24 --ip-masq=true --mtu=1472"',
    ]


def address_of(host, device):
    found = re.search(r"inet ([0-9.]+)/", host.run("ip", "-4", "addr", "show", device))
    return found[1]


def ping(host, source, target):
    words = ["ping", "-n", "-q", "-c2", "-i0.05", "-I", source]
    wait_until(lambda: " 0% packet loss" in host.run(*words, "-W1", target, check=False), f"{target} to be reached")
    host.run(*words, "-W20", target)


def check_web(web, host, client, device):
    """web answers the other host and its container, and sees their addresses."""
    for source, address in ((host, address_of(host, device)), (client, client.address)):
        assert fetched_as(source, web, web.address) == address


@pytest.mark.parametrize(
    ("store", "firewall"), [("etcd-v2", "nftables"), ("etcd-v2", "iptables"), ("consul", "nftables")]
)
def test_the_walkthrough_of_2018(lab, release, store, firewall):
    """It says "etcd or consul"."""
    store, one, two = two_hosts(lab, release, f"--firewall={firewall}", store=store)
    for host in (one, two):
        check_udp_device(host)
        check_docker_options(host)
    ping(one, address_of(one, "flannel0"), address_of(two, "flannel0"))
    web, client = start_dockers(one, two)
    assert ":FORWARD DROP" in two.run("iptables-save", "-t", "filter")
    for host in (one, two):
        assert address_of(host, "docker0") == str(host.subnet().network_address + 1)
    ping(one, address_of(one, "docker0"), address_of(two, "docker0"))
    check_web(web, two, client, "flannel0")

    subnets = [one.subnet(), two.subnet()]
    for backend in ("vxlan", "host-gw"):
        set_config(store, backend)
        for host in (one, two):
            host.daemon.wait_log("the network configuration has changed; this host follows")
        device = {"vxlan": "flannel.1", "host-gw": "eth0"}[backend]
        for host, peer in ((one, two), (two, one)):
            wait_until(lambda: f"{device} " in host.run("ip", "route", "get", str(peer.subnet().network_address + 1)),
                       f"the route to {peer.subnet()}")  # fmt: skip
        assert [one.subnet(), two.subnet()] == subnets
        check_routes(one, two, backend)
        check_web(web, two, client, {"vxlan": "flannel.1", "host-gw": "eth0"}[backend])


# ---- networks with IPv6


@pytest.mark.parametrize("masquerading", ["flanneld", "docker"])
def test_containers_have_both_families_and_reach_the_world_in_each(lab, release, masquerading):
    """The LAN has no route back to the network."""
    flags = ["--ip-masq"] if masquerading == "flanneld" else []
    _, one, two = two_hosts(lab, release, *flags, backend="vxlan", families="dual")
    web, client = start_dockers(one, two)
    assert [len(container.addresses) for container in (web, client)] == [2, 2]
    for address, own in zip(web.addresses, client.addresses):
        assert fetched_as(client, web, address) == own, "containers see each other's own addresses"
    for world in (f"{LAN}.254", f"{LAN6}:fe"):
        wait_until(lambda: "1 packets received" in client.run("ping", "-c1", "-W1", world, check=False),
                   f"{world} to answer")  # fmt: skip


# ---- Docker 28, which drops packets from elsewhere


def drop_our_rules(host):
    """Removes our rules, as if no flanneld had ever run beside this Docker."""
    for version in host.versions:
        jumps = [("filter", "FORWARD", "forward", "FLANNEL-FWD")]
        if host.engine.release == "28" or version == 4:  # 20.10 has no DOCKER-USER of IPv6
            jumps.insert(0, ("filter", "DOCKER-USER", "docker", "FLANNEL-DOCKER"))
        if host.engine.release == "28":
            jumps.insert(0, ("raw", "PREROUTING", "docker", "FLANNEL-DOCKER"))
        for table, parent, comment, chain in jumps:
            jump = ["-m", "comment", "--comment", f"flanneld {comment}", "-j", chain]
            host.iptables(version, "-t", table, "-D", parent, *jump)
            host.iptables(version, "-t", table, "-F", chain)
            host.iptables(version, "-t", table, "-X", chain)


@pytest.mark.parametrize("families", ["v4", "dual"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_only_packets_of_the_overlay_are_let_in(lab, docker28, backend, families):
    _, one, two = two_hosts(lab, docker28, backend=backend, families=families)
    web, client = start_dockers(one, two)
    reaches(client, web)
    lead_strangers_to(one, lab.lan)
    assert reaches_nothing(lab.lan, web), one.docker_rules()


def lead_strangers_to(host, lan):
    """Gives a neighbour on the link that is no peer a route to the containers of the host."""
    for version in host.versions:
        lan.ip(f"-{version}", "route", "add", str(host.subnet(version)), "via", host.host.underlay(version))
        lan.run("ping", "-n", "-c1", "-W20", host.subnet(version).network_address + 1)


def test_without_forward_rules_docker_20_10_lets_in_the_overlay_by_ipv4_and_no_stranger(lab):
    flags = ["--iptables-forward-rules=false"]
    _, one, two = two_hosts(lab, need("20.10"), *flags, backend="vxlan", families="dual")
    web, client = start_dockers(one, two)
    four, six = web.addresses
    wait_until(lambda: fetched(client, four), lambda: f"{four} to be reached")
    assert not fetched(client, six), "there is no DOCKER-USER of IPv6"
    lead_strangers_to(one, lab.lan)
    assert reaches_nothing(lab.lan, web), one.docker_rules()


@pytest.mark.parametrize(("release", "firewall", "families"),
                         [("28", "nftables", "dual"), ("28", "iptables", "v4"), ("28", "iptables", "dual"),
                          ("20.10", "nftables", "v4"), ("20.10", "iptables", "dual")])  # fmt: skip
def test_rules_hold_for_every_order_of_starts_and_after_a_flush(lab, release, firewall, families):
    _, one, two = two_hosts(
        lab, need(release), f"--firewall={firewall}", backend="vxlan", families=families
    )

    def check_dockers_drops():
        for version in one.versions:
            assert release != "28" or "-j DROP" in one.saved(version, "-t", "raw")

    web, client = start_dockers(one, two)
    reaches(client, web)

    # Docker starts first.
    one.daemon.stop()
    drop_our_rules(one)
    assert reaches_nothing(client, web), "without our rules Docker drops the request"
    one.daemon.start().wait_ready()
    reaches(client, web)

    for version in one.versions:
        one.iptables(version, "-F", "FORWARD")
    reaches(client, web)
    for version in one.versions:
        assert ":FORWARD DROP" in one.saved(version, "-t", "filter")

    # Docker starts again, and puts its rules back.
    one.engine.stop()
    one.start_docker()
    web = nginx(one.engine)
    reaches(client, web)
    check_dockers_drops()

    # A firewall that reloads does the same.
    one.run("nft", "flush", "ruleset")
    reaches(client, web)
    one.engine.stop()
    one.start_docker()
    web = nginx(one.engine)
    reaches(client, web)

    one.daemon.stop()
    one.run(binary("flannelctl"), "cleanup")
    assert one.docker_rules() == []
    check_dockers_drops()
    assert "DOCKER-USER" in one.saved(4), "Docker's own stay"


def test_switched_off_docker_has_its_way(lab, docker28):
    _, one, two = two_hosts(lab, docker28, "--docker-rules=off", backend="vxlan", families="dual")
    web, client = start_dockers(one, two)
    assert reaches_nothing(client, web)
    assert one.docker_rules() == []


def faults_of_children(pid):
    """Page faults of all children that have ended: every child has some."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return int(stat.read().rsplit(")", 1)[1].split()[8])


@pytest.mark.parametrize("firewall", ["nftables", "iptables"])
def test_no_program_is_run_where_nothing_changes(lab, docker28, firewall):
    flags = [f"--firewall={firewall}", "--ip-masq", "--iptables-resync=1"]
    _, one, two = two_hosts(lab, docker28, *flags, backend="vxlan")
    web, client = start_dockers(one, two)
    reaches(client, web)
    pid = one.daemon.pid()
    assert faults_of_children(pid) > 0, "the rules were made by programs"

    faults = []

    def settled():
        faults.append(faults_of_children(pid))
        return faults[-20:] == faults[-1:] * 20

    # Twenty equal readings, a tenth of a second apart: two checks of the timer.
    wait_until(settled, "no more children", every=0.1)
