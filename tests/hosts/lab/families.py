# SPDX-License-Identifier: Apache-2.0
"""Clusters with IPv6, alone or beside IPv4."""

import ipaddress

from .cluster import Cluster
from .shell import wait_until

NETWORK6 = "fd00:5::/48"
LAST_SUBNET6_OF_HOSTS = "fd00:5:0:3f::"  # as LAST_SUBNET_OF_HOSTS
VERSIONS = {"dual": (4, 6), "v6": (6,)}


class FamilyCluster(Cluster):
    """`families`: "dual", or "v6" for hosts and a network without IPv4."""

    def __init__(self, lab, families, store="sqlite", backend="vxlan", hosts=2, **options):
        self.families = families
        super().__init__(lab, store, backend, hosts, **options)
        self.config |= {
            "EnableIPv4": families == "dual",
            "EnableIPv6": True,
            "IPv6Network": NETWORK6,
            "IPv6SubnetMax": LAST_SUBNET6_OF_HOSTS,
        }
        if families == "v6":
            del self.config["Network"], self.config["SubnetMax"]

    @property
    def versions(self):
        return VERSIONS[self.families]

    def add_host(self):
        host = super().add_host()
        host.add_ipv6()
        if self.families == "v6" and self.store.flags()[0].startswith("--store=sqlite"):
            host.remove_ipv4()
        return host

    def missing(self):
        return [
            f"{host.name}: {row}"
            for host in self.hosts
            for peer in self.hosts
            if peer is not host
            for version in self.versions
            for row in wanted_rows(peer, self.backend, version) - rows(host, version)
        ]

    def wait_complete(self, within=20):
        def die_with_daemon():
            for host in self.hosts:
                host.daemon.must_run()

        wait_until(
            lambda: not self.missing(),
            lambda: "\n".join(self.missing()),
            within,
            unless=die_with_daemon,
        )


def subnet(host, version):
    """The leased subnet of IP version 4 or 6; None without one."""
    env = host.daemon.subnet_env() or {}
    text = env.get("FLANNEL_SUBNET" if version == 4 else "FLANNEL_IPV6_SUBNET")
    return text and str(ipaddress.ip_interface(text).network)


def device(version):
    return "flannel.1" if version == 4 else "flannel-v6.1"


def rows(host, version):
    """Our routes, permanent neighbours and FDB entries of one IP version."""
    family = f"-{version}"
    found = set()
    for route in host.ns.ask(family, "route", "show"):
        via = f" via {route['gateway']}" if "gateway" in route else ""
        onlink = " onlink" if "onlink" in route.get("flags", []) else ""
        found.add(f"route {route['dst']}{via} dev {route.get('dev', '?')}{onlink}")
    link = device(version)
    for row in host.ns.ask(family, "neigh", "show", "dev", link, "nud", "permanent"):
        found.add(f"neigh {row['dst']} lladdr {row['lladdr']} dev {link}")
    for row in host.ns.ask_bridge("fdb", "show", "dev", link):
        if "dst" in row:
            found.add(f"fdb {row['mac']} dst {row['dst']} dev {link}")
    return found


def wanted_rows(peer, backend, version):
    """The rows that reach a peer."""
    cidr = subnet(peer, version)
    if not cidr:
        return {f"the subnet file of {peer.name}"}
    address = peer.address if version == 4 else peer.address6
    if backend == "udp":
        network = ipaddress.ip_network(cidr).supernet(new_prefix=16 if version == 4 else 48)
        return {f"route {network} dev flannel0"}
    if backend == "host-gw":
        return {f"route {cidr} via {address} dev eth0"}
    base, link = cidr.split("/")[0], device(version)
    mac = peer.ns.ask("link", "show", link)[0]["address"]
    return {
        f"route {cidr} via {base} dev {link} onlink",
        f"neigh {base} lladdr {mac} dev {link}",
        f"fdb {mac} dst {address} dev {link}",
    }
