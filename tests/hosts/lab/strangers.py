# SPDX-License-Identifier: Apache-2.0
"""Overlay packets made by hand, and a sender of them to a daemon's UDP port."""

import socket
import struct

DONT_FRAGMENT = 0x4000


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def packet(source, target, payload=b"injected", port=9999, ttl=64, **damage):
    """An IPv4 packet, not to be fragmented, that contains a UDP datagram without a checksum.

    `damage`: version, length (in the header), header_checksum."""
    udp = struct.pack("!4H", port, port, 8 + len(payload), 0) + payload
    length = damage.get("length", 20 + len(udp))
    head = struct.pack(
        "!BBHHHBBH4s4s",
        *(damage.get("version", 4) << 4 | 5, 0, length, 1, DONT_FRAGMENT, ttl, 17, 0),
        *(socket.inet_aton(source), socket.inet_aton(target)),
    )
    head = head[:10] + struct.pack("!H", damage.get("header_checksum", checksum(head))) + head[12:]
    return head + udp


class Stranger:
    """Sends datagrams of any content to a daemon's port from a host's address."""

    def __init__(self, host, target, port=8285):
        self._link = host.ns.socket(socket.SOCK_DGRAM)
        self._target = (target.address, port)

    def says(self, *packets):
        for one in packets:
            self._link.sendto(one, self._target)

    def close(self):
        self._link.close()
