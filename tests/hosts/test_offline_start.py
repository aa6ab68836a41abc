# SPDX-License-Identifier: Apache-2.0
"""A daemon starts while its store is away, from what it knew.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

import gzip
import ipaddress
import json

import pytest

from lab import binary
from lab.cluster import Cluster
from lab.overlay import device, rows
from lab.shell import wait_until
from lab.stores import PREFIX
from lab.traffic import EchoStreams

PEER = '{"PublicIP":"192.0.2.77","BackendType":"vxlan","BackendData":{"VNI":1,"VtepMAC":"02:00:00:00:00:77"}}'


def kept(host):
    """The file of what the host knows; it is there once it was written as a whole."""
    files = list(host.daemon.state_dir.glob("kept-state-*.gz"))
    return files[0] if files else None


def header(host):
    return json.loads(gzip.open(kept(host)).readline())


def wait_kept(*hosts):
    """Waits until each has kept its lease, and the lease of each of the others."""
    for host in hosts:
        wait_until(lambda: kept(host) is not None, lambda: f"the kept state of {host.name}")


def write_many(store, number):
    """Leases of as many hosts that are not there, on small subnets of the network."""
    puts = []
    for at in range(number):
        subnet_of = ipaddress.ip_address("10.5.128.0") + 16 * at
        value = {
            "PublicIP": str(ipaddress.ip_address("198.18.0.0") + at),
            "BackendType": "vxlan",
            "BackendData": {"VNI": 1, "VtepMAC": f"02:00:00:01:{at >> 8:02x}:{at & 255:02x}"},
        }
        puts.append(f"put {PREFIX}/subnets/{subnet_of}-28 {json.dumps(json.dumps(value, separators=(',', ':')))}")
    for first in range(0, number, 100):
        lines = "\n".join(puts[first : first + 100])
        store.etcdctl("txn", input=f"\n{lines}\n\n\n")


def readyz(host):
    """The sentences of the page; "" before it is there."""
    try:
        return host.daemon.health("/readyz")[1]
    except OSError:
        return ""


def lose_all_but_the_state(host, versions):
    """As a boot does, except that the kernel has its boot id still."""
    for version in versions:
        host.ns.ip("link", "del", device(version))
    host.daemon.subnet_file.unlink()


@pytest.mark.parametrize(
    "store, backend, families",
    [("etcd", "vxlan", "dual"), ("etcd", "host-gw", "v4"), ("etcd-v2", "udp", "v4"), ("consul", "vxlan", "v4")],
)
def test_a_host_starts_without_its_store_and_finds_all_as_it_is_when_that_is_back(lab, store, backend, families):
    cluster = Cluster(lab, store, backend, families=families).start(containers=True)
    one, two = cluster.hosts
    before = cluster.subnets()
    one.daemon.kill9()
    one.daemon.start().wait_ready()  # so that it has the other's lease since its start
    wait_kept(one)
    one.daemon.kill9()
    cluster.store.stop()
    if backend == "vxlan":
        lose_all_but_the_state(one, cluster.versions)
    one.daemon.start().wait_ready()
    cluster.wait_complete()
    health = readyz(one)
    assert "the lease ends at" in health, health
    with EchoStreams(cluster, one.container, two.container) as echoes:
        echoes.more()
        cluster.store.start()
        wait_until(lambda: "the lease ends at" not in readyz(one), "the store to be heard")
        echoes.more()
    assert echoes.lost() == []
    assert cluster.subnets() == before


def host_without_store(lab):
    """A host that has kept its state, whose daemon is stopped, and whose store is away."""
    cluster = Cluster(lab, "etcd", hosts=1).start()
    host = cluster.hosts[0]
    wait_kept(host)
    host.daemon.stop()
    cluster.store.stop()
    return host


def test_what_changed_while_it_was_down_is_known_without_a_list(lab):
    """The network has more than 1,000 leases; one with fewer is listed at each start."""
    cluster = Cluster(lab, "etcd").start()
    one = cluster.hosts[0]
    write_many(cluster.store, 1000)
    # A hundred changes of one revision are no history that a host knows, and one change proves nothing.
    cluster.store.delete_lease("10.5.128.0-28")
    cluster.store.put_lease("10.5.101.0-24", PEER.replace("77", "78"))
    cluster.store.put_lease("10.5.102.0-24", PEER.replace("77", "79"))
    one.daemon.stop()
    if kept(one):
        kept(one).unlink()
    one.daemon.start().wait_ready()
    wait_kept(one)
    one.daemon.stop()
    cluster.store.put_lease("10.5.100.0-24", PEER)
    one.daemon.start().wait_ready()
    wait_until(lambda: any("10.5.100.0" in row for row in rows(one, 4)), lambda: str(rows(one, 4)))
    assert "flannel_store_lists_total 0" in one.daemon.health("/metrics")[1], one.daemon.health("/metrics")[1]


def test_a_damaged_file_or_one_of_another_store_is_not_used(lab):
    cluster = Cluster(lab, "etcd", hosts=1).start()
    host = cluster.hosts[0]
    before = cluster.subnets()
    wait_kept(host)
    host.daemon.stop()
    whole = kept(host).read_bytes()
    kept(host).write_bytes(whole[: len(whole) // 2])
    host.daemon.start().wait_ready()
    assert "cannot be used" in host.daemon.log(all_starts=False)
    assert cluster.subnets() == before
    wait_until(lambda: kept(host).read_bytes() != whole[: len(whole) // 2], "the next state to be kept")
    host.daemon.stop()
    other = gzip.decompress(kept(host).read_bytes()).replace(b'"Store":"etcd', b'"Store":"ETCD')
    kept(host).write_bytes(gzip.compress(other))
    host.daemon.start().wait_ready()
    assert "of another store" in host.daemon.log(all_starts=False)
    assert cluster.subnets() == before


def test_a_host_that_shall_not_start_without_its_store_waits(lab):
    cluster = Cluster(lab, "etcd", hosts=1, flags=["--no-offline-start"]).start()
    host = cluster.hosts[0]
    wait_kept(host)
    host.daemon.stop()
    cluster.store.stop()
    host.daemon.subnet_file.unlink()
    host.daemon.start()
    host.daemon.wait_log("store away")
    assert not host.daemon.subnet_file.exists()
    cluster.store.start()
    host.daemon.wait_ready()


def test_after_a_boot_a_host_whose_clock_nobody_vouches_for_waits(lab):
    """The file says that it is of another boot, and this machine's clock may be right or not."""
    host = host_without_store(lab)
    lines = gzip.decompress(kept(host).read_bytes()).decode().replace(header(host)["Boot"], "other-boot")
    lines = lines.replace('"TimeOfServer":true', '"TimeOfServer":false')
    lines = lines.replace('"TimeOfHardware":true', '"TimeOfHardware":false')
    kept(host).write_bytes(gzip.compress(lines.encode()))
    host.daemon.subnet_file.unlink()
    host.daemon.start()
    wait_until(lambda: "booted since" in readyz(host), lambda: readyz(host))
    assert not host.daemon.subnet_file.exists()


def test_a_host_with_another_address_waits_for_its_store(lab):
    """It may be a copy of the one that has the lease."""
    host = host_without_store(lab)
    host.daemon.flags.append("--public-ip=192.0.2.99")
    host.daemon.start()
    wait_until(lambda: "192.0.2.99 now" in readyz(host), lambda: readyz(host))


def test_a_drained_host_has_nothing_to_go_on_with(lab):
    cluster = Cluster(lab, "etcd", hosts=1).start()
    host = cluster.hosts[0]
    wait_kept(host)
    drain = [binary("flannelctl"), *cluster.store.flags(), f"--state-dir={host.daemon.state_dir}"]
    host.ns.run(*drain, "drain")
    wait_until(lambda: kept(host) is None, "the kept state to go")
    host.ns.run(*drain, "undrain")
    wait_kept(host)
