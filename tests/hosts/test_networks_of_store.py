# SPDX-License-Identifier: Apache-2.0
"""--networks=*: a daemon takes part in the networks that the store has, and leaves those that it no longer has.

    h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2
              store
    each host: cni0 with a container of blue, cni1 with one of green, ...
"""

import pytest

from lab.faults import without_store
from lab.flanneld import ctl, flannelctl
from lab.networks import LISTED, RANGES, Networks, codes, delete, env, names, wait_in_use, wait_left
from lab.shell import wait_until
from lab.stores import PREFIX
from lab.traffic import EchoStream

TWO = {"blue": {"Type": "vxlan"}, "green": {"Type": "host-gw"}}


def started(lab, store, backends, **more):
    """Daemons that are ready before there is any network."""
    networks = Networks(lab, store, backends, follow=True, **more)
    for host in networks.hosts:
        host.daemon.start()
    for host in networks.hosts:
        host.daemon.wait_ready()
    return networks


@pytest.mark.parametrize("store", ["etcd", "etcd-v2", "consul", "sqlite"])
def test_networks_come_when_they_are_made_and_go_when_they_are_deleted(lab, store):
    networks = started(lab, store, {"blue": {"Type": "vxlan"}, "green": {"Type": "udp"}}, dual=True)
    one, two = networks.hosts
    assert one.daemon.health("/readyz") == (200, "flanneld is ready")
    assert ctl(one, "status") == "network   none yet\n"
    networks.set_config("blue")
    networks.wait_leases("blue")
    networks.set_config("green")
    networks.wait_leases("green")
    networks.wait_complete()
    networks.add_containers()
    for name in networks.names:
        for version in (4, 6):
            networks.wait_reaches(one, two, name, version)
    with EchoStream(one.containers["blue"], two.containers["blue"], lab.folder) as blue:
        delete(networks, "green")
        for host in networks.hosts:
            wait_in_use(networks, host, "green")
            found = lambda: str(networks.problems(host, "green"))  # noqa: B023, E731
            wait_until(lambda: "deleted, but it is in use here: the device cni1 has an address in 10.6." in found(), found)
        networks.wait_reaches(one, two, "green")
        for host in networks.hosts:
            host.ns.ip("link", "del", "cni1")
            wait_left(host, "green")
            assert not [link for link in host.ns.ask("link", "show") if link["ifname"] == "flannel0"]
        assert not flannelctl(networks.store, "--network=green", "leases").splitlines()[1:]
        blue.more()
    assert blue.lost() == []
    wait_until(lambda: codes(networks, one, "blue") == [], lambda: str(codes(networks, one, "blue")))
    networks.set_config("green")
    networks.wait_leases("green")
    networks.wait_complete()


def test_with_iptables_a_network_takes_its_rules_along(lab):
    networks = started(lab, "sqlite", TWO, dual=True, flags=["--firewall=iptables", "--ip-masq"])
    one, two = networks.hosts
    for name in TWO:
        networks.set_config(name)
        networks.wait_leases(name)
    networks.wait_complete()

    def rules(host, *words):
        saved = host.ns.run("iptables-save") + host.ns.run("ip6tables-save")
        return [line for line in saved.splitlines() if any(word in line for word in words)]

    for host in networks.hosts:
        wait_until(lambda: len(rules(host, *RANGES["green"])) > 10, lambda: "\n".join(rules(host, "FLANNEL")))
    delete(networks, "green")
    for host in networks.hosts:
        wait_left(host, "green")
        wait_until(lambda: not rules(host, *RANGES["green"]), lambda: "\n".join(rules(host, *RANGES["green"])))
        assert rules(host, RANGES["blue"][0]) and rules(host, RANGES["blue"][1])


def test_a_store_that_is_away_takes_no_network_along(lab):
    networks = Networks(lab, "etcd", TWO, follow=True)
    one, two = networks.hosts
    for name in TWO:
        networks.set_config(name)
    with without_store(one, networks.store):
        one.daemon.start()
        one.daemon.wait_log("the networks of the store cannot be listed")
        readyz = lambda: one.daemon.health("/readyz")  # noqa: E731
        wait_until(lambda: readyz()[0] == 503 and "store: list the networks below " in readyz()[1], lambda: str(readyz()))
        assert not one.daemon.ready()
        assert "networks-unlisted" in [problem["code"] for problem in one.daemon.status()["problems"]]
    for name in TWO:
        wait_until(lambda: env(one, name), f"the lease of {name}")
    one.daemon.wait_ready()
    listed = lambda: one.daemon.status()["problems"] == []  # noqa: E731
    wait_until(listed, lambda: str(one.daemon.status()["problems"]))
    with without_store(one, networks.store):
        wait_until(lambda: not listed(), "a list that fails")
        one.daemon.signal(1)  # another attempt
        assert sorted(names(one)) == sorted(TWO)
        assert all(env(one, name) for name in TWO)
    wait_until(listed, lambda: str(one.daemon.status()["problems"]))
    assert sorted(names(one)) == sorted(TWO)
    assert "leaves the network" not in one.daemon.log()


def test_a_name_that_no_network_can_have_is_said_and_costs_the_others_nothing(lab):
    networks = started(lab, "etcd", TWO)
    one, two = networks.hosts
    networks.store.etcdctl("put", f"{PREFIX}/a b/config", '{"Network":"10.9.0.0/16"}')
    networks.set_config("blue")
    networks.wait_leases("blue")
    said = lambda: one.daemon.health("/readyz")  # noqa: E731
    wait_until(lambda: '"a b" is no name of a network' in said()[1], lambda: str(said()), LISTED)
    wait_until(lambda: one.daemon.status()["ready"], lambda: str(one.daemon.status()))
    assert '"a b" is no name of a network' in ctl(one, "status")
    networks.store.etcdctl("del", f"{PREFIX}/a b/config")
    one.daemon.signal(1)
    wait_until(lambda: said() == (200, "flanneld is ready"), lambda: str(said()))


def test_a_network_that_is_put_back_while_it_is_in_use_goes_on(lab):
    networks = started(lab, "sqlite", TWO)
    one, two = networks.hosts
    networks.set_config("blue")
    networks.wait_leases("blue")
    networks.wait_complete(["blue"])
    networks.add_containers(["blue"])
    before = [env(host, "blue") for host in networks.hosts]
    delete(networks, "blue")
    for host in networks.hosts:
        wait_in_use(networks, host, "blue")
    networks.set_config("blue")
    for host in networks.hosts:
        wait_until(lambda: codes(networks, host, "blue") == [], lambda: str(codes(networks, host, "blue")), LISTED)
    assert [env(host, "blue") for host in networks.hosts] == before
    networks.wait_reaches(one, two, "blue")


def test_a_killed_daemon_goes_on_with_what_it_kept_of_each_network(lab):
    networks = started(lab, "etcd", {"blue": {"Type": "vxlan"}, "red": {"Type": "udp"}})
    one, two = networks.hosts
    for name in networks.names:
        networks.set_config(name)
        networks.wait_leases(name)
    networks.wait_complete()
    networks.add_containers()
    with (
        EchoStream(one.containers["blue"], two.containers["blue"], lab.folder) as blue,
        EchoStream(one.containers["red"], two.containers["red"], lab.folder) as red,
    ):
        one.daemon.told()  # takes over the descriptors that the daemon gives to be kept
        one.daemon.kill9()
        one.daemon.start(with_kept_fds=True).wait_ready()
        blue.more()
        red.more()
    assert blue.lost() == []
    assert "adopted=true" in [line for line in one.daemon.log(False).splitlines() if "the packet path is open" in line][-1]


def test_docker_networks_are_not_made_again_for_a_network_that_is_gone(lab):
    """Without Docker on the host: the wish for its network ends with the configuration, also while a container stays."""
    networks = started(lab, "sqlite", TWO, flags=["--docker-network=flannel"])
    networks.set_config("blue")
    networks.wait_leases("blue")
    networks.wait_complete(["blue"])
    networks.add_containers(["blue"])
    for host in networks.hosts:
        wait_until(lambda: "docker-away" in codes(networks, host, "blue"), lambda: str(codes(networks, host, "blue")))
    delete(networks, "blue")
    for host in networks.hosts:
        found = lambda: codes(networks, host, "blue")  # noqa: B023, E731
        wait_until(lambda: set(found()) == {"config-gone", "network-in-use"}, lambda: str(found()), LISTED)
    networks.set_config("blue")
    for host in networks.hosts:
        wait_until(lambda: found() == ["docker-away"], lambda: str(found()), LISTED)
