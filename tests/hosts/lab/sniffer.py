# SPDX-License-Identifier: Apache-2.0
"""Watches all ports of the LAN for bytes that must not travel in clear, and writes a line for what it sees.

Runs in the namespace of the LAN: sniffer.py MARKER PORT|esp. It writes "ready", and at the end of its input the
number of packets that have MARKER (hexadecimal) in them, and of UDP packets from or to PORT, or of ESP."""

import select
import socket
import sys

ALL = 3  # ETH_P_ALL
UDP = 17
ESP = 50


def ports(frame):
    """The ports of a UDP packet over IPv4 or IPv6 without extensions; none of another one."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == 0x0800 and frame[23] == UDP:
        at = 14 + 4 * (frame[14] & 15)
    elif kind == 0x86DD and frame[20] == UDP:
        at = 54
    else:
        return ()
    return int.from_bytes(frame[at : at + 2], "big"), int.from_bytes(frame[at + 2 : at + 4], "big")


def is_esp(frame):
    return int.from_bytes(frame[12:14], "big") == 0x0800 and frame[23] == ESP


def main():
    marker, carrier = bytes.fromhex(sys.argv[1]), sys.argv[2]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL)) as lan:
        lan.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        lan.setblocking(False)
        print("ready", flush=True)
        clear = wrapped = 0
        going = True
        while going:
            going = sys.stdin not in select.select([lan, sys.stdin], [], [])[0]
            try:
                while True:
                    frame = lan.recv(65536)
                    clear += marker in frame
                    wrapped += is_esp(frame) if carrier == "esp" else int(carrier) in ports(frame)
            except BlockingIOError:
                pass
        print(clear, wrapped, flush=True)


main()
