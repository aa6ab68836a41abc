# SPDX-License-Identifier: Apache-2.0
"""The two programs under test."""

import errno
import json
import os
import pathlib
import select
import signal
import socket
import subprocess

from .fd_store import FdStore, hand_over
from .shell import run, wait_until

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


def binary(name):
    folder = os.environ.get("FLANNEL_BIN_DIR") or REPOSITORY / "build/release/bin"
    return pathlib.Path(folder) / name


def ctl(host, *words, check=True, user=None, inside=False, under=()):
    """What flannelctl prints about the daemon of a host, as root or another user.

    `inside`: in the network namespace of the host, where it also sees that. `under`: the words of a
    program that runs it."""
    if user:
        under = ["setpriv", f"--reuid={user}", "--clear-groups", f"--regid={user}"]
    call = [*under, binary("flannelctl"), *words, f"--control-socket={host.daemon.control_socket}"]
    words = host.ns.command(*call) if inside else call
    return run("sh", "-c", 'exec "$@" 2>&1', "sh", *words, check=check)


class DaemonDied(AssertionError):
    """The daemon ended while a test waited for it."""


class Flanneld:
    """The daemon of one host; it may be started repeatedly.

    It reports readiness to a NOTIFY_SOCKET of its own, as under systemd."""

    def __init__(self, host, store, *flags, iface="eth0", healthz_port=8081, margin=None):
        self.host = host
        self.store = store
        # The health port identifies a second daemon of the host.
        folder = host.folder if healthz_port == 8081 else host.folder / str(healthz_port)
        folder.mkdir(exist_ok=True)
        self.subnet_file = folder / "subnet.env"
        self.state_dir = host.folder / "state"
        self.control_socket = folder / "flanneld.sock"
        self.healthz_port = healthz_port
        self.flags = [
            *store.flags(),
            f"--subnet-file={self.subnet_file}",
            f"--state-dir={self.state_dir}",
            f"--control-socket={self.control_socket}",
            f"--healthz-port={healthz_port}",
        ]
        if iface:
            self.flags.append(f"--iface={iface}")
        self.flags += flags
        self.under = []  # words before the program, of one that becomes it
        self.environment = {}  # further variables
        self.sockets = []  # of systemd's socket units: (name, descriptor)
        self._process = None
        self._log = folder / "flanneld.log"
        self._notify_path = folder / "notify"
        self._starts = 0
        self._log_from = 0
        self._notify = None
        self._told = ""
        self.fd_store = FdStore()

    # ---- life

    def start(self, with_kept_fds=False):
        """Starts the daemon, with or without the descriptors that an earlier run stored."""
        assert not self.running(), "it runs already"
        self._open_notify_socket()
        self._starts += 1
        words, fds = [*self.under, binary("flanneld"), *self.flags], ()
        if not with_kept_fds:
            self.fd_store.close()
        if given := [*self.sockets, *self.fd_store.kept()]:
            words, fds = hand_over(given, words)
        with open(self._log, "ab") as log:
            self._log_from = log.tell()
            self._process = self.host.ns.start(
                *words,
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment, "NOTIFY_SOCKET": str(self._notify_path)},
            )
        return self

    def _open_notify_socket(self):
        if self._notify:
            self._notify.close()
            self._notify_path.unlink()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._notify.bind(str(self._notify_path))
        self._told = ""

    def started(self):
        return self._starts > 0

    def running(self):
        return self._process is not None and self._process.poll() is None

    def pid(self):
        return self._process.pid

    def signal(self, signum):
        self._process.send_signal(signum)

    def wait_exit(self, within=60):
        """Waits for the end and returns the exit code; negative: the signal that ended the daemon."""
        if self._process.poll() is None:
            # Popen.wait(within) polls with long pauses, and here a restart is timed.
            ends = os.pidfd_open(self._process.pid)
            ended, _, _ = select.select([ends], [], [], within)
            os.close(ends)
            assert ended, f"flanneld on {self.host.name} did not end in {within} s"
        return self._process.wait()

    def stop(self):
        return self._end(signal.SIGTERM)

    def kill9(self):
        return self._end(signal.SIGKILL)

    def _end(self, signum):
        """After it a start may follow at once: a child that the daemon has just forked has the health port open
        for a moment longer, until it becomes another program."""
        self.signal(signum)
        code = self.wait_exit()
        wait_until(self._port_is_free, f"port {self.healthz_port} of {self.host.name}")
        return code

    def _port_is_free(self):
        with self.host.ns.socket() as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                link.bind(("0.0.0.0", self.healthz_port))
                link.listen()
            except OSError as error:
                assert error.errno == errno.EADDRINUSE, error
                return False
        return True

    def reap(self):
        """Reaps the process after the lab was removed."""
        if self._process:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
        if self._notify:
            self._notify.close()
        self.fd_store.close()

    # ---- log, notifications, health pages

    def told(self):
        """All notifications that the service manager has received since the start."""
        while True:
            try:
                said, fds, _, _ = socket.recv_fds(self._notify, 4096, 64)
                self.fd_store.hear(said.decode(), fds)
                self._told += said.decode() + "\n"
            except BlockingIOError:
                return self._told

    def ready(self):
        return "READY=1" in self.told().split("\n")

    def must_run(self):
        if not self.running():
            raise DaemonDied(f"flanneld on {self.host.name} ended, {self._process.poll()}:\n{self.log()}")

    def wait_ready(self, within=60):
        wait_until(self.ready, f"READY=1 of {self.host.name}", within, unless=self.must_run)
        return self

    def log(self, all_starts=True):
        """The log; optionally only since the latest start."""
        if not self._log.exists():
            return ""
        return self._log.read_bytes()[0 if all_starts else self._log_from :].decode(errors="replace")

    def wait_log(self, text, within=60):
        wait_until(
            lambda: text in self.log(all_starts=False),
            lambda: f"{text!r} in the log of {self.host.name}",
            within,
            unless=self.must_run,
        )

    def subnet_env(self):
        """The subnet file as a dictionary; None if there is no file."""
        try:
            lines = self.subnet_file.read_text(encoding="ascii").split("\n")
        except FileNotFoundError:
            return None
        return dict(line.split("=", 1) for line in lines if line)

    def health(self, path):
        """(status, body) of a health page."""
        return self.host.ns.get(path, self.healthz_port)

    def status(self):
        """/readyz?verbose, parsed."""
        return json.loads(self.health("/readyz?verbose")[1])


def flannelctl(store, *words, check=True):
    """Runs flannelctl in a namespace that reaches the store."""
    argv = [binary("flannelctl"), *store.flags(), *words]
    return run(*(store.namespace.command(*argv) if store.namespace else argv), check=check)


def leases_of(store):
    """The output of `flannelctl leases --json`, parsed."""
    return json.loads(flannelctl(store, "leases", "--json"))
