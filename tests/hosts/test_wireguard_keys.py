# SPDX-License-Identifier: Apache-2.0
"""The keys of hosts with the backend wireguard: one takes another while packets pass.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            etcd
"""

import json
import signal
import subprocess
import threading
import time

from lab import wait_until
from lab.cluster import Cluster
from lab.flanneld import ctl
from lab.overlay import WIREGUARD, base, lease_key, subnet, wireguard_key, wireguard_peers
from lab.topology import Container
from lab.traffic import EchoStream, EchoStreams, reached
from lab.upstream_wireguard import FollowedLeases, make_upstream_device

DEVICE = WIREGUARD[4]
ROTATE = ("wireguard", "rotate")
SUBNET = "10.5.77.0/24"  # of a peer of upstream


def public_key(private):
    return subprocess.run(["wg", "pubkey"], input=private, check=True, capture_output=True, text=True).stdout.strip()


def kept_key(host):
    return (host.daemon.state_dir / "wireguard-key").read_text()


def announced_key(cluster, host):
    return cluster.lease(host)["BackendData"]["PublicKey"]


def is_consistent(cluster, host):
    """Whether file, device and lease of a host have one key."""
    return public_key(kept_key(host)) == wireguard_key(host) == announced_key(cluster, host)


def rotate(host, **options):
    """Returns the former and the present public key."""
    said = json.loads(ctl(host, *ROTATE, "--json", **options))
    return said["former_public_key"], said["public_key"]


def test_a_rotation_loses_no_packet(lab):
    cluster = Cluster(lab, "etcd", "wireguard", families="dual").start(containers=True)
    one, two = cluster.hosts
    for version in cluster.versions:
        reached(one.container, two.container.at(version))
    lost = []
    for host in one, two:
        with (
            EchoStreams(cluster, one.container, two.container, every=0.02) as there,
            EchoStreams(cluster, two.container, one.container, every=0.02) as back,
        ):
            had = wireguard_key(host)
            former, present = rotate(host)
            assert former == had != present
            # Soon after, the device is without its key for a moment.
            wait_until(lambda host=host, present=present: wireguard_key(host) == present, "the key")
            cluster.wait_complete()
            there.more(50)
            back.more(50)
        lost += [echoes for echoes in (there.lost() + back.lost()) if echoes]
    # On an emulated machine a packet may stand still for longer than the news takes.
    assert len(lost) <= 1, lost
    assert is_consistent(cluster, one) and is_consistent(cluster, two)
    for host in cluster.hosts:
        assert kept_key(host) not in host.daemon.log()


def test_the_former_key_is_refused(lab):
    """A stranger with the former private key gets no answer, and with the present one it does."""
    cluster = Cluster(lab, "etcd", "wireguard").start(containers=True)
    one, two = cluster.hosts
    former = kept_key(one)
    rotate(one)
    cluster.wait_complete()
    stranger = lab.host()
    make_upstream_device(stranger, subnet(one), two, 51820)

    def handshake_with(private):
        stranger.ns.run("wg", "set", DEVICE, "private-key", "/dev/stdin", input=private)
        stranger.ns.run("ping", "-n", "-q", "-c", 20, "-i", "0.05", "-W", "1", base(subnet(two)), check=False)
        return stranger.ns.run("wg", "show", DEVICE, "latest-handshakes").split()[1] != "0"

    assert not handshake_with(former)
    assert handshake_with(kept_key(one))


def test_a_host_of_upstream_follows(lab):
    """It begins no handshake by itself. Echoes go from our host, so nothing of its traffic begins one either."""
    cluster = Cluster(lab, "etcd", "wireguard", hosts=1).start(containers=True)
    one, two = cluster.hosts[0], lab.host()
    key = make_upstream_device(two, SUBNET, one, 51820)
    two.container = Container(two, {"FLANNEL_SUBNET": SUBNET.replace(".0/", ".1/"), "FLANNEL_MTU": "1420"})
    value = {"PublicIP": two.address, "PublicIPv6": None, "BackendType": "wireguard",
             "BackendData": {"PublicKey": key, "Port": 51820}}  # fmt: skip
    cluster.store.put_lease(lease_key(SUBNET), json.dumps(value))
    wait_until(lambda: key in wireguard_peers(one), "the peer")
    reached(one.container, two.container)
    with (
        FollowedLeases(cluster.store, two),
        EchoStream(one.container, two.container, lab.folder, every=0.1) as echoes,
    ):
        _, present = rotate(one)
        wait_until(lambda: present in wireguard_peers(two), "upstream to follow")
        echoes.more(50)
    assert echoes.lost() == []
    reached(two.container, one.container)


def test_what_speaks_against_it_is_named(lab):
    cluster = Cluster(lab, "etcd", "wireguard").start()
    one, two = cluster.hosts
    had = wireguard_key(one)
    file = lab.folder / "given-key"
    file.write_text(kept_key(one))
    file.chmod(0o600)
    one.daemon.stop()
    one.daemon.environment = {"WIREGUARD_KEY_FILE": str(file)}
    one.daemon.start().wait_ready()
    said = ctl(one, *ROTATE, check=False)
    assert f"the private key is in {file}, which WIREGUARD_KEY_FILE names and flanneld does not replace" in said
    assert "(wg genkey) and restart flanneld" in said
    assert (wireguard_key(one), file.read_text()) == (had, kept_key(one))
    cluster.store.stop()
    two.daemon.wait_log("store-away")
    assert "the store cannot be reached" in ctl(two, *ROTATE, check=False)
    cluster.store.start()
    cluster.change_backend("vxlan")
    cluster.wait_announced(cluster.hosts, "vxlan")
    assert "the backend of this host is vxlan, which has no key" in ctl(two, *ROTATE, check=False)


def test_a_store_that_does_not_answer_leaves_the_former_key(lab):
    cluster = Cluster(lab, "etcd", "wireguard").start(containers=True)
    one, two = cluster.hosts
    had = wireguard_key(one)
    cluster.store.freeze()
    said = ctl(one, *ROTATE, check=False)
    assert "the former key stays in use" in said
    reached(one.container, two.container)
    cluster.store.thaw()
    wait_until(lambda: announced_key(cluster, one) == had, "the lease to have the former key")
    cluster.wait_complete()
    reached(one.container, two.container)
    assert is_consistent(cluster, one)


def test_a_crash_at_any_moment_leaves_one_key(lab):
    cluster = Cluster(lab, "etcd", "wireguard").start(containers=True)
    one, two = cluster.hosts
    for pause in (0, 0.01, 0.03, 0.1, 0.3):
        asked = threading.Thread(target=ctl, args=[one, *ROTATE], kwargs={"check": False})
        had = kept_key(one)
        asked.start()
        deadline = time.monotonic() + 5
        while kept_key(one) == had and time.monotonic() < deadline:
            pass
        time.sleep(pause)
        one.daemon.kill9()
        asked.join()
        one.daemon.start().wait_ready()
        wait_until(lambda: is_consistent(cluster, one), "one key in file, device and lease")
        cluster.wait_complete()
        reached(one.container, two.container)
        reached(two.container, one.container)
    # While the lease with the new key is being written.
    cluster.store.freeze()
    asked = threading.Thread(target=ctl, args=[one, *ROTATE], kwargs={"check": False})
    asked.start()
    had = kept_key(one)
    wait_until(lambda: kept_key(one) != had, "another key")
    one.daemon.signal(signal.SIGKILL)
    one.daemon.wait_exit()
    asked.join()
    cluster.store.thaw()
    one.daemon.start().wait_ready()
    wait_until(lambda: is_consistent(cluster, one), "one key in file, device and lease")
    cluster.wait_complete()
    reached(one.container, two.container)


def test_a_copied_key_file_is_replaced(lab):
    """A machine image with a key file: the younger host takes another key, and nobody is cut off."""
    cluster = Cluster(lab, "etcd", "wireguard").start(containers=True)
    one, two = cluster.hosts
    three = cluster.add_host()
    three.daemon.state_dir.mkdir(exist_ok=True)
    (three.daemon.state_dir / "wireguard-key").write_text(kept_key(one))
    had = wireguard_key(one)
    with EchoStreams(cluster, two.container, one.container, every=0.05) as echoes:
        three.daemon.start().wait_ready()
        wait_until(lambda: is_consistent(cluster, three) and wireguard_key(three) != had, "another key")
        cluster.wait_complete()
        echoes.more(50)
    three.start_container()
    reached(three.container, one.container)
    reached(two.container, three.container)
    assert wireguard_key(one) == had and is_consistent(cluster, one)
    assert "an older lease of another host has our WireGuard key" in three.daemon.log()
