# SPDX-License-Identifier: Apache-2.0
"""The rows that the kernels of the hosts need for an overlay, and those that are missing.

`version` is 4 or 6, the version of IP."""

import ipaddress

from .shell import wait_until

NETWORK = "10.5.0.0/16"
NETWORK6 = "fd00:5::/48"
IPIP = "flannel.ipip"  # the device of the ipip backend
NETWORKS = {4: NETWORK, 6: NETWORK6}
WIREGUARD = {4: "flannel-wg", 6: "flannel-wg-v6"}  # the devices of the wireguard backend


def subnet(host, version=4):
    """The leased subnet, "10.5.1.0/24"; None without one."""
    env = host.daemon.subnet_env() or {}
    text = env.get("FLANNEL_SUBNET" if version == 4 else "FLANNEL_IPV6_SUBNET")
    return text and str(ipaddress.ip_interface(text).network)


def base(cidr):
    return cidr.split("/")[0]


def version_of(cidr):
    return ipaddress.ip_network(cidr).version


def lease_key(*cidrs):
    """The key of a lease with the subnet of one family, or with those of both, IPv4 first."""
    parts = [cidr.replace("/", "-") for cidr in cidrs]
    return "&".join(["0.0.0.0-0", *parts] if version_of(cidrs[0]) == 6 else parts)


def key_of(host):
    """The key of the lease of a host."""
    return lease_key(*filter(None, (subnet(host, version) for version in (4, 6))))


def device(version):
    """The device of the vxlan backend."""
    return "flannel.1" if version == 4 else "flannel-v6.1"


def vtep_mac(host, version=4):
    links = host.ns.ask("link", "show", device(version))
    return links[0]["address"] if links else None


def route_rows(host, version=4):
    """Unicast routes of the main table as `DST via GW dev DEV`, with ` onlink` if it is set.

    Link-local ones are left out: Linux adds them for every device, and after the device."""
    rows = set()
    for route in host.ns.ask(f"-{version}", "route", "show"):
        if route["dst"].startswith("fe80:"):
            continue
        via = f" via {route['gateway']}" if "gateway" in route else ""
        onlink = " onlink" if "onlink" in route.get("flags", []) else ""
        rows.add(f"route {route['dst']}{via} dev {route.get('dev', '?')}{onlink}")
    return rows


def neighbour_rows(host, version=4):
    link = device(version)
    rows = host.ns.ask(f"-{version}", "neigh", "show", "dev", link, "nud", "permanent")
    return {f"neigh {row['dst']} lladdr {row['lladdr']} dev {link}" for row in rows}


def fdb_rows(host, version=4):
    link = device(version)
    rows = host.ns.ask_bridge("fdb", "show", "dev", link)
    return {f"fdb {row['mac']} dst {row['dst']} dev {link}" for row in rows if "dst" in row}


def wireguard_peers(host, version=4):
    """The peers of the wireguard device, by public key, as (endpoint, allowed IPs); {}: there is no device."""
    shown = host.ns.run("wg", "show", WIREGUARD[version], "dump", check=False)
    peers = (line.split("\t") for line in shown.splitlines()[1:])
    return {key: (endpoint, allowed) for key, _, endpoint, allowed, *_ in peers}


def wireguard_key(host, version=4):
    """The public key of the wireguard device; "": there is none."""
    return host.ns.run("wg", "show", WIREGUARD[version], "public-key", check=False).strip()


def wireguard_rows(host, version=4):
    """The peers of the wireguard device that have an endpoint."""
    return {
        f"wg peer {key} allowed-ips {allowed} dev {WIREGUARD[version]}"
        for key, (endpoint, allowed) in wireguard_peers(host, version).items()
        if endpoint != "(none)"
    }


def policy_rows(host):
    """The policies of IPsec by which packets go into tunnels, with the far ends of these."""
    found = set()
    for line in host.ns.ip("-o", "xfrm", "policy").replace("\\", " ").splitlines():
        words = line.split()
        if "out" in words and "tmpl" in words:
            found.add(f"policy to {words[3]} by {words[words.index('tmpl') + 4]}")
    return found


def rows(host, version=4):
    return route_rows(host, version) | neighbour_rows(host, version) | fdb_rows(host, version)


def vxlan_rows(cidr, mac, address):
    """The rows that reach a peer over vxlan."""
    link = device(version_of(cidr))
    return {
        f"route {cidr} via {base(cidr)} dev {link} onlink",
        f"neigh {base(cidr)} lladdr {mac} dev {link}",
        f"fdb {mac} dst {address} dev {link}",
    }


def wanted_rows(peer, backend, version=4):
    if backend in ("alloc", "extension"):  # other software makes them
        return set()
    cidr = subnet(peer, version)
    if not cidr:
        return {f"the subnet file of {peer.name}"}
    if backend == "udp":  # peers are in the daemon's table, which is not visible
        network = ipaddress.ip_network(cidr).supernet(new_prefix=16 if version == 4 else 48)
        return {f"route {network} dev flannel0"}
    if backend == "ipip":
        return {f"route {cidr} via {peer.underlay(version)} dev {IPIP} onlink"}
    if backend == "host-gw":
        return {f"route {cidr} via {peer.underlay(version)} dev eth0"}
    if backend == "ipsec":
        return {f"route {cidr} via {peer.underlay(version)} dev eth0 onlink", f"policy to {cidr} by {peer.underlay(version)}"}
    if backend == "wireguard":
        link, key = WIREGUARD[version], wireguard_key(peer, version)
        return {f"route {NETWORKS[version]} dev {link}", f"wg peer {key} allowed-ips {cidr} dev {link}"}
    return vxlan_rows(cidr, vtep_mac(peer, version), peer.underlay(version))


def missing(hosts, backend, versions=(4,)):
    """The missing rows of all `hosts` that they need to reach each other."""
    found = []
    for version in versions:
        for host in hosts:
            have = rows(host, version)
            if backend == "wireguard":
                have |= wireguard_rows(host, version)
            if backend == "ipsec":
                have |= policy_rows(host)
            for peer in hosts:
                if peer is not host:
                    found += [f"{host.name}: {row}" for row in wanted_rows(peer, backend, version) - have]
    return sorted(found)


def wait_complete(hosts, backend, versions=(4,), within=60):
    """Waits until every host has all rows that reach the others."""

    def die_with_daemon():
        for host in hosts:
            host.daemon.must_run()

    wait_until(
        lambda: not missing(hosts, backend, versions),
        lambda: "\n".join(missing(hosts, backend, versions)),
        within,
        unless=die_with_daemon,
    )


def rows_about(host, cidr, address):
    """Rows of a host that name a peer: its subnet, or its address as the remote end of a tunnel."""
    words = (f" {cidr} ", f" {base(cidr)} ", f" {address} ")
    return {row for row in rows(host, version_of(cidr)) if any(word in f"{row} " for word in words)}
