# SPDX-License-Identifier: Apache-2.0
"""A host of upstream flannel with the backend wireguard, imitated with `wg` and `ip`."""

import base64
import json
import subprocess
import threading

from .overlay import NETWORKS, WIREGUARD, base, subnet, wireguard_key
from .stores import PREFIX

DEVICE = WIREGUARD[4]


def make_upstream_device(host, own, peer, port):
    """The device as upstream makes it, with one peer, which is one of our hosts; returns its public key."""
    host.ns.ip_all(f"link add {DEVICE} mtu 1420 type wireguard\naddr add {base(own)}/32 dev {DEVICE}\n")
    host.ns.run("sh", "-c", f"wg genkey | wg set {DEVICE} listen-port {port} private-key /dev/stdin")
    host.ns.run("wg", "set", DEVICE, "peer", wireguard_key(peer), "endpoint", f"{peer.address}:51820",
                "allowed-ips", subnet(peer))  # fmt: skip
    host.ns.ip_all(f"link set {DEVICE} up\nroute replace {NETWORKS[4]} dev {DEVICE} scope link\n")
    return wireguard_key(host)


class FollowedLeases:
    """Adds a peer for each lease that an etcd reports, as upstream does: it removes no former key, and begins
    no handshake. Within the `with` block."""

    def __init__(self, store, host):
        self._store, self._host = store, host

    def __enter__(self):
        self._watch = self._store.namespace.start(
            "env", "ETCDCTL_API=3", "etcdctl", "watch", "--prefix", f"{PREFIX}/subnets/", "-w", "json",
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()
        return self

    def _follow(self):
        for line in self._watch.stdout:
            for event in json.loads(line).get("Events", []):
                key, value = (base64.b64decode(event["kv"].get(name, "")).decode() for name in ("key", "value"))
                lease = json.loads(value or "{}")
                if lease.get("BackendType") != "wireguard":
                    continue
                data = lease["BackendData"]
                self._host.ns.run(
                    "wg", "set", DEVICE, "peer", data["PublicKey"], "endpoint",
                    f"{lease['PublicIP']}:{data['Port']}", "allowed-ips", key.rsplit("/", 1)[1].replace("-", "/"),
                )  # fmt: skip

    def __exit__(self, *_):
        self._watch.kill()
        self._watch.wait()
        self._thread.join()
