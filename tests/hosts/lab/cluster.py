# SPDX-License-Identifier: Apache-2.0
"""Hosts that share a store and a configuration, each with its daemon."""

import shutil
import threading

from .overlay import missing, wait_complete
from .shell import wait_until

NETWORK = "10.5.0.0/16"
# Hosts choose their subnets at random up to this one. The subnets of NETWORK above it belong to the
# tests, which write leases and routes of their own there.
LAST_SUBNET_OF_HOSTS = "10.5.63.0"


class Cluster:
    def __init__(self, lab, store="sqlite", backend="vxlan", hosts=2, flags=(), **options):
        self.lab = lab
        self.backend = backend
        self.store = lab.store(store)
        self.config = {
            "Network": NETWORK,
            "SubnetMax": LAST_SUBNET_OF_HOSTS,
            "Backend": {"Type": backend},
        }
        self._flags, self._options = flags, options
        self.hosts = []
        for _ in range(hosts):
            self.add_host()

    def add_host(self):
        """One more host with a daemon that is not started."""
        host = self.lab.host()
        host.flanneld(self.store, *self._flags, **self._options)
        self.hosts.append(host)
        return host

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

    def wait_complete(self, within=20):
        wait_complete(self.hosts, self.backend, within)

    def missing(self):
        return missing(self.hosts, self.backend)

    def forget_everything(self):
        """Removes all state, as if no daemon had ever run on the hosts; the daemons must be stopped."""
        for host in self.hosts:
            host.ns.ip("link", "del", "flannel.1", check=False)
            host.ns.ip("route", "flush", "proto", "250", check=False)
            host.daemon.subnet_file.unlink(missing_ok=True)
            shutil.rmtree(host.daemon.state_dir, ignore_errors=True)
        self.store.forget_everything()


def wait_rows_gone(host, rows_left, what, within=30):
    """Waits until `rows_left()` is empty."""
    wait_until(
        lambda: not rows_left(),
        lambda: f"{what} to be gone from {host.name}: {sorted(rows_left())}",
        within,
        unless=host.daemon.must_run,
    )
