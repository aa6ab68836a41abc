# SPDX-License-Identifier: Apache-2.0
"""The stores that daemons share: a real etcd on a machine of its own, a SQLite file."""

import base64
import contextlib
import json
import os
import signal
import sqlite3
import subprocess

from .flanneld import flannelctl
from .shell import CommandFailed, wait_until

PREFIX = "/coreos.com/network"


def in_url(address):
    return f"[{address}]" if ":" in address else address


class EtcdProcess:
    """One etcd of the distribution, on a machine of its own."""

    def __init__(self, host, name):
        self.host = host
        self.name = name
        self.data = host.folder / "data"
        self._log = host.folder / "etcd.log"
        self._process = None

    def launch(self, clients, peers, cluster, election_ms, flags=()):
        """`clients` and `peers`: the URLs at which others reach this etcd; `cluster`: NAME=PEER_URL,..."""
        with open(self._log, "ab") as log:
            self._process = self.host.ns.start(
                "etcd",
                f"--name={self.name}",
                f"--data-dir={self.data}",
                f"--listen-client-urls={clients},http://127.0.0.1:2379",
                f"--advertise-client-urls={clients}",
                f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster={cluster}",
                "--heartbeat-interval=50",
                f"--election-timeout={election_ms}",
                *flags,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "ETCD_UNSUPPORTED_ARCH": os.uname().machine},
            )

    def running(self):
        return self._process is not None and self._process.poll() is None

    def kill(self):
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def freeze(self):
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def reap(self):
        if self._process:
            self._process.wait()

    def log(self):
        return self._log.read_text(errors="replace") if self._log.exists() else ""


class EtcdStore:
    """Reads and writes the records in an etcd, by etcdctl."""

    namespace = None

    def etcdctl(self, *words, input=None):
        raise NotImplementedError

    # ---- operations that upstream's operators do by hand

    def set_config(self, config):
        self.etcdctl("put", f"{PREFIX}/config", json.dumps(config))

    def put_lease(self, key, value, ttl=86400):
        """Writes a lease record byte for byte, under an etcd lease as upstream does."""
        granted = self.etcdctl("lease", "grant", ttl).split()[1]
        self.etcdctl("put", f"{PREFIX}/subnets/{key}", value, f"--lease={granted}")

    def lease_values(self):
        """key -> value, unchanged."""
        answer = json.loads(self.etcdctl("get", "--prefix", f"{PREFIX}/subnets/", "-w", "json"))
        text = lambda word: base64.b64decode(word).decode()  # noqa: E731
        return {text(kv["key"]).rsplit("/", 1)[1]: text(kv["value"]) for kv in answer.get("kvs", [])}

    def reserve(self, key, value):
        """Writes a lease record that never expires."""
        self.etcdctl("put", f"{PREFIX}/subnets/{key}", value)

    def hold(self, key):
        """The etcd lease of a record; 0: a reservation."""
        answer = json.loads(self.etcdctl("get", f"{PREFIX}/subnets/{key}", "-w", "json"))
        return answer["kvs"][0].get("lease", 0)

    def ttl_granted(self, hold):
        answer = json.loads(self.etcdctl("lease", "timetolive", f"{hold:x}", "-w", "json"))
        return answer["granted-ttl"]

    def delete_lease(self, key):
        assert self.etcdctl("del", f"{PREFIX}/subnets/{key}").strip() == "1", f"no lease {key}"

    def forget_everything(self):
        self.etcdctl("del", "--prefix", PREFIX)


class Etcd(EtcdStore):
    """A single etcd, reached over the LAN."""

    server_flags = ()
    api = 3

    def __init__(self, host, version=4):
        self.host = host
        self.namespace = host.ns
        self.url = f"http://{in_url(host.underlay(version))}:2379"
        self._process = EtcdProcess(host, "lab")

    def flags(self):
        return ["--store=etcd", f"--etcd-endpoints={self.url}"]

    def start(self):
        peers = "http://127.0.0.1:2380"
        self._process.launch(self.url, peers, f"lab={peers}", 250, self.server_flags)
        wait_until(self._answers, "an answer of etcd", unless=self._must_run)
        return self

    def _answers(self):
        try:
            return self.namespace.get("/health", 2379)[0] == 200
        except OSError:
            return False

    def _must_run(self):
        assert self.running(), f"etcd ended:\n{self.log()}"

    def running(self):
        return self._process.running()

    def stop(self):
        self._process.kill()

    def freeze(self):
        self._process.freeze()

    def thaw(self):
        self._process.thaw()

    def reap(self):
        self._process.reap()

    def log(self):
        return self._process.log()

    def etcdctl(self, *words, input=None):
        patience = {
            2: ["--timeout=60s", "--total-timeout=60s"], 3: ["--dial-timeout=60s", "--command-timeout=60s"],
        }[self.api]  # fmt: skip
        return self.namespace.run("env", f"ETCDCTL_API={self.api}", "etcdctl", *patience, *words, input=input)


class EtcdV2(Etcd):
    """etcd as flannel up to v0.17 used it: directories over HTTP."""

    server_flags = ("--enable-v2",)
    api = 2

    def set_config(self, config):
        self.etcdctl("set", f"{PREFIX}/config", json.dumps(config))

    def lease_values(self):
        """etcdctl reads the records one after the other; if one goes meanwhile, all are read again."""
        try:
            keys = self.etcdctl("ls", f"{PREFIX}/subnets").split()
            return {key.rsplit("/", 1)[1]: self.etcdctl("get", key).strip() for key in keys}
        except CommandFailed as failed:
            assert "Key not found" in str(failed)
            return self.lease_values()

    def put_lease(self, key, value, ttl=86400):
        self.etcdctl("set", "--ttl", ttl, f"{PREFIX}/subnets/{key}", value)

    def reserve(self, key, value):
        self.etcdctl("set", f"{PREFIX}/subnets/{key}", value)

    def delete_lease(self, key):
        self.etcdctl("rm", f"{PREFIX}/subnets/{key}")

    def forget_everything(self):
        self.etcdctl("rm", "--recursive", PREFIX)


class Sqlite:
    """A file that all daemons of the machine open."""

    namespace = None

    def __init__(self, path):
        self.path = path

    def flags(self):
        return [f"--store=sqlite:{self.path}"]

    def set_config(self, config):
        flannelctl(self, "config", "set", "--force", json.dumps(config))

    def lease_values(self):
        with contextlib.closing(sqlite3.connect(self.path)) as file:
            return {key: bytes(value).decode() for key, value in file.execute("SELECT key, value FROM record WHERE prefix = ?", [PREFIX])}

    def forget_everything(self):
        for path in self.path.parent.glob(self.path.name + "*"):
            path.unlink()
