# SPDX-License-Identifier: Apache-2.0
"""The IPAM plugin: networks that users make in real Docker engines, with the addresses of this host's subnet.

    web (nginx) ── br-1a2b3c ─ h1 ─ flannel0 | flannel.1 | eth0 ──┬── lan ── store
    client ─────── br-4d5e6f ─ h2 ─ flannel0 | flannel.1 | eth0 ──┘
"""

import ipaddress
import json
import pathlib
import signal

import pytest

from lab import wait_until
from lab.cluster import Cluster
from lab.docker import Engine, fetched, fetched_as, nginx
from lab.docker_plugin import CREATE, PluginSocket, given_out, in_containers, need, pools, wait_exact
from lab.flanneld import ctl
from lab.networks import Networks, env
from lab.overlay import key_of, subnet

NAME = "mine"
IN_NETWORK = ["--network", NAME]


@pytest.fixture(params=["20.10", "28"])
def release(request):
    return need(request.param)


def add_engine(host, release):
    host.engine = Engine(host, need(release))
    host.plugin = PluginSocket(host.engine)
    host.daemon.sockets.append(host.plugin.given())


def cluster_of(lab, release, hosts=2, flags=(), **options):
    """Hosts with an engine each, which does not run yet, and a flanneld that serves it."""
    cluster = Cluster(lab, hosts=hosts, flags=flags, **options)
    for host in cluster.hosts:
        add_engine(host, release)
    return cluster


def create(host, *words, name=NAME, check=True):
    mtu = host.daemon.subnet_env()["FLANNEL_MTU"]
    return host.engine.docker(*CREATE, f"--opt=com.docker.network.driver.mtu={mtu}", *words, name, check=check)


def refused(host, *words, **options):
    """What the user reads when Docker refuses a command."""
    said = host.engine.run_docker(*words, **options)
    assert said.returncode != 0, said
    return said.stdout + said.stderr


def subnets(cluster, host):
    return [subnet(host, version) for version in cluster.versions]


def start_engines(cluster, *words):
    for host in cluster.hosts:
        host.engine.start().load_image()
        create(host, *words)


def reaches(source, web):
    for address in web.addresses:
        wait_until(lambda: fetched(source, address), lambda: f"{address} to be reached")


@pytest.mark.parametrize(
    ("release", "backend", "families"),
    [("28", "vxlan", "dual"), ("28", "host-gw", "v4"), ("28", "udp", "v4"),
     ("20.10", "vxlan", "v4"), ("20.10", "host-gw", "dual"), ("20.10", "udp", "v4")])  # fmt: skip
def test_containers_of_two_hosts_meet(lab, release, backend, families):
    cluster = cluster_of(lab, release, backend=backend, families=families).start()
    one, two = cluster.hosts
    for host in cluster.hosts:
        host.engine.start().load_image()
        # Docker 20.10 chooses no pool that a route of the host overlaps.
        needs_name = backend == "udp" and release == "20.10"
        words = [f"--subnet={subnet(host)}"] if needs_name else ["--ipv6"] if families == "dual" else []
        if needs_name:
            said = refused(host, *CREATE, "other")
            assert "overlaps the route 10.5.0.0/16 dev flannel0" in said and words[0] in said, said
        create(host, *words)
        there = json.loads(host.engine.docker("network", "inspect", NAME))[0]
        assert sorted(config["Subnet"] for config in there["IPAM"]["Config"]) == sorted(
            subnet(host, version) for version in cluster.versions
        )
    web = nginx(one.engine, flags=[*IN_NETWORK, "--publish=8080:80"])
    client = two.engine.container("client", flags=IN_NETWORK)
    for address, own in zip(web.addresses, client.addresses):
        assert fetched_as(client, web, address) == own, "containers see each other's own addresses"
    near = one.engine.container("near", flags=IN_NETWORK)
    assert "Welcome" in near.run("curl", "-s", "--max-time", "60", "http://web/"), "names on one host"
    wait_until(lambda: fetched(lab.lan, one.address, 8080), "a published port to be open")

    plain = nginx(one.engine, "plain", flags=IN_NETWORK)
    reaches(client, plain)
    for version in cluster.versions:
        lab.lan.ip(f"-{version}", "route", "add", subnet(one, version), "via", one.underlay(version))
        bridge = str(ipaddress.ip_network(subnet(one, version))[1])
        lab.lan.run("ping", "-c", "1", "-W", "20", bridge)  # the way is there
    strangers = lambda: [address for address in plain.addresses if fetched(lab.lan, address)]  # noqa: E731
    if release == "28":
        assert not strangers(), "Docker 28 keeps strangers out"
    else:
        wait_until(strangers, "strangers to be let in by an older engine, so that their way is there")
    wait_exact(one, NAME, *subnets(cluster, one))
    for name in ("web", "near", "plain"):
        one.engine.docker("rm", "--force", name)
    wait_exact(one, NAME, *subnets(cluster, one))
    one.engine.docker("network", "rm", NAME)
    assert not pools(one)


def test_what_cannot_be_is_refused_with_the_command_that_can(lab, release):
    cluster = cluster_of(lab, release, hosts=1).start()
    (one,) = cluster.hosts
    start_engines(cluster)
    theirs = subnet(one)
    for words, said in (
        ([*CREATE, "again"], f"{theirs}, the subnet of this host, is in use by br-"),
        ([*CREATE, "--ipam-opt=network=blue", "blue"], 'has one network, which has no name, and not "blue"'),
        ([*CREATE, "--ipam-opt=color=blue", "blue"], "--ipam-opt color is not known"),
        ([*CREATE, "--subnet=10.9.7.0/24", "other"], f"is not the subnet of this host, which is {theirs}"),
        ([*CREATE, f"--subnet={theirs}", f"--ip-range={theirs[:-3]}/26", "other"], "--ip-range is not possible"),
        ([*CREATE, "--ipv6", "six"], "in use by br-"),
        (["network", "create", "--driver=flannel", "--ipam-driver=flannel", "other"], "in use by br-"),
        (["network", "create", "--driver=flannel", "other"],
         "docker network create --ipam-driver flannel -o com.docker.network.driver.mtu=1450 NAME"),
    ):  # fmt: skip
        assert said in refused(one, *words), words
    # What was refused has taken nothing away.
    assert list(pools(one)) == [theirs]
    web = nginx(one.engine, flags=IN_NETWORK)
    wait_exact(one, NAME, theirs)
    # Beside the network another one with its subnet by name is Docker's to refuse.
    assert refused(one, *CREATE, f"--subnet={theirs}", "other")
    wait_exact(one, NAME, theirs)
    assert fetched(one.engine.container("near", flags=IN_NETWORK), web.address)


def test_all_addresses_are_given_and_then_there_are_words(lab, release):
    cluster = cluster_of(lab, release, hosts=1)
    cluster.config |= {"SubnetLen": 28}
    cluster.start()
    (one,) = cluster.hosts
    start_engines(cluster)
    had = [one.engine.container(f"box{number}", flags=IN_NETWORK).address for number in range(13)]
    assert len(set(had)) == 13
    words = ["run", "--detach", *IN_NETWORK, "--name=more", "lab", "sleep", "1000"]
    said = refused(one, *words)
    assert f"all 13 addresses of {subnet(one)}, the subnet of this host, are taken" in said
    one.engine.docker("rm", "--force", "more", "box5")
    assert one.engine.container("more", flags=IN_NETWORK).address == had[5]
    wait_exact(one, NAME, subnet(one))


def test_an_address_that_was_given_back_is_not_used_soon_again(lab, release):
    cluster = cluster_of(lab, release, hosts=1).start()
    (one,) = cluster.hosts
    start_engines(cluster)
    had = set()
    for _ in range(3):
        had.add(one.engine.container("again", flags=IN_NETWORK).address)
    assert len(had) == 3


def test_a_network_without_the_mtu_of_the_overlay_is_found(lab, release):
    cluster = cluster_of(lab, release, hosts=1).start()
    (one,) = cluster.hosts
    one.engine.start().load_image()
    one.engine.docker(*CREATE, NAME)
    one.engine.container("large", flags=IN_NETWORK)
    under = ["env", f"DOCKER_HOST=unix://{one.engine.socket}"]
    said = lambda: ctl(one, "doctor", *cluster.store.flags(), inside=True, check=False, under=under)  # noqa: E731
    # doctor asks Docker, unless flanneld has found the containers already.
    assert "-o com.docker.network.driver.mtu=1450" in said()
    one.daemon.signal(signal.SIGHUP)  # it reads the host, which it does once a minute anyway
    wait_until(lambda: "containers-mtu" in said() and "-o com.docker.network.driver.mtu=1450" in said(), said)


def test_a_compose_file_makes_the_network(lab, release):
    cluster = cluster_of(lab, release).start()
    one, two = cluster.hosts
    file = one.folder / "compose.yaml"
    file.write_text("""
services:
  web: {image: lab, command: [nginx, -g, daemon off;]}
  near: {image: lab, command: [sleep, "1000"]}
networks:
  default:
    driver_opts: {com.docker.network.driver.mtu: "1450"}
    ipam: {driver: flannel}
version: "2.4"
""")
    for host in cluster.hosts:
        host.engine.start().load_image()
        host.engine.compose(file, "up", "--detach")
    names = one.engine.docker("ps", "--format={{.Names}}").split()
    (web,) = [name for name in names if "web" in name]
    address = one.engine.docker("inspect", "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", web).strip()
    (near,) = [name for name in two.engine.docker("ps", "--format={{.Names}}").split() if "near" in name]
    there = lambda: two.engine.docker("exec", near, "curl", "-s", "--max-time", "1", f"http://{address}/", check=False)  # noqa: E731
    wait_until(lambda: "Welcome" in there(), "the other host's container of the compose file")
    for host in cluster.hosts:
        host.engine.compose(file, "down", "--timeout=0")
        assert not pools(host)


def test_a_container_is_in_two_networks_of_flannel(lab, release):
    networks = Networks(lab, "sqlite", {"blue": {"Type": "vxlan"}, "green": {"Type": "host-gw"}}).start(containers=False)
    for host in networks.hosts:
        add_engine(host, release)
        host.daemon.stop()
        host.daemon.start().wait_ready()
        host.engine.start().load_image()
        assert "--ipam-opt network=NAME" in refused(host, *CREATE, "blue")
        for name in networks.names:
            host.engine.docker(*CREATE, f"--ipam-opt=network={name}", name)
    one, two = networks.hosts
    web = nginx(one.engine, flags=["--network=blue"])
    clients = {name: two.engine.container(name, flags=[f"--network={name}"]) for name in networks.names}
    wait_until(lambda: fetched(clients["blue"], web.address), "web in blue")
    one.engine.docker("network", "connect", "green", "web")
    in_green = web.inspect("{{.NetworkSettings.Networks.green.IPAddress}}")
    assert in_green in given_out(one, env(one, "green")["FLANNEL_SUBNET"].replace(".1/24", ".0/24"))
    wait_until(lambda: fetched(clients["green"], in_green), "web in green")
    assert not fetched(clients["green"], web.address) and not fetched(clients["blue"], in_green)
    one.engine.docker("network", "disconnect", "green", "web")
    assert not fetched(clients["green"], in_green) and fetched(clients["blue"], web.address)


def test_without_systemd_flanneld_makes_the_socket_and_takes_it_away(lab, release):
    cluster = Cluster(lab, hosts=1, flags=["--docker-plugin"])
    (one,) = cluster.hosts
    one.engine = Engine(one, release)
    # The engine has a /run of its own.
    one.daemon.under = ["nsenter", f"--mount=/proc/{one.engine.first}/ns/mnt"]
    cluster.start()
    start_engines(cluster)
    socket = pathlib.Path(f"/proc/{one.engine.first}/root/run/docker/plugins/flannel.sock")
    reaches(one.engine.container("near", flags=IN_NETWORK), nginx(one.engine, flags=IN_NETWORK))
    one.daemon.kill9()
    one.daemon.start().wait_ready()
    one.engine.container("again", flags=IN_NETWORK)
    wait_exact(one, NAME, subnet(one))
    one.daemon.stop()
    assert not socket.exists()


def test_a_lease_that_is_renumbered_leaves_containers_and_refuses_new_ones(lab, release):
    cluster = cluster_of(
        lab, release, hosts=1, store="etcd", backend="host-gw", flags=["--on-subnet-loss=renumber"]
    ).start()
    (one,) = cluster.hosts
    start_engines(cluster)
    web, was = nginx(one.engine, flags=IN_NETWORK), subnet(one)
    cluster.store.put_lease(key_of(one), '{"PublicIP":"192.0.2.99","BackendType":"host-gw"}')
    wait_until(lambda: subnet(one) != was, "another subnet", unless=one.daemon.must_run)
    said = refused(one, "run", "--detach", *IN_NETWORK, "--name=late", "lab", "sleep", "1000")
    wait_until(
        lambda: [p["text"] for p in one.daemon.status()["problems"] if p["code"] == "docker-pool-differs"],
        lambda: f"docker-pool-differs: {one.daemon.status()}",
    )
    assert f"this network has {was}, which was the subnet of this host; it is {subnet(one)} now" in said
    assert web.inspect("{{.State.Running}}") == "true"
    one.engine.stop()
    one.engine.start("--live-restore")
    one.engine.docker("rm", "--force", "web", "late")
    one.engine.docker("network", "rm", NAME)
    create(one)
    reaches(one.engine.container("near", flags=IN_NETWORK), nginx(one.engine, flags=IN_NETWORK))
    assert list(pools(one)) == [subnet(one)]
    wait_until(lambda: not one.daemon.status()["problems"], lambda: f"no problem: {one.daemon.status()}")
    assert f"docker    {subnet(one)}: 2 of 253 addresses for containers are given out" in ctl(one, "status")


def test_containers_come_and_go_while_the_store_is_away(lab, release):
    cluster = cluster_of(lab, release, hosts=1, store="etcd", flags=["--subnet-lease-ttl=10"]).start()
    (one,) = cluster.hosts
    start_engines(cluster)
    cluster.store.stop()
    wait_until(lambda: "store-away" in json.dumps(one.daemon.status()), "the store to be away")
    for _ in range(3):
        one.engine.container("late", flags=IN_NETWORK)
    one.daemon.kill9()
    one.daemon.start()
    one.engine.container("later", flags=IN_NETWORK)
    wait_exact(one, NAME, subnet(one))
    assert len(in_containers(one, NAME)) == 2
