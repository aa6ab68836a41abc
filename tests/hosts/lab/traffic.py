# SPDX-License-Identifier: Apache-2.0
"""Traffic between containers, and what became of it."""

import contextlib
import pathlib
import re
import signal
import subprocess
import sys
import time

from .shell import wait_until


def ping(source, target, count=3):
    """Fails unless every echo comes back. `source`: whatever has .ns; `target`: .address."""
    source.ns.run("ping", "-n", "-q", "-c", count, "-i", "0.05", "-W", "3", target.address)


def answers(source, address, count=1):
    """Whether one echo comes back."""
    asked = source.ns.run(
        "ping", "-n", "-q", "-c", count, "-i", "0.05", "-W", "1", address, check=False
    )
    return " 0% packet loss" in asked


def transfer(source, target, megabytes=100):
    """Sends random bytes over TCP; (checksum sent, checksum received)."""
    program = pathlib.Path(__file__).with_name("transfer.py")
    argv = [sys.executable, program]
    receiver = target.ns.start(*argv, "receive", target.address, stdout=subprocess.PIPE, text=True)
    try:
        port = receiver.stdout.readline().strip()
        sent = source.ns.run(*argv, "send", target.address, port, megabytes, timeout=120)
        received, _ = receiver.communicate(timeout=30)
    finally:
        receiver.kill()
        receiver.wait()
    return sent.strip(), received.strip()


class Stream:
    """What passed a TCP connection: checksums, known when it has ended."""

    sent = received = None


@contextlib.contextmanager
def transfer_during(source, target):
    """A TCP connection that sends for as long as the `with` block lasts."""
    program = pathlib.Path(__file__).with_name("transfer.py")
    argv = [sys.executable, program]
    stream = Stream()
    receiver = target.ns.start(*argv, "receive", target.address, stdout=subprocess.PIPE, text=True)
    sender = None
    try:
        port = receiver.stdout.readline().strip()
        sender = source.ns.start(
            *argv, "send-on", target.address, port,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        yield stream
        stream.sent = sender.communicate(timeout=60)[0].strip()  # closes its input: it ends
        stream.received = receiver.communicate(timeout=60)[0].strip()
        assert stream.sent, "the sender failed"
    finally:
        for process in filter(None, (sender, receiver)):
            process.kill()
            process.communicate()


def unanswered(source, within=5):
    """How many echoes that a namespace has sent are still without their answer, as its kernel counts
    them: what `ping` misses because it got no time to read is no loss. None may be under way."""

    def now():
        names, counts = [
            line.split() for line in source.ns.run("cat", "/proc/net/snmp").splitlines()
            if line.startswith("IcmpMsg:")
        ]
        count = dict(zip(names[1:], map(int, counts[1:])))
        return count.get("OutType8", 0) - count.get("InType0", 0)

    least, deadline = now(), time.monotonic() + within
    while least > 0 and time.monotonic() < deadline:
        least = min(least, now())
    return least


class EchoStream:
    """A ping every 5 ms, or `every` so many seconds, for as long as the `with` block lasts.

        with EchoStream(container, peer) as echoes:
            ... restart something ...
            echoes.more()
        assert echoes.lost() == []
    """

    REPLY = re.compile(r"icmp_seq=(\d+) ttl")
    MOMENT = re.compile(r"^\[([\d.]+)\] .* ttl=", re.MULTILINE)

    def __init__(self, source, target, folder, every=0.005):
        self._target = target
        self._every = every
        self._source = source
        self._path = folder / "echoes.log"
        self._process = None

    def __enter__(self):
        with open(self._path, "wb") as log:
            self._process = self._source.ns.start(
                *["ping", "-n", "-D", "-i", self._every, self._target.address], stdout=log, stderr=log
            )
        self.more()
        return self

    def more(self, count=200):
        """Until `count` more echoes came back: one second's worth."""
        goal = len(self.replies()) + count
        wait_until(lambda: len(self.replies()) >= goal, f"{count} more echoes", within=30)

    def replies(self):
        return [int(seq) for seq in self.REPLY.findall(self._path.read_text(errors="replace"))]

    def lost(self):
        """Sequence numbers, up to the last that came back, of the echoes that did not."""
        came = set(self.replies())
        return [seq for seq in range(1, max(came) + 1) if seq not in came]

    def longest_gap(self):
        """Seconds between two replies in a row."""
        moments = [float(word) for word in self.MOMENT.findall(self._path.read_text(errors="replace"))]
        return max(later - sooner for sooner, later in zip(moments, moments[1:]))

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGINT)
        self._process.wait(10)
