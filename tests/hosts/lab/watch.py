# SPDX-License-Identifier: Apache-2.0
"""What travels between the hosts while a test does something: whether bytes of containers are readable there."""

import contextlib
import pathlib
import subprocess
import sys

MARKER = "f1a77e1c1ea4".ljust(16, "7")


@contextlib.contextmanager
def watching(lab, carrier="51820"):
    """Yields a list that gets (packets with MARKER, packets of the carrier) on the LAN at the end.

    `carrier`: a UDP port, or "esp"."""
    program = pathlib.Path(__file__).parent / "sniffer.py"
    sniffer = lab.lan.start(sys.executable, program, MARKER, carrier, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)  # fmt: skip
    seen = []
    try:
        assert sniffer.stdout.readline() == "ready\n"
        yield seen
        said, _ = sniffer.communicate(timeout=60)
        seen += map(int, said.split())
    finally:
        sniffer.kill()
        sniffer.wait()


@contextlib.contextmanager
def sending_marker(source, target):
    """Sends echoes with MARKER to `target` all the time."""
    pinging = source.ns.start("ping", "-n", "-q", "-i", "0.05", "-p", MARKER, target.address,
                              stdout=subprocess.DEVNULL)  # fmt: skip
    try:
        yield
    finally:
        pinging.kill()
        pinging.wait()


def reaches_now(one, two):
    """Whether one of ten echoes from a container of `one` to that of `two` is answered."""
    asked = one.container.ns.run(
        "ping", "-n", "-q", "-c", "10", "-i", "0.05", "-W", "1", two.container.address, check=False
    )
    return " 100% packet loss" not in asked
