# SPDX-License-Identifier: Apache-2.0
"""A host on which mk-docker-opts.sh runs, by each shell that may be a host's /bin/sh. It needs no root: a stub
named `ip` prints the route table."""

import os
import pathlib
import re
import subprocess

SCRIPT = pathlib.Path(__file__).parents[2] / "dist" / "mk-docker-opts.sh"
SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"]}
SAMPLE = {
    "FLANNEL_NETWORK": "10.1.0.0/16",
    "FLANNEL_SUBNET": "10.1.74.1/24",
    "FLANNEL_MTU": "1472",
    "FLANNEL_IPMASQ": "false",
}
BIP = 'DOCKER_OPT_BIP="--bip=10.1.74.1/24"\n'
IPMASQ = 'DOCKER_OPT_IPMASQ="--ip-masq=true"\n'
MTU = 'DOCKER_OPT_MTU="--mtu=1472"\n'


def combined(key="DOCKER_OPTS", options="--bip=10.1.74.1/24 --ip-masq=true --mtu=1472"):
    return f'{key}=" {options}"\n'


def read_by_systemd(text):
    """The variables of an output file, as EnvironmentFile= reads them."""
    pairs = re.findall(r'^([A-Z_]+)="(.*)"$', text, re.M)
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in pairs}


class Host:
    def __init__(self, folder, shell):
        self.folder = folder
        self.shell = shell
        self.output = folder / "docker_opts.env"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.routes("default via 192.0.2.1 dev eth0\n")
        self.flannel(SAMPLE)

    def flannel(self, wanted):
        """Writes subnet.env: from a dict, or the text itself."""
        if isinstance(wanted, dict):
            wanted = "".join(f"{name}={value}\n" for name, value in wanted.items())
        (self.folder / "subnet.env").write_text(wanted)

    def routes(self, text):
        (self.bin / "routes").write_text(text)
        stub = self.bin / "ip"
        stub.write_text(f'#!/bin/sh\n[ "$*" = "route show" ] && cat "{self.bin}/routes"\n')
        stub.chmod(0o755)

    def run(self, *words, **environment):
        return subprocess.run(
            [*self.shell, str(SCRIPT), "-f", "subnet.env", "-d", "docker_opts.env", *words],
            cwd=self.folder,
            env={"PATH": f"{self.bin}:{os.environ['PATH']}", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def opts(self, *words, **environment):
        """The text of the output file after a run that has to succeed in silence."""
        done = self.run(*words, **environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert not list(self.folder.glob(".docker*")), "a temporary file was left behind"
        return self.output.read_text()

    def refusal(self, *words, **environment):
        """The complaint of a run that has to fail and leave the output file as it was."""
        self.output.write_text("as it was\n")
        done = self.run(*words, **environment)
        assert done.returncode == 1
        assert self.output.read_text() == "as it was\n"
        assert not list(self.folder.glob(".docker*"))
        return done.stderr
