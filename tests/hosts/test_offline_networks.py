# SPDX-License-Identifier: Apache-2.0
"""--networks=*: a start while the store is away, and what an earlier run had in networks that are gone.

    h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2
              store
    each host: cni0 with a container of blue, cni1 with one of green, ...
"""

import pytest

from lab.faults import without_store
from lab.networks import LISTED, Networks, codes, delete, env, names, wait_in_use, wait_left
from lab.shell import wait_until
from lab.traffic import EchoStream

THREE = {"blue": {"Type": "vxlan"}, "green": {"Type": "host-gw"}, "red": {"Type": "udp"}}
TWO = {"blue": {"Type": "vxlan"}, "green": {"Type": "host-gw"}}


def kept(host):
    """The networks of which the host has a file."""
    start = "kept-state-coreos.com-network-"
    return {file.name[len(start) : -3] for file in host.daemon.state_dir.glob(start + "*.gz")}


def wait_kept(host, networks):
    wait_until(lambda: kept(host) == set(networks), lambda: f"the kept state of {host.name}: {kept(host)}")


def running(lab, store, backends, **more):
    """Networks whose daemons have kept all that there is of them."""
    networks = Networks(lab, store, backends, follow=True, **more)
    networks.start(containers=False)
    for host in networks.hosts:
        for name in kept(host):
            (host.daemon.state_dir / f"kept-state-coreos.com-network-{name}.gz").unlink()
        host.daemon.kill9()
        host.daemon.start().wait_ready()
    networks.wait_complete()
    for host in networks.hosts:
        wait_kept(host, networks.names)
    return networks


@pytest.mark.parametrize("store, dual", [("etcd", True), ("consul", False)])
def test_networks_start_without_their_store_and_one_that_is_gone_then_is_left(lab, store, dual):
    networks = running(lab, store, THREE, dual=dual)
    one, two = networks.hosts
    before = [env(one, name) for name in THREE]
    networks.add_containers(["blue", "green"])
    one.daemon.kill9()
    networks.store.stop()
    for name in THREE:
        (one.daemon.subnet_file.parent / "networks" / f"{name}.env").unlink()
    one.ns.ip("link", "del", "flannel.1")
    one.ns.ip("route", "flush", "proto", "250")
    one.daemon.start().wait_ready()
    networks.wait_complete()
    assert [env(one, name) for name in THREE] == before
    for name in ("blue", "green"):
        for version in (4, 6) if dual else (4,):
            networks.wait_reaches(one, two, name, version)
    code, text = one.daemon.health("/readyz")
    assert code == 200
    assert text.count("the lease ends at") == 3, text
    with EchoStream(one.containers["blue"], two.containers["blue"], lab.folder) as blue:
        with without_store(one, networks.store), without_store(two, networks.store):
            networks.store.start()
            delete(networks, "red")
        for host in networks.hosts:
            wait_left(host, "red")
            wait_until(lambda: kept(host) == set(TWO), lambda: str(kept(host)))  # noqa: B023
        blue.more()
        ready = lambda: one.daemon.health("/readyz")  # noqa: E731
        wait_until(lambda: ready() == (200, "flanneld is ready"), lambda: str(ready()), LISTED)
        blue.more()
    assert blue.lost() == []
    assert [env(one, name) for name in THREE] == [*before[:2], None]


def test_a_network_that_was_deleted_while_it_is_in_use_survives_a_restart(lab):
    networks = running(lab, "etcd", TWO)
    one, two = networks.hosts
    networks.add_containers()
    before = env(one, "green")
    delete(networks, "green")
    for host in networks.hosts:
        wait_in_use(networks, host, "green")
    for end in (one.daemon.kill9, one.daemon.stop):
        end()
        one.daemon.start().wait_ready()
        wait_in_use(networks, one, "green")
        assert env(one, "green") == before
        networks.wait_reaches(one, two, "green")
    one.ns.ip("link", "del", "cni1")
    wait_left(one, "green")
    assert env(two, "green"), "it is in use there"
    assert kept(one) == {"blue"}
    assert kept(two) == {"blue", "green"}


def test_a_network_that_is_deleted_while_the_daemon_is_down_is_left_at_the_next_start(lab):
    networks = running(lab, "sqlite", TWO)
    one, _ = networks.hosts
    one.daemon.stop()
    delete(networks, "green")
    assert env(one, "green")
    one.daemon.start().wait_ready()
    wait_left(one, "green")
    assert names(one) == ["blue"]
    wait_until(lambda: codes(networks, one, "blue") == [], lambda: str(codes(networks, one, "blue")))


def test_a_host_that_shall_not_start_without_its_store_waits_in_each_network(lab):
    networks = running(lab, "etcd", TWO, flags=["--no-offline-start"])
    one, _ = networks.hosts
    one.daemon.stop()
    networks.store.stop()
    for name in TWO:
        (one.daemon.subnet_file.parent / "networks" / f"{name}.env").unlink()
    one.daemon.start()
    one.daemon.wait_log("the networks of the store cannot be listed")
    wait_until(lambda: all("store-away" in codes(networks, one, name) for name in TWO), lambda: str(names(one)))
    assert not one.daemon.ready()
    assert one.daemon.health("/readyz")[0] == 503
    assert not any(env(one, name) for name in TWO)
    networks.store.start()
    one.daemon.wait_ready()
    assert all(env(one, name) for name in TWO)
