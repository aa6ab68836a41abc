# SPDX-License-Identifier: Apache-2.0
"""Nothing travels in clear between hosts with the backend wireguard.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            sniffer
"""

import contextlib
import signal

from lab import wait_until
from lab.cluster import Cluster
from lab.overlay import WIREGUARD, key_of, subnet, wireguard_rows
from lab.traffic import reached
from lab.watch import reaches_now, sending_marker, watching

DEVICE = WIREGUARD[4]


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
