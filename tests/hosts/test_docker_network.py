# SPDX-License-Identifier: Apache-2.0
"""--docker-network: the network that flanneld makes in real Docker engines.

    web (nginx) ── docker-flannel ─ h1 ─ flannel0 | flannel.1 | eth0 ──┬── lan ── store
    client ─────── docker-flannel ─ h2 ─ flannel0 | flannel.1 | eth0 ──┘
                   docker0 (172.17.0.1, Docker's own)
"""

import ipaddress
import json
import time

import pytest

from lab import wait_until
from lab.cluster import Cluster
from lab.docker import Engine, fetched, fetched_as, installed, nginx
from lab.flanneld import ctl
from lab.networks import Networks, env
from lab.overlay import key_of, subnet

NAME = "flannel"
IN_NETWORK = ["--network", NAME]


def need(release):
    if not installed(release):
        pytest.skip(f"no Docker {release} here, scripts/fetch-docker28.sh gets it; NOTHING WAS TESTED")
    return release


@pytest.fixture(params=["20.10", "28"])
def release(request):
    return need(request.param)


def cluster_of(lab, release, hosts=2, flags=(), **options):
    """Hosts with an engine each, which does not run yet."""
    cluster = Cluster(lab, hosts=hosts, flags=[f"--docker-network={NAME}", *flags], **options)
    for host in cluster.hosts:
        host.engine = Engine(host, need(release))
        host.daemon.environment["DOCKER_HOST"] = f"unix://{host.engine.socket}"
    return cluster


def network(host, name=NAME):
    """Docker's network; None: there is none."""
    found = json.loads(host.engine.docker("network", "inspect", name, check=False) or "[]")
    return found[0] if found else None


def subnets_of(there):
    return [config["Subnet"] for config in there["IPAM"]["Config"]]


def wait_network(host, within=60):
    return wait_until(lambda: network(host), f"the network on {host.name}", within, unless=host.daemon.must_run)


def problems(host):
    return {problem["code"]: problem for problem in host.daemon.status()["problems"]}


def wait_problem(host, code):
    return wait_until(lambda: problems(host).get(code), lambda: f"{code}: {problems(host)}")


def wait_no_problem(host):
    wait_until(lambda: not problems(host), lambda: f"no problem: {problems(host)}")


def start_engines(cluster):
    for host in cluster.hosts:
        host.engine.start().load_image()
    for host in cluster.hosts:
        wait_network(host)


def web_and_client(cluster, flags=()):
    one, two = cluster.hosts
    web = nginx(one.engine, flags=[*IN_NETWORK, *flags])
    return web, two.engine.container("client", flags=IN_NETWORK)


def reaches(source, web):
    for address in web.addresses:
        wait_until(lambda: fetched(source, address), lambda: f"{address} to be reached")


def lead_strangers_to(cluster, host):
    """Gives a neighbour on the link that is no peer a route to the containers of the host."""
    for version in cluster.versions:
        cluster.lab.lan.ip(f"-{version}", "route", "add", subnet(host, version), "via", host.underlay(version))


def check_network(cluster, host):
    there = network(host)
    assert sorted(subnets_of(there)) == sorted(subnet(host, version) for version in cluster.versions)
    gateways = [config["Gateway"].split("/")[0] for config in there["IPAM"]["Config"]]
    assert all(ipaddress.ip_address(gateway) in ipaddress.ip_network(config["Subnet"])
               for gateway, config in zip(gateways, there["IPAM"]["Config"]))  # fmt: skip
    mtu = host.daemon.subnet_env()["FLANNEL_MTU"]
    assert there["Options"] == {
        "com.docker.network.bridge.name": f"docker-{NAME}", "com.docker.network.driver.mtu": mtu,
    }  # fmt: skip
    assert list(there["Labels"]) == ["flannel-cpp"]
    docker0 = network(host, "bridge")
    assert subnets_of(docker0) == ["172.17.0.0/16"], "docker0 is untouched"


@pytest.mark.parametrize(
    ("release", "backend", "families"),
    [("28", "vxlan", "dual"), ("28", "host-gw", "v4"), ("28", "udp", "v4"),
     ("20.10", "vxlan", "v4"), ("20.10", "host-gw", "dual"), ("20.10", "udp", "v4")])  # fmt: skip
def test_containers_of_two_hosts_meet_in_it(lab, release, backend, families):
    cluster = cluster_of(lab, release, backend=backend, families=families).start()
    start_engines(cluster)
    one, two = cluster.hosts
    for host in cluster.hosts:
        check_network(cluster, host)
    web, client = web_and_client(cluster, ["--publish=8080:80"])
    for address, own in zip(web.addresses, client.addresses):
        assert fetched_as(client, web, address) == own, "containers see each other's own addresses"
    near = one.engine.container("near", flags=IN_NETWORK)
    assert "Welcome" in near.run("curl", "-s", "--max-time", "60", "http://web/"), "names on one host"
    fixed = str(ipaddress.ip_network(subnet(one))[77])
    assert one.engine.container("fixed", flags=[*IN_NETWORK, f"--ip={fixed}"]).address == fixed
    wait_until(lambda: fetched(lab.lan, one.address, 8080), "a published port to be open")

    plain = nginx(one.engine, "plain", flags=IN_NETWORK)
    reaches(client, plain)
    lead_strangers_to(cluster, one)
    strangers = lambda: [address for address in plain.addresses if fetched(lab.lan, address)]  # noqa: E731
    if release == "28":
        assert not strangers(), "Docker 28 keeps strangers out"
    else:
        wait_until(strangers, "strangers to be let in by an older engine, so that their way is there")
    for host in cluster.hosts:
        wait_no_problem(host)
        said = ctl(host, "doctor", *cluster.store.flags(), inside=True, check=False)
        assert f"docker-{NAME} has {subnet(host)}" in said, said


def test_it_is_made_again_when_it_is_removed_by_hand(lab, release):
    cluster = cluster_of(lab, release, hosts=1).start()
    start_engines(cluster)
    (one,) = cluster.hosts
    before = network(one)["Id"]
    for _ in range(3):
        # flanneld lists the networks once more after it has made one; from then on it sees a sign.
        time.sleep(3)
        one.engine.docker("network", "rm", NAME)
        again = wait_network(one, within=5)["Id"]
        assert again != before
        before = again
    one.engine.docker("network", "prune", "--force")
    assert wait_network(one, within=5)["Id"] != before
    assert one.daemon.log().count("Docker's network is gone, and is made again") == 4
    wait_no_problem(one)


@pytest.mark.parametrize("flags", [[], ["--live-restore"]])
def test_an_engine_starts_without_flanneld_and_its_containers_reach_others(lab, release, flags):
    cluster = cluster_of(lab, release).start()
    one, two = cluster.hosts
    start_engines(cluster)
    one.engine.stop()
    one.engine.start(*flags)
    web, client = web_and_client(cluster, ["--restart=always"])
    reaches(client, web)
    began = web.inspect("{{.State.StartedAt}}")
    made = network(one)["Id"]

    for host in cluster.hosts:
        host.daemon.stop()
    one.engine.stop()
    one.engine.start(*flags)
    wait_until(lambda: web.inspect("{{.State.Running}}") == "true", "the container")
    assert (web.inspect("{{.State.StartedAt}}") == began) == bool(flags)
    assert network(one)["Id"] == made
    reaches(client, web)

    one.daemon.start().wait_ready()
    wait_no_problem(one)
    assert network(one)["Id"] == made
    assert "Docker has the network" not in one.daemon.log(all_starts=False)


def test_flanneld_starts_without_an_engine_and_follows_it_when_it_comes(lab, release):
    cluster = cluster_of(lab, release, hosts=1).start()
    (one,) = cluster.hosts
    assert "docker.sock is not there" in wait_problem(one, "docker-away")["text"]
    assert one.daemon.health("/readyz") == (200, "flanneld is ready")
    one.engine.start()
    made = wait_network(one, within=5)["Id"]
    wait_no_problem(one)
    one.engine.stop()
    wait_problem(one, "docker-away")
    one.daemon.stop()
    one.daemon.start().wait_ready()
    wait_problem(one, "docker-away")
    one.engine.start()
    wait_no_problem(one)
    one.engine.docker("network", "rm", NAME)
    assert wait_network(one, within=5)["Id"] != made
    assert one.daemon.log().count("] Docker does not answer") == 3
    assert "docker-refused" not in one.daemon.log()


@pytest.mark.parametrize("label", [True, False])
def test_another_network_of_the_name_stays_with_its_containers(lab, release, label):
    cluster = cluster_of(lab, release, hosts=1)
    (one,) = cluster.hosts
    one.engine.start().load_image()
    words = ["--label=flannel-cpp=10.9.0.0/16"] if label else []
    made = one.engine.docker("network", "create", "--subnet=10.9.7.0/24", *words, NAME).strip()
    kept = one.engine.container("kept", flags=IN_NETWORK)
    cluster.start()
    problem = wait_problem(one, "docker-network-differs" if label else "docker-network-foreign")
    assert "10.9.7.0/24" in problem["text"] and subnet(one) in problem["text"]
    assert f"docker network rm {NAME}" in problem["remedy"]
    wait_until(lambda: problem["text"] in one.daemon.health("/readyz")[1], lambda: one.daemon.health("/readyz")[1])
    assert network(one)["Id"] == made
    assert list(network(one)["Containers"]) == [kept.inspect("{{.Id}}")]

    one.engine.docker("rm", "--force", "kept")
    time.sleep(3)  # flanneld looks every two seconds
    assert network(one)["Id"] == made, "it is never removed"
    one.engine.docker("network", "rm", NAME)
    wait_no_problem(one)
    assert subnets_of(network(one)) == [subnet(one)]


def test_docker0_and_the_network_do_not_share_a_lease(lab, release):
    cluster = cluster_of(lab, release, hosts=1).start()
    (one,) = cluster.hosts
    bridge = one.daemon.subnet_env()["FLANNEL_SUBNET"]
    one.engine.start(f"--bip={bridge}")
    assert "docker0 (--bip)" in wait_problem(one, "docker-subnet-taken")["text"]
    assert network(one) is None
    one.engine.stop()
    one.engine.start()  # Docker remembers the range of docker0
    assert subnets_of(network(one, "bridge")) == [subnet(one)]
    wait_problem(one, "docker-subnet-taken")
    one.engine.stop()
    one.engine.start("--bip=172.17.0.1/16")
    wait_network(one)
    wait_no_problem(one)


def test_a_lease_that_is_renumbered_leaves_the_network_and_its_containers(lab, release):
    flags = ["--on-subnet-loss=renumber"]
    cluster = cluster_of(lab, release, hosts=1, store="etcd", backend="host-gw", flags=flags).start()
    start_engines(cluster)
    (one,) = cluster.hosts
    web = nginx(one.engine, flags=IN_NETWORK)
    was, made = subnet(one), network(one)["Id"]
    cluster.store.put_lease(key_of(one), '{"PublicIP":"192.0.2.99","BackendType":"host-gw"}')
    wait_until(lambda: subnet(one) != was, "another subnet", unless=one.daemon.must_run)
    text = wait_problem(one, "docker-network-differs")["text"]
    assert was in text and subnet(one) in text
    assert network(one)["Id"] == made and web.inspect("{{.State.Running}}") == "true"
    near = one.engine.container("near", flags=IN_NETWORK)
    assert "Welcome" in near.run("curl", "-s", "--max-time", "60", "http://web/"), "it goes on"

    one.engine.docker("rm", "--force", "web", "near")
    one.engine.docker("network", "rm", NAME)
    wait_until(lambda: network(one) and subnets_of(network(one)) == [subnet(one)], "the new subnet")
    wait_until(lambda: "docker-network-differs" not in problems(one), "no problem")


def test_each_of_several_networks_has_one_of_its_own(lab, release):
    backends = {"blue": {"Type": "vxlan"}, "green": {"Type": "host-gw"}}
    networks = Networks(lab, "sqlite", backends, flags=[f"--docker-network={NAME}"])
    for host in networks.hosts:
        host.engine = Engine(host, release)
        host.daemon.environment["DOCKER_HOST"] = f"unix://{host.engine.socket}"
    networks.start(containers=False)
    one, two = networks.hosts
    for host in networks.hosts:
        host.engine.start().load_image()
        for name in networks.names:
            wait_until(lambda: network(host, f"{NAME}-{name}"), lambda: f"{name}: {networks.status(host, name)['problems']}")
    web = nginx(one.engine, flags=["--network=flannel-blue"])
    assert ipaddress.ip_address(web.address) in ipaddress.ip_interface(env(one, "blue")["FLANNEL_SUBNET"]).network
    clients = {name: two.engine.container(name, flags=[f"--network={NAME}-{name}"]) for name in networks.names}
    wait_until(lambda: fetched(clients["blue"], web.address), "web in blue")
    assert not fetched(clients["green"], web.address)
