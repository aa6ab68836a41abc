# SPDX-License-Identifier: Apache-2.0
"""Several networks in one daemon: each with its configuration, lease, backend and file.

    h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2
              store
    each host: cni0 with a container of blue, cni1 with one of green, ...
"""

import json
import tarfile

import pytest

from lab.flanneld import binary, ctl, flannelctl
from lab.networks import Networks, env
from lab.shell import wait_until
from lab.traffic import EchoStream

TWO = {"blue": {"Type": "vxlan"}, "green": {"Type": "host-gw"}}
THREE = {"blue": {"Type": "vxlan"}, "green": {"Type": "host-gw"}, "red": {"Type": "udp"}}


@pytest.mark.parametrize("store", ["etcd", "etcd-v2", "consul", "sqlite"])
def test_three_networks_with_three_backends_reach_their_own(lab, store):
    networks = Networks(lab, store, THREE, dual=True).start()
    one, two = networks.hosts
    for name in THREE:
        assert env(one, name)["FLANNEL_NETWORK"] == networks.configs[name]["Network"]
        for version in (4, 6):
            networks.wait_reaches(one, two, name, version)
    said = ctl(one, "status")
    assert [line.split()[1] for line in said.splitlines() if line.startswith("network ")] == list(THREE)
    wait_until(lambda: ctl(one, "status").count("problems  none") == 3, lambda: ctl(one, "status"))
    readyz = lambda: one.daemon.health("/readyz")  # noqa: E731
    wait_until(lambda: readyz() == (200, "flanneld is ready"), lambda: str(readyz()))


def test_a_network_without_a_configuration_is_waited_for_and_the_others_run(lab):
    networks = Networks(lab, "sqlite", TWO)
    one, two = networks.hosts
    networks.set_config("blue")
    for host in networks.hosts:
        host.daemon.start()
    for host in networks.hosts:
        wait_until(lambda: env(host, "blue"), f"the lease of {host.name}")
    networks.wait_complete(["blue"])
    readyz = lambda: one.daemon.health("/readyz")  # noqa: E731

    def waits_for_green_alone():
        status, text = readyz()
        return status == 503 and "network green: config: " in text and "network blue" not in text

    wait_until(waits_for_green_alone, lambda: str(readyz()))
    one.daemon.wait_ready()  # who waits for blue does not wait for green
    networks.set_config("green")
    for host in networks.hosts:
        wait_until(lambda: env(host, "green"), f"the lease of {host.name}")
    networks.wait_complete()


@pytest.mark.parametrize(
    "green, what",
    [
        ({"Network": "10.5.128.0/17"}, "10.5.128.0/17 overlaps 10.5.0.0/16, the network blue of this flanneld"),
        ({"Network": "10.5.0.0/16"}, "10.5.0.0/16 belongs to the network blue of this flanneld"),
        ({"Backend": {"Type": "vxlan"}}, "flannel.1 belongs to the network blue of this flanneld"),
    ],
)
def test_a_network_that_clashes_is_named_and_costs_the_other_nothing(lab, green, what):
    networks = Networks(lab, "sqlite", TWO)
    one, two = networks.hosts
    networks.set_config("blue")
    one.daemon.start()
    wait_until(lambda: env(one, "blue"), "the lease of blue")
    networks.set_config("green", **green)
    found = lambda: networks.problems(one, "green")  # noqa: E731
    wait_until(lambda: any(what in text for text in found()), lambda: str(found()))
    one.daemon.wait_ready()
    assert networks.status(one, "blue")["ready"]
    networks.set_config("green", Network="10.6.0.0/16", Backend={"Type": "vxlan", "VNI": 2})
    wait_until(lambda: networks.status(one, "green")["ready"], lambda: str(found()))
    assert env(one, "green")["FLANNEL_NETWORK"] == "10.6.0.0/16"


def test_a_killed_daemon_loses_no_packet_of_any_network(lab):
    networks = Networks(lab, "etcd", THREE).start()
    one, two = networks.hosts
    streams = [EchoStream(one.containers[name], two.containers[name], lab.folder) for name in THREE]
    with streams[0] as blue, streams[1] as green, streams[2] as red:
        for _ in range(3):
            one.daemon.told()  # takes over the descriptors that the daemon gives to be kept
            one.daemon.kill9()
            one.daemon.start(with_kept_fds=True).wait_ready()
            for stream in (blue, green, red):
                stream.more()
    assert [stream.lost() for stream in (blue, green)] == [[], []]


def test_no_packet_passes_between_networks_unless_both_say_so(lab):
    check_separation(Networks(lab, "sqlite", TWO, dual=True).start())


def test_with_iptables_no_packet_passes_between_networks_either(lab):
    networks = Networks(lab, "sqlite", TWO, dual=True, flags=["--firewall=iptables"]).start()
    check_separation(networks)
    one = networks.hosts[0]
    one.daemon.stop()
    one.ns.run(binary("flannelctl"), "cleanup")
    for program in ("iptables-save", "ip6tables-save"):
        assert "FLANNEL" not in one.ns.run(program)


def check_separation(networks):
    one, two = networks.hosts

    def between():
        """Whether packets pass: from one host to another, and on one host; both ways, both families."""
        return [
            networks.reaches(one, target, *pair, version)
            for target in (one, two) for pair in (("blue", "green"), ("green", "blue")) for version in (4, 6)
        ]  # fmt: skip

    # The packets would pass: the hosts forward from any bridge to any device.
    assert between() == [False] * 8
    networks.change("blue", Peers=["green"])
    assert between() == [False] * 8
    networks.set_config("green", Peers=["blue"])
    wait_until(lambda: between() == [True] * 8, lambda: f"packets between the networks: {between()}")
    networks.set_config("blue", Peers=[])
    wait_until(lambda: between() == [False] * 8, lambda: f"no packets between the networks: {between()}")
    for name in TWO:
        for version in (4, 6):
            networks.wait_reaches(one, two, name, version)


def test_the_configuration_of_one_network_changes_live_and_another_is_not_touched(lab):
    networks = Networks(lab, "etcd", TWO).start()
    one, two = networks.hosts
    with (
        EchoStream(one.containers["blue"], two.containers["blue"], lab.folder) as blue,
        EchoStream(one.containers["green"], two.containers["green"], lab.folder) as green,
    ):
        networks.set_config("blue", Backend={"Type": "udp"})
        wait_until(
            lambda: all(networks.status(host, "blue")["backend"] == "udp" for host in networks.hosts), "udp in blue"
        )
        blue.more()
        green.more()
    assert (blue.lost(), green.lost()) == ([], [])
    assert {networks.status(host, "green")["backend"] for host in networks.hosts} == {"host-gw"}


def test_flannelctl_asks_about_the_network_that_is_named(lab):
    networks = Networks(lab, "sqlite", TWO).start(containers=False)
    one, two = networks.hosts
    mine = env(one, "green")["FLANNEL_SUBNET"].replace(".1/24", ".0/24")
    assert mine in flannelctl(networks.store, "--network=green", "leases")
    assert mine not in flannelctl(networks.store, "--network=blue", "leases")
    theirs = env(two, "green")["FLANNEL_SUBNET"].replace(".1/24", ".0/24")
    wait_until(lambda: theirs in ctl(one, "--network=green", "peers"), lambda: ctl(one, "--network=green", "peers"))
    assert theirs not in ctl(one, "--network=blue", "peers")
    assert "this daemon has several networks, blue, green: --network=NAME" in ctl(one, "peers", check=False)
    assert 'has no network "red"; it has the networks blue, green' in ctl(one, "--network=red", "peers", check=False)
    for words in (["doctor"], ["trace", "10.6.0.1", "10.6.1.1"]):
        said = ctl(one, *words, *networks.store.flags(), check=False, inside=True)
        assert "flanneld has the networks blue, green: --network=NAME says which one is meant" in said
    said = ctl(one, "--network=green", "doctor", *networks.store.flags(), check=False, inside=True)
    assert "is not running" not in said and "no flanneld" not in said and mine in said, said
    in_order = lambda: ctl(one, "--network=green", "diff", check=False).startswith("nothing differs")  # noqa: E731
    wait_until(in_order, lambda: ctl(one, "--network=green", "diff", check=False))
    text = one.daemon.health("/metrics")[1]
    assert 'flannel_ready{network="blue"} 1' in text and 'flannel_ready{network="green"} 1' in text


def test_a_report_has_a_folder_for_each_network_and_remedies_name_theirs(lab, tmp_path):
    networks = Networks(lab, "sqlite", TWO).start(containers=False)
    one, two = networks.hosts
    flannelctl(networks.store, "network", "delete", "--force", "green")
    wait_until(lambda: networks.status(one, "green")["problems"], "the problem of green")
    (problem,) = networks.status(one, "green")["problems"]
    assert problem["remedy"] == 'put it back with "flannelctl --network=green config set"'

    def files(*flags):
        file = tmp_path / "report.tar.gz"
        ctl(one, *networks.store.flags(), *flags, "report", f"--output={file}")
        with tarfile.open(file) as archive:
            return {entry.name.removeprefix("flannel-report/"): archive.extractfile(entry).read() for entry in archive}

    all_files = files()
    for name, backend in (("blue", "vxlan"), ("green", "host-gw")):
        assert json.loads(all_files[f"networks/{name}/status.json"])["backend"] == backend
        assert len(json.loads(all_files[f"networks/{name}/peers.json"])["peers"]) == 1
        assert env(one, name)["FLANNEL_SUBNET"] in all_files[f"networks/{name}/subnet.env"].decode()
    assert "status.json" not in all_files and "options.json" in all_files
    assert json.loads(files("--network=green")["status.json"])["backend"] == "host-gw"


def test_a_host_that_is_drained_leaves_every_network(lab):
    networks = Networks(lab, "sqlite", TWO).start(containers=False)
    one, two = networks.hosts
    here = [f"--state-dir={one.daemon.state_dir}", f"--control-socket={one.daemon.control_socket}"]
    said = flannelctl(networks.store, *here, "drain").splitlines()
    assert [line.split(":")[0] for line in said] == ["network blue", "network green"]
    assert all(": drained: the lease " in line for line in said)
    for name in TWO:
        wait_until(lambda: networks.status(two, name)["peers"]["up"] == 0, f"nobody else in {name}")
    said = flannelctl(networks.store, *here, "undrain").splitlines()
    assert all(": this host has the lease " in line for line in said) and len(said) == 2
    networks.wait_complete()


def test_a_range_that_was_another_networks_carries_packets(lab):
    networks = Networks(lab, "sqlite", TWO).start(containers=False)
    one, two = networks.hosts
    networks.change("blue", Network="10.8.0.0/16")
    networks.change("green", Network="10.5.0.0/16")
    table = lambda: one.ns.run("nft", "list", "table", "ip", "flannel-10.5.0.0-16", check=False)  # noqa: E731
    wait_until(lambda: "ip saddr 10.5.0.0/16 ip daddr 10.8.0.0/16 drop" in table(), table)
    assert "ip saddr 10.5.0.0/16 ip daddr 10.5.0.0/16 drop" not in table()
