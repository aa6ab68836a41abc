# SPDX-License-Identifier: Apache-2.0
"""Machines made of network namespaces.

    ┌ lan ──────────────── bridge lan0, 192.0.2.254/24 ───────────────┐
    │        │                     │                        │         │
    │     h1 │                  h2 │                   etcd │         │
    └────────┼─────────────────────┼────────────────────────┼─────────┘
    ┌ h1 ────┴───────────┐ ┌ h2 ───┴────────────┐ ┌ etcd ───┴─────────┐
    │ eth0 192.0.2.1/24  │ │ eth0 192.0.2.2/24  │ │ eth0 192.0.2.250  │
    │ cni0 10.5.1.1/24   │ │ cni0 10.5.2.1/24   │ └───────────────────┘
    │  │ c1              │ │  │ c2              │
    └──┼─────────────────┘ └──┼─────────────────┘
    ┌ h1c ─────────────────┐ ┌ h2c ─────────────────┐
    │ eth0 10.5.1.10/24    │ │ eth0 10.5.2.10/24    │
    └──────────────────────┘ └──────────────────────┘

Nothing is made in the namespace of the caller. All names begin with the lab's prefix.
"""

import ipaddress
import shutil

from .consul import Consul
from .etcd_cluster import EtcdCluster
from .flanneld import Flanneld
from .namespace import Namespace, names_with, pids_in
from .reaper import remove_cgroups, remove_namespaces
from .shell import wait_until
from .stores import Etcd, EtcdV2, Sqlite

LAN = "192.0.2"
LAN6 = "2001:db8:2:"


def skip_duplicate_detection(ns):
    """Makes the IPv6 addresses of a namespace, and of its eth0, usable at once: nobody else has them."""
    for conf in ("all", "default", "eth0"):
        ns.run("sysctl", "-qw", f"net.ipv6.conf.{conf}.accept_dad=0")


def wait_up(ns, device):
    """Waits until Linux has noticed that a device has a carrier: it then adds routes and addresses of IPv6."""
    wait_until(lambda: ns.ask("link", "show", device)[0]["operstate"] == "UP", f"{device} of {ns} to be up")


class Container:
    """A namespace behind the bridge cni0 of its host, with an address in each subnet that the host leased.

    `gateways`: the addresses of cni0 by version of IP. `number`: of the bridge and the container, from 0 on."""

    def __init__(self, host, env, number=0):
        mtu = env["FLANNEL_MTU"]
        self.host = host
        self.ns = Namespace(host.ns.name + "c" + (str(number) if number else ""))
        self.bridge, port = f"cni{number}", f"c{number + 1}"
        host.ns.ip_all(
            f"link add {self.bridge} mtu {mtu} type bridge\n"
            f"link set {self.bridge} up\n"
            f"link add {port} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {self.ns}\n"
            f"link set {port} master {self.bridge} up\n"
        )
        skip_duplicate_detection(self.ns)
        self.ns.ip_all("link set eth0 up\n")
        wait_up(self.ns, "eth0")
        wait_up(host.ns, "cni0")
        subnets = [env[key] for key in ("FLANNEL_SUBNET", "FLANNEL_IPV6_SUBNET") if key in env]
        self.gateways = {gateway.version: str(gateway.ip) for gateway in map(ipaddress.ip_interface, subnets)}
        self.addresses = [self._join(ipaddress.ip_interface(subnet)) for subnet in subnets]
        self.address = self.addresses[0]

    def _join(self, gateway):
        address = str(gateway.network.network_address + 10)
        nodad = " nodad" if gateway.version == 6 else ""
        self.host.ns.ip_all(f"addr add {gateway} dev {self.bridge}{nodad}\n")
        self.ns.ip_all(
            f"addr add {address}/{gateway.network.prefixlen} dev eth0{nodad}\n"
            f"route add default via {gateway.ip} dev eth0\n"
        )
        return address

    def at(self, version):
        """This container as a target of traffic of IP version 4 or 6."""
        return Target(self, next(a for a in self.addresses if ipaddress.ip_address(a).version == version))


class Target:
    """A container by one of its addresses."""

    def __init__(self, container, address):
        self.ns, self.host, self.address = container.ns, container.host, address


class Host:
    """A machine with eth0 on the LAN, a default route and forwarding, and its daemon after the start."""

    def __init__(self, lab, name, number):
        self.lab = lab
        self.name = name
        self.address = f"{LAN}.{number}"
        self.folder = lab.folder / name
        self.folder.mkdir()
        self.ns = Namespace(lab.prefix + name)
        lab.lan.ip_all(
            f"link add {name} type veth peer name eth0 netns {self.ns}\n"
            f"link set {name} master lan0 up\n"
        )
        skip_duplicate_detection(self.ns)
        self.ns.ip_all(
            f"addr add {self.address}/24 dev eth0\n"
            f"link set eth0 up\n"
            f"route add default via {LAN}.254\n"
        )
        self.ns.sysctl(net_ipv4_ip_forward=1)
        wait_up(self.ns, "eth0")
        self.number = number
        self.address6 = None
        self.container = None
        self.daemon = None

    def underlay(self, version):
        """The address of eth0 of IP version 4 or 6."""
        return self.address if version == 4 else self.address6

    def add_ipv6(self):
        """Gives eth0 an IPv6 address beside the IPv4 one, and forwarding."""
        self.address6 = f"{LAN6}:{self.number:x}"
        self.forward_ipv6()
        self.ns.ip_all(
            f"addr add {self.address6}/64 dev eth0 nodad\n"
            f"route add default via {LAN6}:fe dev eth0 onlink\n"
        )

    def forward_ipv6(self):
        """Lets packets of containers pass; eth0 needs no IPv6 address for that."""
        self.ns.run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")

    def remove_ipv4(self):
        """Leaves eth0 with its IPv6 address alone, which is then the address of the host."""
        self.ns.ip("-4", "addr", "flush", "dev", "eth0")
        self.address = self.address6

    def flanneld(self, store, *flags, **options):
        """A daemon for this host, not started yet."""
        self.daemon = Flanneld(self, store, *flags, **options)
        self.lab.daemons.append(self.daemon)
        return self.daemon

    def start_container(self):
        self.container = Container(self, self.daemon.subnet_env())
        return self.container

    def plug(self, up):
        """Plugs or unplugs the cable of eth0."""
        self.lab.lan.ip("link", "set", self.name, "up" if up else "down")


class Lab:
    def __init__(self, run):
        self.prefix, self.folder = run.next_lab()
        self.daemons = []
        self.engines = []
        self.lan = Namespace(self.prefix + "lan")
        self.lan.ip_all(
            "link add lan0 type bridge\n"
            f"addr add {LAN}.254/24 dev lan0\n"
            f"addr add {LAN6}:fe/64 dev lan0 nodad\n"
            "link set lan0 up\n"
        )
        self.hosts = []
        self._etcd = None
        self._etcd_cluster = None
        self._consul = None

    def host(self):
        number = len(self.hosts) + 1
        self.hosts.append(Host(self, f"h{number}", number))
        return self.hosts[-1]

    def etcd_cluster(self, certificates=None):
        """Three etcd members, on machines of their own, not started."""
        self._etcd_cluster = EtcdCluster(
            lambda name, number: Host(self, name, number), certificates
        )
        return self._etcd_cluster

    def etcd(self, running=True, kind=Etcd, version=4):
        """The lab's own etcd, on a machine of its own, which serves on its address of IP version 4 or 6."""
        if not self._etcd:
            self._etcd = kind(self._store_host("etcd", 250), version)
        if running and not self._etcd.running():
            self._etcd.start()
        return self._etcd

    def consul(self, version=4):
        """The lab's own Consul, on a machine of its own, running."""
        if not self._consul:
            self._consul = Consul(self._store_host("consul", 249), version)
        if not self._consul.running():
            self._consul.start()
        return self._consul

    def _store_host(self, name, number):
        host = Host(self, name, number)
        host.add_ipv6()
        return host

    def sqlite(self):
        return Sqlite(self.folder / "flannel.db")

    def store(self, kind, version=4):
        """Makes a store by its name: etcd, etcd-v2, consul or sqlite; returns one that was made before.

        `version`: the version of IP by which daemons reach it."""
        if not isinstance(kind, str):
            return kind
        if kind == "sqlite":
            return self.sqlite()
        if kind == "consul":
            return self.consul(version)
        return self.etcd(kind=EtcdV2 if kind == "etcd-v2" else Etcd, version=version)

    def logs(self):
        """Returns (title, text) of every program that the lab started."""
        parts = [(f"flanneld on {d.host.name}", d.log()) for d in self.daemons if d.started()]
        parts += [(f"dockerd on {e.host.name}", e.log()[-3000:]) for e in self.engines]
        if self._etcd:
            parts.append(("etcd", self._etcd.log()[-1500:]))
        if self._consul:
            parts.append(("consul", self._consul.log()[-1500:]))
        if self._etcd_cluster:
            parts.append(("etcd", self._etcd_cluster.log()))
        return parts

    def close(self):
        remove_namespaces(self.prefix)
        for program in [*self.daemons, *self.engines]:
            program.reap()
        if self._etcd:
            self._etcd.reap()
        if self._consul:
            self._consul.reap()
        if self._etcd_cluster:
            self._etcd_cluster.reap()
        remove_cgroups(self.prefix)
        # An etcd allocates 128 MB; all of a run would fill the disk, and keep it busy.
        shutil.rmtree(self.folder, ignore_errors=True)

    def left_behind(self):
        """The namespaces that still exist, with the number of processes in each."""
        return {name: len(pids_in(name)) for name in names_with(self.prefix)}
