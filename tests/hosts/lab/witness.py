# SPDX-License-Identifier: Apache-2.0
"""Checks that faults of the store do not affect packets, kernel rows, subnets, health and records."""

import contextlib
import json

from .monitor import Monitor
from .overlay import lease_key, rows, subnet
from .shell import wait_until
from .traffic import EchoStream, unanswered


class Witness:
    """Records every echo, and every row that a kernel loses."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.hosts = cluster.hosts
        self.had = {host.name: rows(host) for host in self.hosts}
        self.none = {host.name: 0 for host in self.hosts}
        self.subnets = {host.name: subnet(host) for host in self.hosts}
        self._stack = contextlib.ExitStack()
        self._streams = []
        self._monitors = {}

    def __enter__(self):
        for host in self.hosts:
            self._monitors[host.name] = self._stack.enter_context(Monitor(host, "monitor", "route", "neigh"))
        for host, peer in zip(self.hosts, [*self.hosts[1:], self.hosts[0]]):
            stream = EchoStream(host.container, peer.container, host.folder, every=0.01)
            self._streams.append(self._stack.enter_context(stream))
        return self

    def __exit__(self, *_):
        self._stack.close()

    def removed(self):
        return {
            name: lines
            for name, monitor in self._monitors.items()
            if (lines := [line for line in monitor.lines() if line.startswith("Deleted 10.5.")])
        }

    def nothing_happened(self, during):
        assert {h.name: rows(h) for h in self.hosts} == self.had, during
        assert self.removed() == {}, during
        for stream in self._streams:
            stream.more(20)
        assert {h.name: unanswered(h.container) for h in self.hosts} == self.none, during

    def all_is_well_again(self, after):
        def is_well():
            return all(
                host.daemon.ready()
                and host.daemon.health("/readyz")[1].strip() == "flanneld is ready"
                for host in self.hosts
            )

        wait_until(
            is_well,
            lambda: f"{after}: " + "; ".join(h.daemon.health("/readyz")[1] for h in self.hosts),
            every=0.2,
        )
        self.nothing_happened(after)
        assert {h.name: subnet(h) for h in self.hosts} == self.subnets, after
        values = self.cluster.store.lease_values()
        for host in self.hosts:
            key = lease_key(self.subnets[host.name])
            assert json.loads(values[key])["PublicIP"] == host.address, after
