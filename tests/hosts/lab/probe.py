# SPDX-License-Identifier: Apache-2.0
"""Sends packets of many kinds and checks their echoes, in the namespace of a container.

python3 probe.py serve ADDRESS              echoes UDP, TCP and raw protocols; prints "ready"
python3 probe.py udp ADDRESS SIZE...        prints the sizes whose payload came back whole
python3 probe.py raw ADDRESS PROTOCOL...    prints the protocols whose payloads came back whole
python3 probe.py flows ADDRESS COUNT        prints how many simultaneous TCP connections got their echo
python3 probe.py hops ADDRESS               prints the host that answers a datagram with each TTL
"""

import os
import resource
import selectors
import socket
import struct
import sys

PORT = 7007
PROTOCOLS = (47, 50, 132)  # GRE, ESP, SCTP
RAW_SIZES = (8, 1000, 1452, 3000)
FLOW_BYTES = 20000
TRIES = 3
IP_RECVERR = 11
BUFFER = 1 << 22


def many_files():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


# ---- the server


def serve(address):
    many_files()
    chooser = selectors.DefaultSelector()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    udp.bind((address, PORT))
    chooser.register(udp, selectors.EVENT_READ, echo_datagram)
    for protocol in PROTOCOLS:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
        chooser.register(raw, selectors.EVENT_READ, echo_raw)
    tcp = socket.create_server((address, PORT), backlog=2000)
    chooser.register(tcp, selectors.EVENT_READ, lambda one: accept(one, chooser))
    print("ready", flush=True)
    while True:
        for key, _ in chooser.select():
            key.data(key.fileobj)


def echo_datagram(udp):
    data, sender = udp.recvfrom(65535)
    udp.sendto(data, sender)


def echo_raw(raw):
    packet, sender = raw.recvfrom(65535)
    raw.sendto(packet[(packet[0] & 15) * 4 :], sender)


def accept(tcp, chooser):
    stream, _ = tcp.accept()
    chooser.register(stream, selectors.EVENT_READ, lambda one: echo_stream(one, chooser))


def echo_stream(stream, chooser):
    data = stream.recv(65536)
    if data:
        stream.sendall(data)
    else:
        chooser.unregister(stream)
        stream.close()


# ---- the clients


def comes_back(send, receive, payload):
    for _ in range(TRIES):
        send(payload)
        try:
            while True:
                if receive() == payload:
                    return True
        except socket.timeout:
            pass
    return False


def udp(address, *sizes):
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.settimeout(10)
    link.connect((address, PORT))
    whole = [
        size
        for size in map(int, sizes)
        if comes_back(link.send, lambda: link.recv(65535), os.urandom(size))
    ]
    print(*whole)


def raw(address, *protocols):
    whole = []
    for protocol in map(int, protocols):
        link = socket.socket(socket.AF_INET, socket.SOCK_RAW, protocol)
        link.settimeout(10)

        def receive(link=link):
            packet = link.recv(65535)
            return packet[(packet[0] & 15) * 4 :]

        def send(payload, link=link):
            link.sendto(payload, (address, 0))

        if all(comes_back(send, receive, os.urandom(size)) for size in RAW_SIZES):
            whole.append(protocol)
    print(*whole)


def flows(address, count):
    many_files()
    streams = [socket.create_connection((address, PORT), timeout=60) for _ in range(int(count))]
    sent = [os.urandom(FLOW_BYTES) for _ in streams]
    for stream, data in zip(streams, sent):
        stream.sendall(data)
    whole = 0
    for stream, data in zip(streams, sent):
        got = bytearray()
        while len(got) < FLOW_BYTES and (more := stream.recv(65536)):
            got += more
        whole += got == data
    print(whole)


def hops(address):
    """Prints TTL and answer, until a datagram comes back from the server itself."""
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.setsockopt(socket.SOL_IP, IP_RECVERR, 1)
    link.settimeout(10)
    for ttl in range(1, 10):
        link.setsockopt(socket.SOL_IP, socket.IP_TTL, ttl)
        link.sendto(b"hop", (address, PORT))
        try:
            _, sender = link.recvfrom(100)
            print(ttl, sender[0])
            return
        except socket.timeout:
            print(ttl, "silence")
        except OSError:
            print(ttl, offender(link))


def offender(link):
    _, ancillary, _, _ = link.recvmsg(1000, 1000, socket.MSG_ERRQUEUE)
    for level, kind, data in ancillary:
        if level == socket.SOL_IP and kind == IP_RECVERR:
            _, origin, icmp_type, code = struct.unpack("IBBB", data[:7])
            return f"{socket.inet_ntoa(data[20:24])} {icmp_type}/{code}" if origin == 2 else "local"
    return "nothing"


if __name__ == "__main__":
    {"serve": serve, "udp": udp, "raw": raw, "flows": flows, "hops": hops}[sys.argv[1]](*sys.argv[2:])
