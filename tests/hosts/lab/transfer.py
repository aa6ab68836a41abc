# SPDX-License-Identifier: Apache-2.0
"""One TCP stream of random bytes; both ends print the SHA-256 of the bytes.

python3 transfer.py receive ADDRESS           prints its port, then the checksum
python3 transfer.py send ADDRESS PORT MEGABYTES
python3 transfer.py send-on ADDRESS PORT       until its standard input ends
"""

import hashlib
import os
import select
import socket
import sys

BLOCK = 1 << 20


def receive(address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        server.settimeout(120)
        print(server.getsockname()[1], flush=True)
        stream, _ = server.accept()
    digest = hashlib.sha256()
    with stream:
        stream.settimeout(120)
        while block := stream.recv(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def send(address, port, megabytes):
    digest = hashlib.sha256()
    with socket.create_connection((address, int(port)), timeout=120) as stream:
        for _ in range(int(megabytes)):
            block = os.urandom(BLOCK)
            digest.update(block)
            stream.sendall(block)
    return digest.hexdigest()


def send_on(address, port):
    """Sends at most 64 kB every 10 ms. The connection must not fill a link, nor the queue of a core: Linux keeps 1,000
    packets there (net.core.netdev_max_backlog), and a burst that a smaller MTU cuts into packets has as many."""
    digest = hashlib.sha256()
    with socket.create_connection((address, int(port)), timeout=120) as stream:
        while not select.select([sys.stdin], [], [], 0.01)[0]:
            block = os.urandom(64 << 10)
            digest.update(block)
            stream.sendall(block)
    return digest.hexdigest()


if __name__ == "__main__":
    act = {"receive": receive, "send": send, "send-on": send_on}[sys.argv[1]]
    print(act(*sys.argv[2:]))
