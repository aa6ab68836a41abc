# SPDX-License-Identifier: Apache-2.0
"""What is particular to the backend wireguard: its devices, keys and peers, and peers of upstream. The other suites have
it among their backends.

    h1c ── cni0 ─ h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2 ─ cni0 ── h2c
                            store
"""

import json
import signal
import stat
import subprocess
import sys

import pytest

from lab import CommandFailed, binary, upstream, wait_until
from lab.cluster import Cluster
from lab.damage import damage_and_wait
from lab.flanneld import ctl
from lab.overlay import (
    NETWORKS, WIREGUARD, base, lease_key, route_rows, subnet, wireguard_key, wireguard_peers,
)  # fmt: skip
from lab.topology import Container
from lab.traffic import EchoStreams, ping, reached, transfer
from lab.upstream_wireguard import make_upstream_device

DEVICE = WIREGUARD[4]
SUBNET = "10.5.77.0/24"  # of a peer of upstream


def wg(host, *words, **options):
    return host.ns.run("wg", *words, **options)


def device(host, version=4):
    """What `ip` and `wg` say of the device and its peers; {}: there is none. The endpoint of a peer may change."""
    links = host.ns.ask("-d", "link", "show", WIREGUARD[version])
    if not links:
        return {}
    first, *peers = wg(host, "show", WIREGUARD[version], "dump").splitlines()
    private, public, port, mark = first.split("\t")
    return {
        "mtu": links[0]["mtu"],
        "up": "UP" in links[0]["flags"],
        "keys": (private, public),
        "port": (port, mark),
        "peers": {tuple(peer.split("\t")[i] for i in (0, 1, 3, 7)) for peer in peers},
        "addresses": [
            (address["local"], address["prefixlen"])
            for shown in host.ns.ask("addr", "show", WIREGUARD[version])
            for address in shown["addr_info"]
            if address["scope"] == "global"
        ],
    }


def handshakes(host):
    return wg(host, "show", DEVICE, "latest-handshakes")


def index(host):
    return host.ns.ask("link", "show", DEVICE)[0]["ifindex"]


def test_the_device_and_the_lease_are_those_of_upstream(lab):
    cluster = Cluster(lab, backend="wireguard", hosts=1).start()
    one = cluster.hosts[0]
    found = device(one)
    assert (found["mtu"], found["up"], found["port"]) == (1420, True, ("51820", "off"))
    assert found["addresses"] == [(base(subnet(one)), 32)]
    file = one.daemon.state_dir / "wireguard-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert found["keys"][0] == file.read_text()
    (value,) = cluster.store.lease_values().values()
    assert upstream.as_upstream(value) == (
        f'{{"PublicIP":"{one.address}","PublicIPv6":null,"BackendType":"wireguard",'
        f'"BackendData":{{"PublicKey":"{found["keys"][1]}","Port":51820}}}}'
    )
    assert found["keys"][0] not in one.daemon.log()


def test_one_device_carries_both_families_over_one(lab):
    """Mode ipv6: the packets of both families are in those of IPv6."""
    cluster = Cluster(lab, backend="wireguard", families="dual")
    cluster.config["Backend"]["Mode"] = "ipv6"
    cluster.store.set_config(cluster.config)
    one, two = cluster.hosts
    for host in cluster.hosts:
        host.daemon.start().wait_ready()
        host.start_container()
    for version in (4, 6):
        reached(one.container, two.container.at(version))
    assert wireguard_peers(one) == {
        wireguard_key(two): (f"[{two.address6}]:51820", ",".join(sorted([subnet(two), subnet(two, 6)])))
    }
    assert device(one, 6) == {}
    for version in (4, 6):
        assert f"route {NETWORKS[version]} dev {DEVICE}" in route_rows(one, version)
        assert f"route default dev {DEVICE}" not in route_rows(one, version)


def test_a_restart_keeps_device_peers_and_handshakes(lab):
    cluster = Cluster(lab, backend="wireguard").start(containers=True)
    one, two = cluster.hosts
    reached(one.container, two.container)
    had = index(one), handshakes(one), device(one)
    with EchoStreams(cluster, one.container, two.container) as echoes:
        for end in one.daemon.stop, one.daemon.kill9:
            end()
            echoes.more()
            one.daemon.start().wait_ready()
            cluster.wait_complete()
            echoes.more()
            assert (index(one), handshakes(one), device(one)) == had
    assert echoes.lost() == []


# {peer}: the key of the peer; {elsewhere}: an address that no host has.
DAMAGE = {
    "the route is deleted": "ip route del {network} dev {link}",
    "the blackhole is deleted": "ip route del blackhole {network} metric 4294967295",
    "the route leads elsewhere": "ip route replace {network} via {elsewhere} dev eth0 proto 250",
    "all routes are flushed": "ip route flush proto 250",
    "the address is deleted": "ip addr flush dev {link} scope global",
    "the device is deleted": "ip link del {link}",
    "the device is down": "ip link set {link} down",
    "the mtu is changed": "ip link set {link} mtu 1300",
    # No notification tells of what follows, so what is known to come with one goes along.
    "the peer is deleted": "wg set {link} peer {peer} remove",
    "the peer has no subnet": "wg set {link} peer {peer} allowed-ips 10.9.9.0/24",
    "the peer has another subnet too": "wg set {link} peer {peer} allowed-ips {subnet},10.9.9.0/24",
    "the peer has a preshared key": "sh -c 'wg genpsk | wg set {link} peer {peer} preshared-key /dev/stdin'",
    "the peer has a keepalive": "wg set {link} peer {peer} persistent-keepalive 7",
    "a stranger is a peer": "sh -c 'wg set {link} peer $(wg genkey | wg pubkey) allowed-ips 10.5.63.0/24'",
    "the port is another": "wg set {link} listen-port 4711",
    "packets have a mark": "wg set {link} fwmark 7",
    "the key is another": "sh -c 'wg genkey | wg set {link} private-key /dev/stdin'",
}


def test_damage_is_repaired(lab):
    cluster = Cluster(lab, backend="wireguard").start(containers=True)
    one, two = cluster.hosts
    words = {"link": DEVICE, "subnet": subnet(two), "network": NETWORKS[4], "peer": wireguard_key(two),
             "elsewhere": "192.0.2.200"}  # fmt: skip

    def say():
        if command.startswith(("wg", "sh")):
            one.ns.ip("link", "set", DEVICE, "mtu", "1300")

    for damage, command in DAMAGE.items():
        damage_and_wait(one, damage, command.format(**words), lambda: (device(one), route_rows(one)), say)
    reached(one.container, two.container)


def test_what_wg_changes_is_found_within_a_minute(lab):
    """The kernel does not notify of peers."""
    cluster = Cluster(lab, backend="wireguard").start(containers=True)
    one, two = cluster.hosts
    wg(one, "set", DEVICE, "peer", wireguard_key(two), "remove")
    cluster.wait_complete(within=90)
    reached(one.container, two.container)


def test_an_endpoint_that_works_stays_and_one_that_does_not_is_put_back(lab):
    """A peer behind a NAT sends from another port than the one that it announces."""
    cluster = Cluster(lab, backend="wireguard").start(containers=True)
    one, two = cluster.hosts
    key, announced = wireguard_key(two), f"{two.address}:51820"
    two.daemon.signal(signal.SIGSTOP)
    wg(two, "set", DEVICE, "listen-port", "40000")
    reached(two.container, one.container)
    assert wireguard_peers(one)[key][0] == f"{two.address}:40000"

    def look():
        """Has the daemon look at the kernel, and put its device right."""
        one.ns.ip("link", "set", DEVICE, "mtu", "1300")
        wait_until(lambda: device(one)["mtu"] == 1420, "the repair")

    look()
    assert wireguard_peers(one)[key][0] == f"{two.address}:40000"
    # Other changes of the peer leave the endpoint too.
    wg(one, "set", DEVICE, "peer", key, "persistent-keepalive", "7")
    look()
    assert wireguard_peers(one)[key][0] == f"{two.address}:40000"
    reached(one.container, two.container)
    two.daemon.signal(signal.SIGCONT)
    # Without a handshake an endpoint is not known to work.
    wg(one, "set", DEVICE, "peer", key, "remove")
    wg(one, "set", DEVICE, "peer", key, "endpoint", "192.0.2.200:9", "allowed-ips", subnet(two))
    look()
    assert wireguard_peers(one)[key][0] == announced


def test_from_vxlan_to_wireguard_and_back_loses_no_packet(lab):
    """Emulated processors encrypt too slowly for a TCP stream beside the echoes."""
    cluster = Cluster(lab, "etcd", "vxlan").start(containers=True)
    one, two = cluster.hosts
    with (
        EchoStreams(cluster, one.container, two.container, every=0.05) as there,
        EchoStreams(cluster, two.container, one.container, every=0.05) as back,
    ):
        for backend in "wireguard", "vxlan":
            cluster.change_backend(backend)
            cluster.wait_announced(cluster.hosts, backend)
            cluster.wait_complete()
            there.more(50)
            back.more(50)
    assert (there.lost(), back.lost()) == ([], [])


def test_a_live_change_of_port_and_psk_is_followed(lab):
    psk = subprocess.run(["wg", "genpsk"], check=True, capture_output=True, text=True).stdout.strip()
    cluster = Cluster(lab, "etcd", "wireguard").start(containers=True)
    one, two = cluster.hosts
    cluster.change_backend("wireguard", PSK=psk, ListenPort=4500, PersistentKeepaliveInterval=25)
    for here, there in ((one, two), (two, one)):
        wait_until(
            lambda: device(here)["port"] == ("4500", "off")
            and wireguard_peers(here)[wireguard_key(there)][0] == f"{there.address}:4500"
            and device(here)["peers"] == {(wireguard_key(there), psk, subnet(there), "25")},
            lambda: str(device(here)),
        )
    reached(one.container, two.container)
    for host in cluster.hosts:
        assert psk not in host.daemon.log()


def test_the_ports_of_two_devices_are_exchanged(lab):
    cluster = Cluster(lab, "etcd", "wireguard", families="dual").start(containers=True)
    one, two = cluster.hosts
    cluster.change_backend("wireguard", ListenPort=51821, ListenPortV6=51820)
    ports = {4: ("51821", "off"), 6: ("51820", "off")}
    wait_until(
        lambda: all(device(host, version)["port"] == ports[version] for host in (one, two) for version in ports),
        lambda: str([device(host, version)["port"] for host in (one, two) for version in ports]),
    )
    wait_until(
        lambda: wireguard_peers(one)[wireguard_key(two)][0] == f"{two.address}:51821",
        lambda: str(wireguard_peers(one)),
    )
    for version in ports:
        reached(one.container, two.container.at(version))


def test_a_host_of_upstream_is_reached_and_reaches_us(lab):
    port = 4321
    cluster = Cluster(lab, "etcd", "wireguard", hosts=1).start(containers=True)
    one, two = cluster.hosts[0], lab.host()
    key = make_upstream_device(two, SUBNET, one, port)
    two.container = Container(two, {"FLANNEL_SUBNET": SUBNET.replace(".0/", ".1/"), "FLANNEL_MTU": "1420"})
    data = {"PublicKey": key, "Port": port}
    cluster.store.put_lease(
        lease_key(SUBNET),
        json.dumps({"PublicIP": two.address, "PublicIPv6": None, "BackendType": "wireguard", "BackendData": data}),
    )
    wait_until(
        lambda: wireguard_peers(one) == {key: (f"{two.address}:{port}", SUBNET)},
        lambda: str(wireguard_peers(one)),
    )
    for source, target in ((one, two), (two, one)):
        ping(source.container, target.container)
        sent, received = transfer(source.container, target.container, megabytes=1)
        assert sent == received


def test_a_port_in_use_is_named(lab):
    cluster = Cluster(lab, backend="wireguard", hosts=1)
    one = cluster.hosts[0]
    holder = one.ns.start(
        sys.executable, "-c",
        "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        "s.bind(('0.0.0.0', 51820)); print('ready', flush=True); sys.stdin.read()",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout.readline() == "ready\n"
        cluster.store.set_config(cluster.config)
        one.daemon.start()
        words = "UDP port 51820 is in use"
        wait_until(lambda: words in one.daemon.log(), lambda: one.daemon.log()[-2000:])
    finally:
        holder.kill()
        holder.wait()
    wait_until(lambda: device(one).get("up"), lambda: one.daemon.log()[-2000:])


def test_trace_and_doctor_know_the_tunnel(lab):
    cluster = Cluster(lab, backend="wireguard").start(containers=True)
    one, two = cluster.hosts
    reached(one.container, two.container)
    ends = (one.container.address, two.container.address)

    def steps():
        said = ctl(one, "trace", "--json", *ends, check=False, inside=True)
        answer = json.loads(said[: said.rindex("}") + 1])
        return {step["step"]: step["text"] for step in answer["steps"] if step["way"] == "there"}

    wait_until(lambda: " ms" in steps().get("answer", ""), lambda: str(steps()))
    found = steps()
    assert found["route"] == f"from cni0 dev {DEVICE} (wireguard), MTU 1420"
    assert found["endpoint"].startswith(f"at {two.address}:51820, last handshake ")
    assert found["tunnel"] == f"no rule is known to drop it as udp/51820 to {two.address} by eth0"
    one.ns.run("nft", "add table ip fw; add chain ip fw out { type filter hook output priority 0; };"
               "add rule ip fw out udp dport 51820 drop")  # fmt: skip
    assert "dropped by nftables table ip fw, chain out: udp dport 51820" in steps()["tunnel"]
    said = ctl(one, "doctor", check=False, inside=True)
    assert f"drops the overlay's own udp/51820 to {two.address}" in said


@pytest.mark.parametrize("flags", [(), ("--backend=wireguard",)])
def test_cleanup_removes_the_devices(lab, flags):
    cluster = Cluster(lab, backend="wireguard", hosts=1, families="dual").start()
    one = cluster.hosts[0]
    one.daemon.stop()
    said = one.ns.run(binary("flannelctl"), "cleanup", *flags)
    for version in (4, 6):
        assert f"removed device {WIREGUARD[version]}\n" in said
        assert device(one, version) == {}


def test_a_fallback_is_refused_in_words(lab):
    words = "Fallback in the wireguard backend's options: there is none"
    cluster = Cluster(lab, "etcd", "wireguard", hosts=1)
    cluster.config["Backend"]["Fallback"] = "vxlan"
    cluster.store.set_config(cluster.config)  # by etcdctl, which checks nothing
    cluster.hosts[0].daemon.start().wait_log(words)
    with pytest.raises(CommandFailed, match=words):
        lab.sqlite().set_config(cluster.config)  # by flannelctl
