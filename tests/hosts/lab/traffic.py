# SPDX-License-Identifier: Apache-2.0
"""Traffic between containers, and its losses."""

import contextlib
import pathlib
import re
import signal
import subprocess
import sys
import time

from .shell import wait_until


def ping(source, target, count=3):
    """Fails unless every echo comes back. `source` has .ns; `target` is an address, or has .address."""
    address = getattr(target, "address", target)
    source.ns.run("ping", "-n", "-q", "-c", count, "-i", "0.05", "-W", "20", address)


def answers(source, address, count=1):
    """Whether one echo comes back within a second: to wait for, and to see that none does.

    That one does come back is checked by ping()."""
    asked = source.ns.run(
        "ping", "-n", "-q", "-c", count, "-i", "0.05", "-W", "1", address, check=False
    )
    return " 0% packet loss" in asked


def reached(source, target):
    """Waits until an echo comes back, and then fails unless every one does."""
    address = getattr(target, "address", target)
    wait_until(lambda: answers(source, address), f"{source.ns} to reach {address}")
    ping(source, address)


def transfer(source, target, megabytes=100):
    """Sends random bytes over TCP; returns (checksum sent, checksum received)."""
    program = pathlib.Path(__file__).with_name("transfer.py")
    argv = [sys.executable, program]
    receiver = target.ns.start(*argv, "receive", target.address, stdout=subprocess.PIPE, text=True)
    try:
        port = receiver.stdout.readline().strip()
        sent = source.ns.run(*argv, "send", target.address, port, megabytes, timeout=120)
        received, _ = receiver.communicate(timeout=120)
    finally:
        receiver.kill()
        receiver.wait()
    return sent.strip(), received.strip()


class Stream:
    """The checksums of the bytes of a TCP connection, known after its end."""

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
        stream.sent = sender.communicate(timeout=120)[0].strip()  # closes its input, so that it ends
        stream.received = receiver.communicate(timeout=120)[0].strip()
        assert stream.sent, "the sender failed"
    finally:
        for process in filter(None, (sender, receiver)):
            process.kill()
            process.communicate()


def unanswered(source, within=30):
    """The number of unanswered echoes of a namespace, as its kernel counts them: an answer that a
    program had no time to read is not lost. No echo may be under way."""

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
    """Sends an echo every 5 ms, or every `every` seconds, for as long as the `with` block lasts.

        with EchoStream(container, peer) as echoes:
            ... restart something ...
            echoes.more()
        assert echoes.lost() == []

    An echo that could not be sent is lost. An answer counts if it came within 10 s of its echo, which is
    the most that fping knows. `size`: bytes of payload; such packets have no DF, and may be cut.
    """

    # fping sleeps between its echoes; ping polls if they are less than 10 ms apart, which takes half a core.
    REPLY = re.compile(r"^\[([\d.]+)\] \S+ : \[(\d+)\], \d+ bytes, ", re.MULTILINE)
    LONGEST = 1000  # seconds

    def __init__(self, source, target, folder, every=0.005, size=None, longest=LONGEST):
        """`longest`: so many seconds the stream lasts. Without a number of echoes (-l), fping goes wrong if
        nothing is answered for as long as -t; it needs some 100 bytes of memory for each."""
        self._target = target
        pause = f"{every * 1000:g}"
        self._options = ["-D", "-p", pause, "-i", pause, "-t", 10_000, "-c", round(longest / every)]
        if size is not None:
            self._options += ["-b", size]
        self._may_be_cut = size is not None
        self._source = source
        self._path = folder / f"echoes-{source.ns}-{target.address}-{size or 56}.log"
        self._process = None

    def __enter__(self):
        with open(self._path, "wb") as log, self._no_df() if self._may_be_cut else contextlib.nullcontext():
            self._process = self._source.ns.start(
                "fping", *self._options, self._target.address, stdout=log, stderr=log
            )
            self.more()
        return self

    @contextlib.contextmanager
    def _no_df(self):
        """Sockets that are made meanwhile send without DF: fping can only set it."""
        self._source.ns.sysctl(net_ipv4_ip_no_pmtu_disc=1)
        yield
        self._source.ns.sysctl(net_ipv4_ip_no_pmtu_disc=0)

    def more(self, count=200):
        """Waits until `count` more echoes have come back, by default those of a second."""
        so_far = self._path.stat().st_size
        wait_until(
            lambda: len(self.REPLY.findall(self._text(so_far))) >= count,
            lambda: f"{count} more echoes; fping says:\n{self._text()[-500:]}",
        )

    def _text(self, start=0):
        with open(self._path, encoding="ascii", errors="replace") as log:
            log.seek(start)
            return log.read()

    def replies(self):
        """The numbers of the echoes that came back; the first that was sent is 0."""
        return [int(number) for _, number in self.REPLY.findall(self._text())]

    def lost(self):
        """The numbers of lost echoes, up to the last that came back."""
        came = set(self.replies())
        return [number for number in range(max(came) + 1) if number not in came]

    def longest_gaps(self, number):
        """The longest times between two consecutive replies, in seconds."""
        moments = [float(moment) for moment, _ in self.REPLY.findall(self._text())]
        return sorted(later - sooner for sooner, later in zip(moments, moments[1:]))[-number:]

    def __exit__(self, *_):
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)


class EchoStreams(contextlib.ExitStack):
    """An EchoStream in each family of a cluster, from one container to another."""

    def __init__(self, cluster, source, target, **options):
        super().__init__()
        folder = cluster.lab.folder
        self._streams = [
            EchoStream(source, target.at(version), folder, **options) for version in cluster.versions
        ]

    def __enter__(self):
        for stream in self._streams:
            self.enter_context(stream)
        return self

    def more(self, *count):
        for stream in self._streams:
            stream.more(*count)

    def lost(self):
        """The sequence numbers of the lost echoes of each stream that lost some."""
        return [lost for stream in self._streams if (lost := stream.lost())]
