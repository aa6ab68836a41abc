# SPDX-License-Identifier: Apache-2.0
"""Real Docker engines, set up in the way that operators have used since 2018.

    web (nginx) ── docker0 ─ h1 ─ flannel0 | flannel.1 | eth0 ──┬── lan ── etcd or Consul
    client ─────── docker0 ─ h2 ─ flannel0 | flannel.1 | eth0 ──┘
"""

import ipaddress
import re

import pytest

from lab import binary, run, wait_until
from lab.docker import Engine, clients, fetched, installed, nginx
from lab.flanneld import REPOSITORY
from lab.stores import EtcdV2

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

    def __init__(self, lab, etcd, release, *flags):
        self.host = lab.host()
        # A machine after its installation: Docker turns forwarding on, and then drops forwarded
        # packets.
        self.host.ns.sysctl(net_ipv4_ip_forward=0)
        self.daemon = self.host.flanneld(etcd, *flags, iface=None)
        self.engine = Engine(self.host, release)
        self.ns = self.host.ns

    def run(self, *argv, check=True):
        """On the host itself."""
        return self.ns.run(*argv, check=check)

    def subnet(self):
        return ipaddress.ip_interface(self.daemon.subnet_env()["FLANNEL_SUBNET"]).network

    def start_docker(self):
        env = self.daemon.subnet_env()
        self.engine.start(f"--bip={env['FLANNEL_SUBNET']}", f"--mtu={env['FLANNEL_MTU']}")
        return self.engine

    def docker_rules(self):
        return [line for line in self.run("iptables-save").splitlines() if "flanneld docker" in line]


def set_config(store, backend, verb="set"):
    body = '{"Network":"10.0.0.0/16"}'
    if backend:
        body = '{"Network":"10.0.0.0/16","Backend":{"Type":"%s"}}' % backend
    if isinstance(store, EtcdV2):
        store.etcdctl(verb, CONFIG, body)
    else:
        store.consul("kv", "put", CONFIG.lstrip("/"), body)


def two_hosts(lab, release, *flags, backend=None, store="etcd-v2"):
    store = lab.store(store)
    set_config(store, backend, verb="mk")
    hosts = [DockerHost(lab, store, release, *flags) for _ in range(2)]
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
    wait_until(lambda: fetched(source, web.address), lambda: f"{web.address} to be reached")


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
    options = host.host.folder / "docker_opts.env"
    env = host.daemon.subnet_file
    run(REPOSITORY / "dist/mk-docker-opts.sh", "-f", env, "-d", options)
    gateway = host.subnet().network_address + 1
    assert options.read_text(encoding="ascii").splitlines() == [
        f'DOCKER_OPT_BIP="--bip={gateway}/24"',
        'DOCKER_OPT_IPMASQ="--ip-masq=true"',
        'DOCKER_OPT_MTU="--mtu=1472"',
        f'DOCKER_OPTS=" --bip={gateway}/24 --ip-masq=true --mtu=1472"',
    ]


def address_of(host, device):
    found = re.search(r"inet ([0-9.]+)/", host.run("ip", "-4", "addr", "show", device))
    return found[1]


def ping(host, source, target):
    host.run("ping", "-n", "-q", "-c2", "-i0.05", "-W3", "-I", source, target)


def check_web(web, host, client, device):
    """web answers the other host and its container, and sees their addresses."""
    reaches(host, web)
    reaches(client, web)
    assert fetched(host, web.address) and fetched(client, web.address)
    assert clients(web)[-2:] == [address_of(host, device), client.address]


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
            host.daemon.wait_log("it changed; restart flanneld to take it")
            host.daemon.stop()
        for host in (one, two):
            host.daemon.start()
        for host in (one, two):
            host.daemon.wait_ready()
        assert [one.subnet(), two.subnet()] == subnets
        wait_until(lambda: str(two.subnet()) in one.run("ip", "route"), "the route to h2")
        check_routes(one, two, backend)
        check_web(web, two, client, {"vxlan": "flannel.1", "host-gw": "eth0"}[backend])


# ---- Docker 28, which drops packets from elsewhere


def drop_our_rules(host):
    """Removes our rules, as if no flanneld had ever run beside this Docker."""
    jumps = [("raw", "PREROUTING", "docker", "FLANNEL-DOCKER")] if host.engine.release == "28" else []
    jumps += [("filter", "DOCKER-USER", "docker", "FLANNEL-DOCKER"),
              ("filter", "FORWARD", "forward", "FLANNEL-FWD")]
    for table, parent, comment, chain in jumps:
        jump = ["-m", "comment", "--comment", f"flanneld {comment}", "-j", chain]
        host.run("iptables", "-t", table, "-D", parent, *jump)
        host.run("iptables", "-t", table, "-F", chain)
        host.run("iptables", "-t", table, "-X", chain)


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_packets_of_the_overlay_are_let_in(lab, docker28, backend):
    _, one, two = two_hosts(lab, docker28, backend=backend)
    web, client = start_dockers(one, two)
    reaches(client, web)
    # A neighbour on the link that is no peer, and knows a route to the container.
    lab.lan.ip("route", "add", str(one.subnet()), "via", one.host.address)
    lab.lan.run("ping", "-n", "-c1", "-W3", one.subnet().network_address + 1)
    assert not fetched(lab.lan, web.address), one.docker_rules()


@pytest.mark.parametrize(("release", "firewall"), [("28", "nftables"), ("28", "iptables"),
                                                   ("20.10", "nftables")])  # fmt: skip
def test_rules_hold_for_every_order_of_starts_and_after_a_flush(lab, release, firewall):
    _, one, two = two_hosts(lab, need(release), f"--firewall={firewall}", backend="vxlan")

    def check_dockers_drops():
        assert release != "28" or "-j DROP" in one.run("iptables-save", "-t", "raw")

    web, client = start_dockers(one, two)
    reaches(client, web)

    # Docker starts first.
    one.daemon.stop()
    drop_our_rules(one)
    assert not fetched(client, web.address), "without our rules Docker drops the request"
    one.daemon.start().wait_ready()
    reaches(client, web)

    one.run("iptables", "-F", "FORWARD")
    reaches(client, web)
    assert ":FORWARD DROP" in one.run("iptables-save", "-t", "filter")

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
    assert "DOCKER-USER" in one.run("iptables-save"), "Docker's own stay"


def test_switched_off_docker_has_its_way(lab, docker28):
    _, one, two = two_hosts(lab, docker28, "--docker-rules=off", backend="vxlan")
    web, client = start_dockers(one, two)
    assert not fetched(client, web.address)
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
    wait_until(settled, "no more children", within=20, every=0.1)
