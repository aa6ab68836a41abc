# SPDX-License-Identifier: Apache-2.0
"""Hosts that share a store and a configuration, each with its daemon."""

import json
import shutil
import threading

from .overlay import IPIP, NETWORK, NETWORK6, WIREGUARD, device, key_of, missing, subnet, wait_complete
from .shell import wait_until

# Hosts choose their subnets at random up to these. The subnets of the networks above them belong to
# the tests, which write leases and routes of their own there.
LAST_SUBNET_OF_HOSTS = "10.5.63.0"
LAST_SUBNET6_OF_HOSTS = "fd00:5:0:3f::"
FAMILIES = {"v4": (4,), "dual": (4, 6), "v6": (6,)}


class Cluster:
    """`families`: "v4", "dual", or "v6" for hosts, a network and a store without IPv4."""

    def __init__(self, lab, store="sqlite", backend="vxlan", hosts=2, families="v4", flags=(), **options):
        self.lab = lab
        self.backend = backend
        self.families = families
        self.versions = FAMILIES[families]
        self.store = lab.store(store, version=self.versions[0])
        self.config = {"Backend": {"Type": backend}}
        if 4 in self.versions:
            self.config |= {"Network": NETWORK, "SubnetMax": LAST_SUBNET_OF_HOSTS}
        else:
            self.config["EnableIPv4"] = False
        if 6 in self.versions:
            self.config |= {
                "EnableIPv6": True, "IPv6Network": NETWORK6, "IPv6SubnetMax": LAST_SUBNET6_OF_HOSTS,
            }  # fmt: skip
        self._flags, self._options = flags, options
        self.hosts = []
        for _ in range(hosts):
            self.add_host()

    def add_host(self):
        """One more host with a daemon that is not started."""
        host = self.lab.host()
        self.give_addresses(host)
        host.flanneld(self.store, *self._flags, **self._options)
        self.hosts.append(host)
        return host

    def give_addresses(self, host):
        """Gives eth0 of a new host, which has an IPv4 address, those of the cluster's families."""
        if 6 in self.versions:
            host.add_ipv6()
        if 4 not in self.versions:
            host.remove_ipv4()

    def start(self, containers=False):
        """Writes the configuration, starts the daemons, and waits until every host reaches every other."""
        self.store.set_config(self.config)
        for host in self.hosts:
            host.daemon.start()
        for host in self.hosts:
            host.daemon.wait_ready()
        self.wait_complete()
        if containers:
            for host in self.hosts:
                host.start_container()
        return self

    def _wait_peers(self):
        """Waits until every daemon knows every other, reachable or not: with udp the kernel does not show it."""

        def known(host):
            peers = host.daemon.status()["peers"]
            return peers["up"] + len(peers["unreachable"])

        def numbers():
            return [known(host) for host in self.hosts]

        wait_until(
            lambda: min(numbers()) >= len(self.hosts) - 1, lambda: f"all peers on each host: {numbers()}"
        )

    def start_at_once(self):
        """Starts all daemons, as close together as this machine can."""
        gate = threading.Barrier(len(self.hosts))

        def start(daemon):
            gate.wait()
            daemon.start()

        threads = [threading.Thread(target=start, args=[host.daemon]) for host in self.hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def change_backend(self, backend, **options):
        """Puts a configuration with another backend, or other options of it."""
        self.backend = backend
        self.config = self.config | {"Backend": {"Type": backend, **options}}
        self.store.set_config(self.config)

    def announced(self, host):
        """What the lease of a host says of its backend."""
        return self.lease(host).get("Backend", {})

    def lease(self, host):
        return json.loads(self.store.lease_values().get(key_of(host), "{}"))

    def wait_announced(self, hosts, backend, within=60):
        wait_until(
            lambda: all(self.announced(host).get("Type") == backend for host in hosts),
            lambda: f"{backend} to be announced: {[self.announced(host) for host in hosts]}",
            within,
        )

    def wait_complete(self, within=60):
        wait_complete(self.hosts, self.backend, self.versions, within)
        if self.backend == "udp":
            self._wait_peers()

    def missing(self):
        return missing(self.hosts, self.backend, self.versions)

    def subnets(self):
        """The leased subnets of each host."""
        return [[subnet(host, version) for version in self.versions] for host in self.hosts]

    def forget_everything(self):
        """Removes all state, as if no daemon had ever run on the hosts; the daemons must be stopped."""
        for host in self.hosts:
            for version in self.versions:
                for name in (device(version), IPIP, WIREGUARD[version]):
                    host.ns.ip("link", "del", name, check=False)
                host.ns.ip(f"-{version}", "route", "flush", "proto", "250", check=False)
            host.daemon.subnet_file.unlink(missing_ok=True)
            shutil.rmtree(host.daemon.state_dir, ignore_errors=True)
        self.store.forget_everything()


def wait_rows_gone(host, rows_left, what, within=60):
    """Waits until `rows_left()` is empty."""
    wait_until(
        lambda: not rows_left(),
        lambda: f"{what} to be gone from {host.name}: {sorted(rows_left())}",
        within,
        unless=host.daemon.must_run,
    )
