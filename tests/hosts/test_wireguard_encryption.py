# SPDX-License-Identifier: Apache-2.0
"""Nothing travels in clear between hosts with the backend wireguard.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            sniffer
"""

import contextlib
import pathlib
import signal
import subprocess
import sys

from lab import wait_until
from lab.cluster import Cluster
from lab.overlay import WIREGUARD, key_of, subnet, wireguard_rows
from lab.traffic import reached

DEVICE = WIREGUARD[4]
MARKER = "f1a77e1c1ea4".ljust(16, "7")


@contextlib.contextmanager
def watching(lab, port=51820):
    """Yields a list that gets (packets with MARKER, packets of `port`) on the LAN at the end."""
    program = pathlib.Path(__file__).parent / "lab/sniffer.py"
    sniffer = lab.lan.start(sys.executable, program, MARKER, port, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)  # fmt: skip
    seen = []
    try:
        assert sniffer.stdout.readline() == "ready\n"
        yield seen
        said, _ = sniffer.communicate(timeout=60)
        seen += map(int, said.split())
    finally:
        sniffer.kill()
        sniffer.wait()


@contextlib.contextmanager
def sending_marker(source, target):
    """Sends echoes with MARKER to `target` all the time."""
    pinging = source.ns.start("ping", "-n", "-q", "-i", "0.05", "-p", MARKER, target.address,
                              stdout=subprocess.DEVNULL)  # fmt: skip
    try:
        yield
    finally:
        pinging.kill()
        pinging.wait()


def test_the_watch_sees_what_travels_in_clear(lab):
    cluster = Cluster(lab, backend="vxlan").start(containers=True)
    one, two = cluster.hosts
    with watching(lab) as seen, sending_marker(one.container, two.container):
        reached(one.container, two.container)
    assert seen[0] > 0


def test_nothing_travels_in_clear(lab):
    """Whatever ends, is restarted, goes or gets another key."""
    cluster = Cluster(lab, "etcd", "wireguard").start(containers=True)
    one, two = cluster.hosts
    three = cluster.add_host()
    with watching(lab) as seen, contextlib.ExitStack() as pings:
        for source, target in ((one, two), (two, one)):
            pings.enter_context(sending_marker(source.container, target.container))
        reached(one.container, two.container)
        for end in one.daemon.stop, two.daemon.kill9:
            end()
        for daemon in two.daemon, one.daemon:
            daemon.start().wait_ready()
        reached(one.container, two.container)
        three.daemon.start().wait_ready()  # another peer comes
        cluster.wait_complete()
        one.daemon.signal(signal.SIGSTOP)  # nobody repairs
        one.ns.ip("link", "del", DEVICE)
        assert not reaches_now(one, two)
        one.daemon.signal(signal.SIGCONT)
        cluster.wait_complete()
        reached(one.container, two.container)
        two.daemon.kill9()  # another key
        (two.daemon.state_dir / "wireguard-key").unlink()
        two.daemon.start().wait_ready()
        cluster.wait_complete()
        reached(one.container, two.container)
        two.daemon.kill9()  # a peer is forgotten
        key = key_of(two)
        cluster.store.delete_lease(key)
        wait_until(lambda: not any(subnet(two) in row for row in wireguard_rows(one)), "the peer to go")
        assert not reaches_now(one, two)
        two.daemon.start().wait_ready()
        cluster.wait_complete()
        reached(one.container, two.container)
    clear, wrapped = seen
    assert clear == 0
    assert wrapped > 100


def reaches_now(one, two):
    asked = one.container.ns.run(
        "ping", "-n", "-q", "-c", "10", "-i", "0.05", "-W", "1", two.container.address, check=False
    )
    return " 100% packet loss" not in asked
