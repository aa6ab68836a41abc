# SPDX-License-Identifier: Apache-2.0
"""A network namespace of `ip netns`, and commands in it."""

import ctypes
import http.client
import json
import os
import socket
import subprocess
import threading

from .shell import run

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Namespace:
    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def __str__(self):
        return self.name

    def ip(self, *words, check=True):
        return run("ip", "-n", self.name, *words, check=check)

    def ip_all(self, lines):
        """Runs `ip` commands, one a line, up to the first that fails."""
        return run("ip", "-n", self.name, "-batch", "-", input=lines)

    def bridge(self, *words):
        return run("bridge", "-n", self.name, *words)

    def ask(self, *words):
        """The output of `ip -j`, parsed; an empty list if there is no such object."""
        return json.loads(run("ip", "-n", self.name, "-j", *words, check=False) or "[]")

    def ask_bridge(self, *words):
        return json.loads(run("bridge", "-n", self.name, "-j", *words, check=False) or "[]")

    def command(self, *argv):
        """The words that run a command inside; the process is the command itself, without a shell."""
        return ["ip", "netns", "exec", self.name, *[str(word) for word in argv]]

    def run(self, *argv, **options):
        return run(*self.command(*argv), **options)

    def start(self, *argv, **options):
        return subprocess.Popen(self.command(*argv), **options)

    def sysctl(self, **values):
        """Sets sysctls; net.ipv4.ip_forward is written net_ipv4_ip_forward."""
        words = [f"{name.replace('_', '/', 2)}={value}" for name, value in values.items()]
        self.run("sysctl", "-qw", *words)

    def socket(self, kind=socket.SOCK_STREAM):
        """A socket of the namespace; it may be used outside of the namespace."""
        made = []

        def make():
            # setns moves the calling thread only, and the thread ends here.
            with open(f"/run/netns/{self.name}", encoding="ascii") as entry:
                if _libc.setns(entry.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), f"setns {self.name}")
            made.append(socket.socket(socket.AF_INET, kind))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        return made[0]

    def get(self, url_path, port, address="127.0.0.1", timeout=60):
        """(status, body) of an HTTP request made inside."""
        link = self.socket()
        link.settimeout(timeout)
        try:
            link.connect((address, port))
            client = http.client.HTTPConnection(address, port, timeout=timeout)
            client.sock = link
            client.request("GET", url_path)
            reply = client.getresponse()
            return reply.status, reply.read().decode()
        finally:
            link.close()


def pids_in(name):
    words = run("ip", "netns", "pids", name, check=False).split()
    return [int(word) for word in words]


def names_with(prefix):
    if not os.path.isdir("/run/netns"):
        return []
    return sorted(name for name in os.listdir("/run/netns") if name.startswith(prefix))
