# SPDX-License-Identifier: Apache-2.0
"""The socket of the IPAM driver under systemd, which starts flanneld for a call of Docker."""

import json
import socket

from machine import wait_until
from test_package import installed


def test_no_call_of_docker_is_lost_while_the_service_manager_has_the_socket(machine):
    installed(machine)
    file = machine.path("/run/docker/plugins/flannel.sock")
    machine("systemctl", "start", "flanneld")
    machine("systemctl", "enable", "flannel-docker.socket")
    # systemd starts no socket whose service runs.
    machine("systemctl", "stop", "flanneld")
    machine("systemctl", "start", "flannel-docker.socket", "flanneld")
    assert machine("systemctl", "is-active", "flannel-docker.socket", "flanneld") == "active\nactive\n"
    assert machine("stat", "-c", "%U %a", "/run/docker/plugins", "/run/docker/plugins/flannel.sock") == "root 700\nroot 600\n"

    def post(call, **body):
        """What the plugin answers: at a call to a flanneld that does not run systemd starts it."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(60)
            link.connect(str(file))
            text = json.dumps(body) if body else ""
            link.sendall(f"POST /{call} HTTP/1.1\r\nHost:\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
            with link.makefile("rb") as answer:
                return json.loads(answer.read().split(b"\r\n\r\n", 1)[1])

    assert post("Plugin.Activate") == {"Implements": ["NetworkDriver", "IpamDriver"]}
    wait_until(lambda: machine.property("flanneld", "ActiveState") == "active", "flanneld")
    pool = post("IpamDriver.RequestPool", AddressSpace="flannel")["PoolID"]
    had = [post("IpamDriver.RequestAddress", PoolID=pool)["Address"]]
    for words in (["restart", "flanneld"], ["kill", "--signal=KILL", "flanneld"], ["stop", "flanneld"]):
        machine("systemctl", *words)
        had.append(post("IpamDriver.RequestAddress", PoolID=pool)["Address"])
    assert len(set(had)) == 4, had
    wait_until(lambda: machine.property("flanneld", "ActiveState") == "active", "flanneld")
    assert "Docker's IPAM driver flannel is served" in machine.log("flanneld")
    # Docker gets no --bip beside it.
    machine("systemctl", "start", "flannel-docker")
    assert "bip" not in machine("cat", "/run/docker_opts.env")
    machine("dpkg", "--remove", "flannel-cpp")
    assert not file.exists()
    assert machine("pgrep", "-c", "flanneld", check=False) == "0\n"
