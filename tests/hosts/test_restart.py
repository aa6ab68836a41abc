# SPDX-License-Identifier: Apache-2.0
"""A daemon ends and is started again, while packets flow.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

import pytest

from lab.cluster import Cluster, wait_rows_gone
from lab.overlay import rows, subnet
from lab.traffic import EchoStream


@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
@pytest.mark.parametrize("backend", ["vxlan", "host-gw"])
@pytest.mark.parametrize("store", ["sqlite", "etcd", "consul"])
def test_a_restart_keeps_the_subnet_and_loses_no_echo(lab, store, backend, end):
    cluster = Cluster(lab, store, backend).start(containers=True)
    one, two = cluster.hosts
    before, had = [subnet(host) for host in cluster.hosts], rows(one)
    with EchoStream(one.container, two.container, lab.folder) as echoes:
        code = one.daemon.stop() if end == "SIGTERM" else one.daemon.kill9()
        assert code == (0 if end == "SIGTERM" else -9)
        assert rows(one) == had, "the data plane outlives the daemon"
        echoes.more()
        one.daemon.start().wait_ready()
        echoes.more()
    assert echoes.lost() == []
    assert [subnet(host) for host in cluster.hosts] == before
    assert rows(one) == had


def test_a_host_that_lost_its_state_but_not_its_address_keeps_its_subnet(lab):
    """The subnet file and the node id are gone, as after a reinstallation."""
    cluster = Cluster(lab).start()
    host = cluster.hosts[0]
    before = subnet(host)
    host.daemon.stop()
    host.daemon.subnet_file.unlink()
    (host.daemon.state_dir / "node-id").unlink()
    host.daemon.start().wait_ready()
    assert subnet(host) == before
    cluster.wait_complete()


def test_a_reboot_keeps_the_subnet_and_the_mac(lab):
    """The devices and /run are lost, /var/lib stays."""
    cluster = Cluster(lab).start()
    host = cluster.hosts[0]
    before, had = subnet(host), rows(host)
    host.daemon.kill9()
    host.ns.ip("link", "del", "flannel.1")
    host.daemon.subnet_file.unlink()
    host.daemon.start().wait_ready()
    assert subnet(host) == before
    cluster.wait_complete()
    assert rows(host) == had


def test_rows_of_peers_that_went_meanwhile_are_removed_and_foreign_ones_stay(lab):
    """Our rows have our device; our routes have the protocol 250."""
    cluster = Cluster(lab).start()
    host = cluster.hosts[0]
    had = rows(host)
    host.daemon.kill9()
    mac, foreign_mac = "02:00:00:00:00:63", "02:00:00:00:00:64"
    host.ns.ip_all(
        "route add 10.5.99.0/24 via 10.5.99.0 dev flannel.1 onlink proto 250\n"
        "route add 10.5.98.0/24 via 192.0.2.77 dev eth0 proto 250\n"
        f"neigh add 10.5.99.0 lladdr {mac} dev flannel.1 nud permanent\n"
    )
    host.ns.bridge("fdb", "add", mac, "dev", "flannel.1", "dst", "192.0.2.99", "self", "permanent")
    stale = rows(host) - had
    assert len(stale) == 4
    host.ns.ip_all(
        "link add vx9 type vxlan id 9 dev eth0 dstport 4789\n"
        "link set vx9 up\n"
        "route add 10.5.97.0/24 via 192.0.2.78 dev eth0 proto static\n"
        "route add 10.6.0.0/16 via 192.0.2.79 dev eth0 proto bird\n"
        "route add 10.5.96.0/24 dev vx9 proto static\n"
        f"neigh add 192.0.2.77 lladdr {foreign_mac} dev eth0 nud permanent\n"
    )
    host.ns.bridge("fdb", "add", foreign_mac, "dev", "vx9", "dst", "192.0.2.88", "self", "permanent")
    both = _all_rows(host)
    foreign = both - stale - had
    assert len(foreign) >= 5
    host.daemon.start().wait_ready()
    wait_rows_gone(host, lambda: rows(host) & stale, "what the earlier process left")
    assert foreign <= _all_rows(host)
    assert had <= rows(host)


def _all_rows(host):
    foreign = host.ns.ip("neigh", "show", "dev", "eth0", "nud", "permanent")
    foreign += host.ns.bridge("fdb", "show", "dev", "vx9")
    return rows(host) | set(foreign.splitlines())
