# SPDX-License-Identifier: Apache-2.0
"""Very many hosts that are one machine: their leases, and a program that answers for them.

    h1 ─ eth0 ─── lan ─── eth0 ─ h2     h2 has the public IP of every made-up host, unpacks vxlan, answers
    flanneld                            probes, and sends some of its own, one a minute for each host
"""

import ipaddress
import json
import os
import socket
import struct
import threading
import time

from .overlay import subnet, vtep_mac
from .stores import PREFIX

IP_PKTINFO = 8  # <linux/in.h>; Python 3.11 has neither
SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>
PROBE = 8286
VXLAN = 8472
HEADER = struct.Struct("!4sBBHQQII")
PKTINFO = struct.Struct("=I4s4s")


def mac(number):
    return bytes([2, 1, 0, 0, number >> 8, number & 255])


def public(number):
    return str(ipaddress.ip_address("198.18.0.0") + number)


def base(number):
    return ipaddress.ip_address("10.6.0.0") + (number << 8)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def frame(to_mac, from_mac, source, target, message, size):
    payload = message.ljust(size - 28, b"\0")
    udp = struct.pack("!4H", PROBE, PROBE, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0x4000, 64, 17, 0, source, target)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return struct.pack("!II", 8 << 24, 1 << 8) + to_mac + from_mac + b"\x08\x00" + head + udp


def answer(packet):
    """The answer to a vxlan packet with a request; None if it has none."""
    inner = packet[22:]
    if len(inner) < 60 or inner[9] != 17:
        return None
    magic, version, kind, size, nonce, _, _, _ = HEADER.unpack_from(inner, 28)
    if magic != b"flPr" or kind != 1:
        return None
    arrived = struct.unpack_from("!H", inner, 2)[0]
    message = HEADER.pack(magic, version, 2, arrived, int.from_bytes(os.urandom(8), "big"), nonce, 0, 0)
    return frame(packet[14:20], packet[8:14], inner[16:20], inner[12:16], message, max(size, 60))


def lease(number):
    text = ":".join(f"{byte:02x}" for byte in mac(number))
    return json.dumps({"PublicIP": public(number), "BackendType": "vxlan",
                       "BackendData": {"VNI": 1, "VtepMAC": text}, "NodeID": f"{number:032x}/00000001"})  # fmt: skip


class Crowd:
    """Hosts 1 to `size`, whose leases are in the store of the cluster. `host` is the one that knows them."""

    # Made-up subnets are 10.6.0.0/24 and up, beside those of real hosts.
    CONFIG = {"Network": "10.0.0.0/12", "SubnetMin": "10.5.0.0", "SubnetMax": "10.5.63.0"}

    def __init__(self, lab, cluster, host, size):
        self.size = size
        self.mute = set()  # public IPs of hosts that answer no probes
        self._host = host
        machine = lab.host()
        machine.ns.ip_all("".join(f"addr add {public(number)}/32 dev eth0\n" for number in range(1, size + 1)))
        host.ns.ip("route", "add", "198.18.0.0/15", "via", machine.address)
        self._write_leases(cluster.store)
        self._link = machine.ns.socket(socket.SOCK_DGRAM)
        self._link.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        self._link.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)  # what comes while this thread waits
        self._link.bind(("0.0.0.0", VXLAN))
        threading.Thread(target=self._serve, daemon=True).start()

    def _write_leases(self, store):
        """By transactions, of which etcd takes 128 records each."""
        for first in range(1, self.size + 1, 100):
            records = [(f"{base(number)}-24", json.dumps(lease(number)))
                       for number in range(first, min(first + 100, self.size + 1))]  # fmt: skip
            puts = "".join(f"put {PREFIX}/subnets/{key} {value}\n" for key, value in records)
            store.etcdctl("txn", input=f"\n{puts}\n\n")

    def _serve(self):
        while True:
            packet, ancillary, _, sender = self._link.recvmsg(2048, 64)
            here = PKTINFO.unpack(ancillary[0][2])[2]
            back = None if socket.inet_ntoa(here) in self.mute else answer(packet)
            if back:
                self._send(here, back, sender[0])

    def _send(self, from_ip, packet, to):
        """False: the lab has been removed."""
        about = [(socket.IPPROTO_IP, IP_PKTINFO, PKTINFO.pack(0, from_ip, bytes(4)))]
        try:
            self._link.sendmsg([packet], about, 0, (to, VXLAN))
        except OSError:
            return False
        return True

    def begin_to_ask(self, numbers=None, every=60):
        """Sends a request of each host, or of those with these numbers, once in so many seconds."""
        threading.Thread(target=self._ask, args=[numbers or range(1, self.size + 1), every], daemon=True).start()

    def _ask(self, numbers, every):
        target = ipaddress.ip_interface(subnet(self._host)).network.network_address.packed
        to_mac = bytes.fromhex(vtep_mac(self._host).replace(":", ""))
        while True:
            for number in numbers:
                message = HEADER.pack(b"flPr", 1, 1, 60, int.from_bytes(os.urandom(8), "big"), 0, 0xFFFFFFFF, 0)
                packet = frame(to_mac, mac(number), base(number).packed, target, message, 60)
                if not self._send(socket.inet_aton(public(number)), packet, self._host.address):
                    return
                time.sleep(every / len(numbers))
