# SPDX-License-Identifier: Apache-2.0
"""A real Consul on a machine of its own, reached over the LAN. scripts/fetch-consul.sh unpacks it."""

import json
import os
import pathlib
import signal
import subprocess

from .shell import wait_until
from .stores import PREFIX, in_url

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
KEYS = PREFIX.lstrip("/")


def program():
    """The Consul that FLANNEL_CONSUL names, or the unpacked one."""
    return os.environ.get("FLANNEL_CONSUL") or str(REPOSITORY / "build/consul-1.8/usr/bin/consul")


class Consul:
    """A cluster of one server. Its raft and its shortest TTL are those of a test: fast and short."""

    def __init__(self, host, version=4):
        assert os.access(program(), os.X_OK), f"no Consul: run scripts/fetch-consul.sh ({program()})"
        self.host = host
        self.namespace = host.ns
        self.url = f"http://{in_url(host.underlay(version))}:8500"
        self._log = host.folder / "consul.log"
        self._process = None

    def flags(self):
        return ["--store=consul", f"--consul-endpoints={self.url}"]

    def start(self):
        settings = {
            "server": True,
            "bootstrap": True,
            "node_name": "lab",
            "data_dir": str(self.host.folder / "data"),
            "bind_addr": self.host.address,
            "client_addr": "::",
            "session_ttl_min": "1s",
            "performance": {"raft_multiplier": 1},
            "disable_update_check": True,
            "ports": {"dns": -1, "grpc": -1},
        }
        file = self.host.folder / "consul.json"
        file.write_text(json.dumps(settings))
        with open(self._log, "ab") as log:
            self._process = self.namespace.start(
                program(), "agent", "-config-file", file, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_until(self._answers, "an answer of Consul", unless=self._must_run)
        return self

    def _answers(self):
        try:
            # A leader that is known serves reads a moment later.
            status, _ = self.namespace.get("/v1/catalog/nodes?consistent", 8500)
            return status == 200
        except OSError:
            return False

    def _must_run(self):
        assert self.running(), f"Consul ended:\n{self.log()}"

    def running(self):
        return self._process is not None and self._process.poll() is None

    def stop(self):
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

    def consul(self, *words, input=None):
        return self.namespace.run(program(), *words, input=input)

    def api(self, method, path, body=""):
        """The answer to a request, as JSON if it is some."""
        text = self.namespace.run(
            "curl", "-s", "--fail", "--max-time", "60", "-X", method, "--data-binary", body,
            f"http://127.0.0.1:8500/v1/{path}",
        )  # fmt: skip
        return json.loads(text) if text.strip() else None

    # ---- operations that operators do by hand

    def set_config(self, config):
        self.consul("kv", "put", f"{KEYS}/config", json.dumps(config))

    def lease_values(self):
        """key -> value, unchanged."""
        lines = self.consul("kv", "get", "-recurse", f"{KEYS}/subnets/").splitlines()
        pairs = (line.partition(":{") for line in lines)
        return {key.rsplit("/", 1)[1]: "{" + value for key, _, value in pairs}

    def sessions(self):
        """The ids of all sessions."""
        return [session["ID"] for session in self.api("GET", "session/list")]

    def delete_lease(self, key):
        self.consul("kv", "delete", f"{KEYS}/subnets/{key}")

    def forget_everything(self):
        self.consul("kv", "delete", "-recurse", f"{KEYS}/")
        for session in self.sessions():
            self.api("PUT", f"session/destroy/{session}")
