# SPDX-License-Identifier: Apache-2.0
"""The laboratory itself, on which the other tests depend, with routes made by hand."""

import json
import os
import pathlib
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from lab import CommandFailed, wait_until
from lab.namespace import names_with
from lab.overlay import rows, vxlan_rows
from lab.topology import Container
from lab.traffic import EchoStream, answers, ping, transfer

SUBNETS = {"h1": "10.5.1.0/24", "h2": "10.5.2.0/24"}


@pytest.fixture
def pair(lab):
    """Two hosts with a container each, and without routes to each other's containers."""
    hosts = [lab.host(), lab.host()]
    for host in hosts:
        gateway = SUBNETS[host.name].replace(".0/", ".1/")
        host.container = Container(host, {"FLANNEL_SUBNET": gateway, "FLANNEL_MTU": "1450"})
    return hosts


def add_route(host, peer):
    host.ns.ip("route", "add", SUBNETS[peer.name], "via", peer.address)


def test_containers_reach_each_other_exactly_when_both_hosts_have_the_route(pair):
    one, two = pair
    ping(one, two)
    add_route(one, two)
    assert not answers(one.container, two.container.address), "there is no way back"
    add_route(two, one)
    ping(one.container, two.container)
    sent, received = transfer(one.container, two.container, megabytes=5)
    assert sent == received and len(sent) == 64


def test_an_echo_stream_knows_which_echoes_were_lost(pair, lab):
    one, two = pair
    with EchoStream(one, two, lab.folder) as echoes:
        assert echoes.lost() == []
        two.plug(False)
        wait_until(lambda: not answers(one, two.address), "the cable to be out")
        two.plug(True)
        wait_until(lambda: answers(one, two.address), "the cable to be in")
        echoes.more()
    assert len(echoes.lost()) > 1


@pytest.mark.parametrize("hook", ["output", "prerouting"])
@pytest.mark.parametrize("version, size", [(4, None), (6, None), (4, 1400)])
def test_an_echo_stream_counts_echoes_that_were_dropped_and_that_could_not_be_sent(lab, hook, version, size):
    """The sender of a packet that is dropped in the hook `output` gets an error."""
    one, two = lab.host(), lab.host()
    for host in one, two:
        host.add_ipv6()
    icmp = "icmp" if version == 4 else "icmpv6"
    filtered = (one if hook == "output" else two).ns

    def dropped():
        listed = json.loads(filtered.run("nft", "-j", "list", "counter", "inet", "lab", "dropped"))
        return listed["nftables"][1]["counter"]["packets"]

    with EchoStream(one, SimpleNamespace(address=two.underlay(version)), lab.folder, size=size) as echoes:
        filtered.run(
            "nft", f"add table inet lab; add counter inet lab dropped; add chain inet lab {hook} "
            f"{{ type filter hook {hook} priority 0; }}; "
            f"add rule inet lab {hook} {icmp} type echo-request counter name dropped drop",
        )  # fmt: skip
        wait_until(lambda: dropped() >= 20, "echoes to be dropped")
        filtered.run("nft", "flush", "chain", "inet", "lab", hook)
        echoes.more(20)
    assert len(echoes.lost()) == dropped()


def test_an_echo_stream_with_a_size_has_packets_that_may_be_cut(pair, lab):
    one, two = pair
    for host, peer in (one, two), (two, one):
        add_route(host, peer)
    two.ns.ip("link", "set", "cni0", "mtu", 1400)
    with EchoStream(one.container, two.container, lab.folder, size=1450 - 28) as echoes:
        echoes.more()
    assert echoes.lost() == []
    with pytest.raises(CommandFailed):
        one.container.ns.run("ping", "-c", 3, "-i", "0.05", "-W", 1, "-M", "do", "-s", 1450 - 28, two.container.address)


def test_rows_are_read_as_the_kernel_has_them(pair):
    one, _ = pair
    mac = "02:00:00:00:00:07"
    one.ns.ip_all(
        "link add flannel.1 type vxlan id 1 dev eth0 dstport 8472 nolearning\n"
        "link set flannel.1 up\n"
        f"neigh add 10.5.7.0 lladdr {mac} dev flannel.1 nud permanent\n"
        "route add 10.5.7.0/24 via 10.5.7.0 dev flannel.1 onlink\n"
    )
    one.ns.bridge("fdb", "add", mac, "dev", "flannel.1", "dst", "192.0.2.7")
    assert vxlan_rows("10.5.7.0/24", mac, "192.0.2.7") <= rows(one)


def test_etcd_is_reached_from_every_host(lab):
    host, etcd = lab.host(), lab.etcd()
    etcd.set_config({"Network": "10.5.0.0/16"})
    stored = host.ns.run("etcdctl", f"--endpoints={etcd.url}", "get", "/coreos.com/network/config")
    assert '{"Network": "10.5.0.0/16"}' in stored


def test_the_error_of_a_failed_command_names_the_command(lab):
    host = lab.host()
    with pytest.raises(CommandFailed, match="(?s)link show flannel.1.*does not exist"):
        host.ns.ip("link", "show", "flannel.1")


ENDLESS_RUN = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from lab import Lab, Run
lab = Lab(Run())
lab.etcd()
print(lab.prefix, lab.folder.parent, flush=True)
signal.pause()
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_test_run_leaves_nothing_behind(signum):
    here = pathlib.Path(__file__).parent
    inner = subprocess.Popen(
        [sys.executable, "-c", ENDLESS_RUN, here], stdout=subprocess.PIPE, text=True
    )
    try:
        prefix, folder = inner.stdout.readline().split()
        assert len(names_with(prefix)) == 2 and os.path.isdir(folder)
    finally:
        inner.send_signal(signum)
        inner.communicate()
    wait_until(
        lambda: not names_with(prefix) and not os.path.isdir(folder), f"{prefix}* to be gone"
    )


ENDLESS_ENGINE = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from lab import Lab, Run
from lab.docker import Engine
lab = Lab(Run())
engine = Engine(lab.host(), "20.10").start("--bip=10.5.1.1/24").load_image()
engine.container("busy", "sleep", "2718")
print(lab.prefix, flush=True)
signal.pause()
"""


def cgroups_with(prefix):
    return [*pathlib.Path("/sys/fs/cgroup").glob(f"{prefix}*"),
            *pathlib.Path("/sys/fs/cgroup").glob(f"*/{prefix}*")]  # fmt: skip


def command_lines():
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            pass  # the process has ended


def test_a_docker_engine_of_a_killed_run_leaves_nothing_behind():
    here = pathlib.Path(__file__).parent
    inner = subprocess.Popen(
        [sys.executable, "-c", ENDLESS_ENGINE, here], stdout=subprocess.PIPE, text=True
    )
    try:
        prefix = inner.stdout.readline().strip()
        assert prefix and cgroups_with(prefix)
        assert any("sleep 2718" in line for line in command_lines())
    finally:
        inner.kill()
        inner.communicate()

    def left():
        ours = [line for line in command_lines() if prefix in line or "sleep 2718" in line]
        return [*ours, *map(str, cgroups_with(prefix)), *names_with(prefix)]

    wait_until(lambda: not left(), lambda: f"these to be gone: {left()}")
    assert prefix not in pathlib.Path("/proc/mounts").read_text(encoding="utf-8")
