# SPDX-License-Identifier: Apache-2.0
"""The state that releases of upstream flannel leave on a host, word for word, without their programs."""

import ipaddress
import json
import re

from .overlay import base, device, version_of
from .topology import Container

MASQ = '-m comment --comment "flanneld masq"'
FORWARD = '-m comment --comment "flanneld forward"'


def as_upstream(value):
    """A stored lease of ours, without the two members that upstream ignores."""
    known, ours = re.subn(r',"NodeID":"[0-9a-f]{32}/[0-9a-f]{8}","Backend":{[^{}]*}}$', "}", value)
    assert ours == 1, value
    return known


def rules(release, network, subnet):
    """Input of iptables-restore: v0.10 has rules directly in the parent chains, v0.28 has chains of its own."""
    if release == "v0.10":
        return f"""*nat
-A POSTROUTING -s {network} -d {network} -j RETURN
-A POSTROUTING -s {network} ! -d 224.0.0.0/4 -j MASQUERADE
-A POSTROUTING ! -s {network} -d {subnet} -j RETURN
-A POSTROUTING ! -s {network} -d {network} -j MASQUERADE
COMMIT
*filter
-A FORWARD -s {network} -j ACCEPT
-A FORWARD -d {network} -j ACCEPT
COMMIT
"""
    return f"""*nat
:FLANNEL-POSTRTG - [0:0]
-A POSTROUTING {MASQ} -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 {MASQ} -j RETURN
-A FLANNEL-POSTRTG -s {subnet} -d {network} {MASQ} -j RETURN
-A FLANNEL-POSTRTG -s {network} -d {subnet} {MASQ} -j RETURN
-A FLANNEL-POSTRTG ! -s {network} -d {subnet} {MASQ} -j RETURN
-A FLANNEL-POSTRTG -s {network} ! -d 224.0.0.0/4 {MASQ} -j MASQUERADE --random-fully
-A FLANNEL-POSTRTG ! -s {network} -d {network} {MASQ} -j MASQUERADE --random-fully
COMMIT
*filter
:FLANNEL-FWD - [0:0]
-A FORWARD {FORWARD} -j FLANNEL-FWD
-A FLANNEL-FWD -s {network} {FORWARD} -j ACCEPT
-A FLANNEL-FWD -d {network} {FORWARD} -j ACCEPT
COMMIT
"""


def nft_rules(network, subnet):
    """The tables of v0.28 with EnableNFTables, as nft lists them."""
    return f"""table ip flannel-ipv4 {{
  chain postrtg {{
    type nat hook postrouting priority srcnat; policy accept;
    meta mark 0x4000 return
    ip saddr {subnet} ip daddr {network} return
    ip saddr {network} ip daddr {subnet} return
    ip saddr != {network} ip daddr {subnet} return
    ip saddr {network} ip daddr != 224.0.0.0/4 masquerade fully-random
    ip saddr != {network} ip daddr {network} masquerade fully-random
  }}
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ip saddr {network} accept
    ip daddr {network} accept
  }}
}}
table ip6 flannel-ipv6 {{
}}
"""


def lease(release, address, mac):
    """The value of a vxlan lease."""
    if release == "v0.10":
        return f'{{"PublicIP":"{address}","BackendType":"vxlan","BackendData":{{"VtepMAC":"{mac}"}}}}'
    return (f'{{"PublicIP":"{address}","PublicIPv6":null,"BackendType":"vxlan",'
            f'"BackendData":{{"VNI":1,"VtepMAC":"{mac}"}}}}')


def subnet_env(network, subnet):
    return (f"FLANNEL_NETWORK={network}\nFLANNEL_SUBNET={subnet.replace('.0/', '.1/')}\n"
            "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n")


def make_device(host, subnet, mac):
    """Makes the device for a subnet of either family, with its address."""
    version = version_of(subnet)
    link, bits, mtu = device(version), {4: 32, 6: 128}[version], {4: 1450, 6: 1430}[version]
    host.ns.ip_all(
        f"link add {link} address {mac} mtu {mtu} type vxlan id 1 dev eth0 local {host.underlay(version)} "
        "dstport 8472 nolearning\n"
        f"addr add {base(subnet)}/{bits} dev {link} nodad\n"
        f"link set {link} up\n"
    )


def make_vxlan_host(host, *ends):
    """`ends`: (subnet, MAC) of one family, or of IPv4 and IPv6."""
    env = {"FLANNEL_MTU": "1450" if len(ends) == 1 else "1430"}
    for subnet, mac in ends:
        make_device(host, subnet, mac)
        gateway, length = ipaddress.ip_network(subnet).network_address + 1, subnet.split("/")[1]
        env["FLANNEL_SUBNET" if gateway.version == 4 else "FLANNEL_IPV6_SUBNET"] = f"{gateway}/{length}"
    host.container = Container(host, env)


def add_peer(host, key, value):
    """Adds neighbour, FDB entry and route for each subnet of a lease in etcd, as upstream does."""
    attributes = json.loads(value)
    for part in key.split("&"):
        subnet = "/".join(part.rsplit("-", 1))
        four = version_of(subnet) == 4
        link, mac = device(4 if four else 6), attributes["BackendData" if four else "BackendV6Data"]["VtepMAC"]
        host.ns.ip("neigh", "replace", base(subnet), "lladdr", mac, "dev", link, "nud", "permanent")
        host.ns.bridge("fdb", "replace", mac, "dev", link, "dst",
                       attributes["PublicIP" if four else "PublicIPv6"], "self", "permanent")
        host.ns.ip("route", "replace", subnet, "via", base(subnet), "dev", link, "onlink")
