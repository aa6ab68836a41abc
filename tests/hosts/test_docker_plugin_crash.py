# SPDX-License-Identifier: Apache-2.0
"""The IPAM plugin while engines and daemons die: no address is given twice, and none is lost for ever."""

import os
import random
import threading

import pytest

from lab import wait_until
from lab.docker import nginx
from lab.docker_plugin import given_out, in_containers, need, wait_exact
from lab.overlay import subnet

from test_docker_plugin import IN_NETWORK, NAME, cluster_of, create, reaches, refused, start_engines, subnets

# More of both by hand.
RUNS = int(os.environ.get("PLUGIN_RUNS", "12"))
KILLS = int(os.environ.get("PLUGIN_KILLS", "5"))


@pytest.fixture(params=["20.10", "28"])
def release(request):
    return need(request.param)


# Docker numbers the two families of a network one after the other, so that a death may come between them.
WORDS = {"20.10": [], "28": ["--ipv6"]}


def crashing(lab, release, **options):
    return cluster_of(lab, release, families="dual" if WORDS[release] else "v4", **options).start()


def restart(daemon):
    daemon.kill9()
    daemon.start().wait_ready()


def running(engine):
    return sorted(engine.docker("ps", "--format={{.Names}}").split())


def test_all_comes_back_after_a_power_failure(lab, release):
    cluster = crashing(lab, release)
    start_engines(cluster, *WORDS[release])
    one, two = cluster.hosts
    names = ["one", "three", "two"]
    for name in names:
        one.engine.container(name, flags=[*IN_NETWORK, "--restart=always"])
    one.engine.container("gone", flags=IN_NETWORK)
    client = nginx(two.engine, flags=IN_NETWORK)
    theirs = subnets(cluster, one)
    one.daemon.kill9()
    one.engine.lose_power()
    one.daemon.subnet_file.unlink()
    one.ns.ip("link", "delete", "flannel.1")

    # As at a boot: the socket is there, and the engine and flanneld start at once.
    starter = threading.Thread(target=one.engine.start)
    starter.start()
    wait_until(one.engine.running, "dockerd")
    one.daemon.start().wait_ready()
    starter.join()
    assert one.engine.running()
    wait_until(lambda: running(one.engine) == names, lambda: f"{names} to run: {running(one.engine)}")
    wait_exact(one, NAME, *theirs)
    assert len(set(in_containers(one, NAME))) == 3 * len(theirs)
    address = client.address
    wait_until(
        lambda: "Welcome" in one.engine.docker("exec", "one", "curl", "-s", "--max-time", "1", f"http://{address}/", check=False),
        "the other host",
    )


def test_no_address_is_given_twice_while_flanneld_is_killed(lab, release):
    cluster = crashing(lab, release, hosts=1)
    start_engines(cluster, *WORDS[release])
    (one,) = cluster.hosts
    kept = [one.engine.container(f"kept{number}", flags=IN_NETWORK) for number in range(3)]
    theirs = subnets(cluster, one)
    done = threading.Event()
    twice, refusals, made = [], [], []

    def come_and_go():
        try:
            for number in range(RUNS):
                said = one.engine.run_docker("run", "--detach", *IN_NETWORK, f"--name=n{number}", "lab", "sleep", "1000")
                if said.returncode != 0:
                    refusals.append(said.stderr)
                made.append(number)
                addresses = in_containers(one, NAME)
                if len(addresses) != len(set(addresses)):
                    twice.append(addresses)
                if number % 3:
                    one.engine.run_docker("rm", "--force", f"n{number}")
        finally:
            done.set()

    worker = threading.Thread(target=come_and_go)
    worker.start()
    chance = random.Random(f"{release}")
    for _ in range(KILLS):
        done.wait(chance.uniform(0.1, 1.5))
        restart(one.daemon)
    worker.join()
    assert len(made) == RUNS and not twice
    # A call that was cut off is refused, and no more of them than there were kills.
    assert len(refusals) <= KILLS and all("restart of flanneld; try again" in text for text in refusals), refusals
    assert {address for one in kept for address in one.addresses} <= set(in_containers(one, NAME))
    assert set(in_containers(one, NAME)) <= given_out(one, *theirs)

    one.engine.stop()
    one.engine.start()
    for number in range(2):
        one.engine.container(f"last{number}", flags=IN_NETWORK)
    wait_exact(one, NAME, *subnets(cluster, one))


def test_an_engine_that_starts_without_the_plugin_gives_no_live_address_away(lab, release):
    cluster = crashing(lab, release, hosts=1)
    (one,) = cluster.hosts
    one.engine.start("--live-restore").load_image()
    create(one, *WORDS[release])
    containers = [one.engine.container(f"live{number}", flags=IN_NETWORK) for number in range(3)]
    live = [address for container in containers for address in container.addresses]
    one.engine.stop()
    one.daemon.stop()
    one.plugin.remove()  # without systemd's socket
    one.engine.start("--live-restore")
    assert sorted(live) == in_containers(one, NAME)

    one.plugin.listen()
    one.daemon.sockets = [one.plugin.given()]
    one.daemon.start().wait_ready()
    # The engine has given up, and asks again for each need.
    wait_until(lambda: one.engine.run_docker("run", "--detach", *IN_NETWORK, "lab", "sleep", "1000").returncode == 0,
               "a container to get an address")  # fmt: skip
    for number in range(3):
        one.engine.container(f"new{number}", flags=IN_NETWORK)
    addresses = in_containers(one, NAME)
    assert len(addresses) == len(set(addresses)) == 7 * len(cluster.versions) and set(live) <= set(addresses)


def test_a_flanneld_that_lost_its_folder_says_what_brings_it_back(lab, release):
    cluster = crashing(lab, release, hosts=1)
    (one,) = cluster.hosts
    one.engine.start("--live-restore").load_image()
    create(one, *WORDS[release])
    web = nginx(one.engine, flags=IN_NETWORK)
    one.daemon.stop()
    file = one.daemon.state_dir / "docker-pools.json"
    file.write_text("{", encoding="ascii")
    one.daemon.start().wait_ready()
    assert "the addresses that Docker's containers have are not known: restart Docker" in one.daemon.log(all_starts=False)
    assert file.with_suffix(".json.damaged").exists()
    said = refused(one, "run", "--detach", *IN_NETWORK, "--name=more", "lab", "sleep", "1000")
    assert f"flanneld does not know which addresses of {subnet(one)} have containers: restart Docker" in said
    one.engine.docker("rm", "more")
    one.engine.stop()
    one.engine.start("--live-restore")
    reaches(one.engine.container("near", flags=IN_NETWORK), web)
    wait_exact(one, NAME, *subnets(cluster, one))
