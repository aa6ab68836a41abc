# SPDX-License-Identifier: Apache-2.0
"""flanneld as the IPAM plugin of an engine: the socket, and networks whose addresses it gives out."""

import json
import pathlib
import socket

import pytest

from .docker import installed
from .shell import wait_until

# What an operator types on every host.
CREATE = ["network", "create", "--ipam-driver=flannel"]


def need(release):
    if not installed(release):
        pytest.skip(f"no Docker {release} here, scripts/fetch-docker28.sh gets it; NOTHING WAS TESTED")
    return release


class PluginSocket:
    """What flannel-docker.socket is for systemd: a socket in the engine's folder of plugins that outlives flanneld."""

    def __init__(self, engine):
        # The engine has a /run of its own.
        self._file = pathlib.Path(f"/proc/{engine.first}/root/run/docker/plugins/flannel.sock")
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.listen()

    def listen(self):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(self._file))
        self._socket.listen(128)

    def remove(self):
        self._socket.close()
        self._file.unlink()

    def given(self):
        """The pair by which flanneld gets it."""
        return ("docker-plugin", self._socket.fileno())


def pools(host):
    """What flanneld has written down, by subnet."""
    file = host.daemon.state_dir / "docker-pools.json"
    if not file.exists():
        return {}
    return {pool["subnet"]: pool for pool in json.loads(file.read_text(encoding="utf-8"))["pools"]}


def given_out(host, *subnets):
    """The addresses of these subnets that flanneld has given to Docker, without the gateways."""
    found = set()
    for subnet in subnets:
        pool = pools(host).get(subnet, {"taken": [], "doubtful": [], "gateway": None})
        found |= {*pool["taken"], *pool["doubtful"]} - {pool["gateway"]}
    return found


def in_containers(host, name):
    """The addresses that Docker says its running containers have in a network: a list, in which one may be twice."""
    there = json.loads(host.engine.docker("network", "inspect", name))[0]
    found = [one[family] for one in there["Containers"].values() for family in ("IPv4Address", "IPv6Address")]
    return sorted(address.split("/")[0] for address in found if address)


def wait_exact(host, name, *subnets):
    """Waits until flanneld has given out what containers have, no more and no less."""
    wait_until(
        lambda: sorted(given_out(host, *subnets)) == in_containers(host, name),
        lambda: f"{given_out(host, *subnets)} to be {in_containers(host, name)}",
    )
