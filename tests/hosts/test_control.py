# SPDX-License-Identifier: Apache-2.0
"""flannelctl asks the daemon of its host, by the control socket.

    h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2
              store
"""

import json
import os
import re
import stat

import pytest

from lab.cluster import Cluster
from lab.flanneld import binary, ctl
from lab.overlay import subnet
from lab.shell import wait_until


@pytest.fixture
def cluster(lab):
    return Cluster(lab, "etcd", "vxlan", families="dual").start()


def test_status_is_what_the_daemon_knows(cluster):
    one, two = cluster.hosts

    def shown():
        return dict(re.split(r"\s+", line, maxsplit=1) for line in ctl(one, "status").splitlines())

    wait_until(lambda: (shown()["peers"], shown()["problems"]) == ("1 up", "none"), lambda: ctl(one, "status"))
    said = shown()
    assert said["flanneld"].endswith(", ready")
    assert said["lease"].startswith(f"{subnet(one)},{subnet(one, 6)} at {one.address}, {one.address6}, ends in 23 h")
    assert said["underlay"] == f"eth0 {one.address}, {one.address6}, MTU 1500"
    assert said["backend"] == "vxlan"
    assert json.loads(ctl(one, "status", "--json"))["ready"] is True
    cluster.store.stop()
    words = ("AWAY", "warning: store", "remedy: ")
    wait_until(lambda: all(map(ctl(one, "status").__contains__, words)), lambda: ctl(one, "status"))
    cluster.store.start()
    two.daemon.kill9()
    assert "no flanneld answers on this host" in ctl(two, "status", check=False)


def test_peers_have_the_state_in_which_this_host_has_them(cluster):
    one, two = cluster.hosts
    cluster.store.put_lease("10.5.70.0-24", "nonsense")
    cluster.store.put_lease("10.5.71.0-24", f'{{"PublicIP":"{one.address}","NodeID":"{"a" * 32}/00000001"}}')

    def answer():
        answer = json.loads(ctl(one, "peers", "--json"))
        return answer if len(answer["quarantined"]) == 2 and [peer["state"] for peer in answer["peers"]] == ["ok"] else None

    answer = wait_until(answer, lambda: ctl(one, "peers"))
    assert " ok " in ctl(one, "peers") and "10.5.71.0-24" in ctl(one, "peers")
    (peer,) = answer["peers"]
    assert peer["subnets"] == [subnet(two), subnet(two, 6)]
    assert (peer["public_ip"], peer["public_ipv6"]) == (two.address, two.address6)
    assert (peer["backend"], peer["mtu"]) == ("vxlan (VNI 1, Port 8472)", 1430)
    assert {record["key"] for record in answer["quarantined"]} == {"10.5.70.0-24", "10.5.71.0-24"}


def test_diff_names_what_the_kernel_refuses(cluster):
    one, _ = cluster.hosts
    in_order = lambda: ctl(one, "diff", check=False).startswith("nothing differs")  # noqa: E731
    wait_until(in_order, lambda: ctl(one, "diff", check=False))

    def name_is_taken():
        """Before the daemon makes its device again."""
        one.ns.ip("link", "del", "flannel.1", check=False)
        one.ns.ip("link", "add", "flannel.1", "type", "bridge", check=False)
        return any(link.get("ifname") == "flannel.1" for link in one.ns.ask("link", "show", "type", "bridge"))

    def refused():
        answer = json.loads(ctl(one, "diff", "--json", check=False).split("flannelctl: ")[0])
        return [row for row in answer["differences"] if row["object"].startswith("link flannel.1 vxlan") and row["why"]]

    wait_until(name_is_taken, "the bridge")
    assert wait_until(refused, lambda: ctl(one, "diff", check=False))[0]["sign"] == "+"
    wait_until(lambda: "the kernel differs in " in ctl(one, "diff", check=False), lambda: ctl(one, "diff", check=False))
    one.ns.ip("link", "del", "flannel.1")
    wait_until(in_order, lambda: ctl(one, "diff", check=False))


def test_events_tell_what_happened_in_order(cluster):
    one, _ = cluster.hosts

    def told():
        return [event["message"] for event in json.loads(ctl(one, "events", "--json"))["events"]]

    wait_until(lambda: "flannel is ready" in told(), lambda: str(told()))
    events = json.loads(ctl(one, "events", "--json"))["events"]
    assert events[0]["message"] == "flanneld starts"
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert len(ctl(one, "events").splitlines()) >= len(events)


def test_the_log_level_follows_and_only_root_sets_it(cluster):
    one, _ = cluster.hosts
    assert ctl(one, "log", "level") == "0\n"
    assert ctl(one, "log", "level", "4") == "4\n"

    def is_noticed():
        # A deletion that the daemon's own look at the kernel finds is no notification.
        one.ns.ip("neigh", "flush", "dev", "flannel.1", "nud", "permanent")
        return "others changed the kernel" in one.daemon.log()

    wait_until(is_noticed, one.daemon.log, every=0.5)
    os.chmod(one.daemon.control_socket, 0o666)
    for folder in (one.folder, one.folder.parent, one.folder.parent.parent):
        os.chmod(folder, 0o755)
    refused = ctl(one, "log", "level", "0", check=False, user=65534)
    assert "only root may change anything" in refused
    assert ctl(one, "log", "level", user=65534) == "4\n"


def test_nobody_else_may_connect(cluster):
    one, _ = cluster.hosts
    mode = os.stat(one.daemon.control_socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
    for folder in (one.folder, one.folder.parent, one.folder.parent.parent):
        os.chmod(folder, 0o755)
    assert "permission denied; root and the group flannel may" in ctl(one, "status", check=False, user=65534)


def test_a_second_daemon_leaves_the_socket_to_the_first(cluster):
    one, two = cluster.hosts
    first = one.daemon.pid()
    two.daemon.stop()
    two.daemon.flags.append(f"--control-socket={one.daemon.control_socket}")
    two.daemon.start().wait_ready()
    two.daemon.wait_log("no control socket: flannelctl cannot ask this daemon")
    assert subnet(one) in ctl(one, "status")
    one.daemon.kill9()
    one.daemon.start().wait_ready()
    assert one.daemon.pid() != first and subnet(one) in ctl(one, "status"), "a socket that was left is replaced"


def test_a_watched_status_goes_on_through_a_restart(cluster):
    one, _ = cluster.hosts
    watch = one.ns.start(binary("flannelctl"), "status", "--watch=100ms",
                         f"--control-socket={one.daemon.control_socket}",
                         stdout=open(one.folder / "watch", "wb"))  # fmt: skip
    seen = lambda: (one.folder / "watch").read_text()  # noqa: E731
    wait_until(lambda: ", ready" in seen(), "the status")
    one.daemon.kill9()
    wait_until(lambda: "no flanneld answers" in seen(), "the end of the daemon")
    one.daemon.start().wait_ready()
    wait_until(lambda: ", ready" in seen().rsplit("no flanneld answers", 1)[1], "the status again")
    watch.kill()
    watch.wait()
