# SPDX-License-Identifier: Apache-2.0
"""The rows that the kernels of the hosts need for an overlay, and those that are missing."""

import ipaddress

from .shell import wait_until


def subnet(host):
    """The leased subnet, "10.5.1.0/24"; None without a lease."""
    env = host.daemon.subnet_env()
    return env and str(ipaddress.ip_interface(env["FLANNEL_SUBNET"]).network)


def base(cidr):
    return cidr.split("/")[0]


def lease_key(cidr):
    return cidr.replace("/", "-")


def vtep_mac(host):
    links = host.ns.ask("link", "show", "flannel.1")
    return links[0]["address"] if links else None


def route_rows(host):
    """Unicast routes of the main table as `DST via GW dev DEV`, with ` onlink` if it is set."""
    rows = set()
    for route in host.ns.ask("route", "show"):
        via = f" via {route['gateway']}" if "gateway" in route else ""
        onlink = " onlink" if "onlink" in route.get("flags", []) else ""
        rows.add(f"route {route['dst']}{via} dev {route.get('dev', '?')}{onlink}")
    return rows


def neighbour_rows(host, link="flannel.1"):
    rows = host.ns.ask("neigh", "show", "dev", link, "nud", "permanent")
    return {f"neigh {row['dst']} lladdr {row['lladdr']} dev {link}" for row in rows}


def fdb_rows(host, link="flannel.1"):
    rows = host.ns.ask_bridge("fdb", "show", "dev", link)
    return {f"fdb {row['mac']} dst {row['dst']} dev {link}" for row in rows if "dst" in row}


def rows(host):
    return route_rows(host) | neighbour_rows(host) | fdb_rows(host)


def vxlan_rows(cidr, mac, address):
    """The rows that reach a peer over vxlan."""
    return {
        f"route {cidr} via {base(cidr)} dev flannel.1 onlink",
        f"neigh {base(cidr)} lladdr {mac} dev flannel.1",
        f"fdb {mac} dst {address} dev flannel.1",
    }


def wanted_rows(peer, backend):
    cidr = subnet(peer)
    if not cidr:
        return {f"the subnet file of {peer.name}"}
    if backend == "udp":  # peers are in the daemon's table, which is not visible
        return {f"route {ipaddress.ip_network(cidr).supernet(new_prefix=16)} dev flannel0"}
    if backend == "host-gw":
        return {f"route {cidr} via {peer.address} dev eth0"}
    return vxlan_rows(cidr, vtep_mac(peer), peer.address)


def missing(hosts, backend):
    """The missing rows of all `hosts` that they need to reach each other."""
    found = []
    for host in hosts:
        have = rows(host)
        for peer in hosts:
            if peer is not host:
                found += [f"{host.name}: {row}" for row in wanted_rows(peer, backend) - have]
    return sorted(found)


def wait_complete(hosts, backend, within=20):
    """Waits until every host has all rows that reach the others."""

    def die_with_daemon():
        for host in hosts:
            host.daemon.must_run()

    wait_until(
        lambda: not missing(hosts, backend),
        lambda: "\n".join(missing(hosts, backend)),
        within,
        unless=die_with_daemon,
    )


def rows_about(host, cidr, address):
    """Rows of a host that name a peer: its subnet, or its address as the remote end of a tunnel."""
    words = (f" {cidr} ", f" {base(cidr)} ", f" {address} ")
    return {row for row in rows(host) if any(word in f"{row} " for word in words)}
