# SPDX-License-Identifier: Apache-2.0
"""Hosts with several networks in one daemon each."""

import json

from .flanneld import flannelctl
from .shell import wait_until
from .topology import Container
from .traffic import answers

# Ranges that overlap neither each other nor the lab's LAN.
RANGES = {
    "blue": ("10.5.0.0/16", "fd00:5::/48"),
    "green": ("10.6.0.0/16", "fd00:6::/48"),
    "red": ("10.7.0.0/16", "fd00:7::/48"),
}
# Seconds in which two lists have come on a machine that is slow: the pause after a list grows with its time.
LISTED = 700


class Networks:
    """`backends`: the backend of each network, by its name: {"blue": {"Type": "vxlan", "VNI": 1}}.

    `follow`: the daemons take part in those that the store has."""

    def __init__(self, lab, store, backends, hosts=2, dual=False, flags=(), follow=False, **more):
        self.lab = lab
        self.store = lab.store(store)
        self.names = list(backends)
        self.dual = dual
        self.configs = {name: self._config(name, backend) | more for name, backend in backends.items()}
        self.hosts = []
        for _ in range(hosts):
            host = lab.host()
            if dual:
                host.add_ipv6()
            host.flanneld(self.store, "--networks=" + ("*" if follow else ",".join(self.names)), *flags)
            host.containers = {}
            self.hosts.append(host)

    def _config(self, name, backend):
        config = {"Network": RANGES[name][0], "Backend": backend}
        if self.dual:
            config |= {"EnableIPv6": True, "IPv6Network": RANGES[name][1]}
        return config

    def set_config(self, name, **changes):
        self.configs[name] = self.configs[name] | changes
        flannelctl(self.store, f"--network={name}", "config", "set", "--force", json.dumps(self.configs[name]))

    def start(self, containers=True):
        for name in self.names:
            self.set_config(name)
        for host in self.hosts:
            host.daemon.start()
        for host in self.hosts:
            host.daemon.wait_ready()
        self.wait_complete()
        if containers:
            self.add_containers()
        return self

    def add_containers(self, names=None):
        for host in self.hosts:
            for number, name in enumerate(self.names):
                if names is None or name in names:
                    host.containers[name] = Container(host, env(host, name), number)

    def wait_leases(self, name):
        for host in self.hosts:
            # With --networks=* it waits for a list, whose pause may be minutes on a slow machine.
            wait_until(lambda: env(host, name), f"the lease of {host.name} in {name}", 400)

    def status(self, host, name):
        return host.daemon.status()["networks"][name]

    def change(self, name, **changes):
        """Changes a configuration, and waits until each host has adopted it."""

        def adopted(host):
            lines = host.daemon.log().splitlines()
            return sum("this host follows" in line and line.endswith(f"of_network={name}") for line in lines)

        before = {host: adopted(host) for host in self.hosts}
        self.set_config(name, **changes)
        wait_until(
            lambda: all(adopted(host) > before[host] for host in self.hosts), f"all hosts to follow {name}"
        )

    def problems(self, host, name):
        return [problem["text"] for problem in self.status(host, name)["problems"]]

    def wait_complete(self, names=None):
        """Waits until each host has every other up in these networks."""

        def numbers():
            return [self.status(host, name)["peers"]["up"] for host in self.hosts for name in names or self.names]

        wait_until(lambda: set(numbers()) == {len(self.hosts) - 1}, lambda: f"all peers: {numbers()}")

    def wait_reaches(self, one, two, name, version=4):
        """Waits until containers of a network on two hosts reach each other."""
        wait_until(lambda: self.reaches(one, two, name, name, version), f"packets of {name}, version {version}")

    def reaches(self, one, two, source, target, version=4):
        """Whether a container of host `one` in the network `source` gets an answer of one of `two` in `target`."""
        return answers(one.containers[source], two.containers[target].at(version).address)


def env(host, name):
    """The subnet file of a network; None if there is none."""
    file = host.daemon.subnet_file.parent / "networks" / f"{name}.env"
    if not file.exists():
        return None
    return dict(line.split("=", 1) for line in file.read_text(encoding="ascii").splitlines())


def names(host):
    return list(host.daemon.status()["networks"])


def codes(networks, host, name):
    return [problem["code"] for problem in networks.status(host, name)["problems"]]


def delete(networks, name):
    flannelctl(networks.store, "network", "delete", "--force", name)


def left_of(host, name):
    """What a host still has of a network: its file, routes, rules and status."""
    host.daemon.told()  # a service manager reads what it is told, such as to close descriptors
    v4, v6 = RANGES[name]
    found = [str(env(host, name))] if env(host, name) else []
    found += [name] if name in names(host) else []
    for version, network in ((4, v4), (6, v6)):
        inside = network.rsplit(".0", 2)[0] if version == 4 else network.split("::")[0]
        found += [r["dst"] for r in host.ns.ask(f"-{version}", "route", "show") if r["dst"].startswith(inside)]
    rules = host.ns.run("nft", "list", "ruleset", check=False).splitlines()
    found += [line for line in rules if v4 in line or v6 in line]
    return found


def wait_left(host, name):
    wait_until(lambda: not left_of(host, name), lambda: f"{host.name} to leave {name}: {left_of(host, name)}", LISTED)


def wait_in_use(networks, host, name):
    wait_until(lambda: "network-in-use" in codes(networks, host, name), lambda: str(codes(networks, host, name)), LISTED)
