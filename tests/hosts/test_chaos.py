# SPDX-License-Identifier: Apache-2.0
"""Changes of the configuration, faults and damage at random, under traffic.

The seed of a run is in its name. CHAOS_SECONDS (30) and CHAOS_SEEDS (1,2) make it longer:

    CHAOS_SECONDS=3600 CHAOS_SEEDS=7 python3 -m pytest tests/hosts/test_chaos.py
"""

import json
import os
import random
import time

import pytest

from lab.cluster import Cluster
from lab.overlay import base, key_of, subnet
from lab.shell import wait_until
from lab.traffic import EchoStreams, reached

SECONDS = float(os.environ.get("CHAOS_SECONDS", "30"))
SEEDS = [int(seed) for seed in os.environ.get("CHAOS_SEEDS", "1,2").split(",")]

# What the kernel carries, so that no packet is lost while a daemon is down.
BACKENDS = [{"Type": "vxlan"}, {"Type": "vxlan", "VNI": 7}, {"Type": "vxlan", "Port": 8473}, {"Type": "host-gw"}]
NETWORKS = ["10.5.0.0/16", "10.4.0.0/15"]


class Chaos:
    def __init__(self, cluster, seed):
        self.cluster = cluster
        self.random = random.Random(seed)
        self.done = []
        self.began = time.monotonic()

    def change_backend(self):
        self.put({"Backend": self.random.choice(BACKENDS)})

    def change_network(self):
        self.put({"Network": self.random.choice(NETWORKS)})

    def put_two_at_once(self):
        self.change_backend()
        self.change_backend()

    def put_nonsense(self):
        self.cluster.store.etcdctl("put", "/coreos.com/network/config", '{"Network":"10.5.0.0/31"}')

    def kill_daemon(self):
        daemon = self.random.choice(self.cluster.hosts).daemon
        daemon.kill9()
        if self.random.random() < 0.5:
            self.change_backend()
        daemon.start()
        self.put({})  # a daemon that starts needs a valid one
        daemon.wait_ready()

    def restart_store(self):
        self.cluster.store.stop()
        time.sleep(self.random.random() * 2)
        self.cluster.store.start()

    def damage(self):
        """Deletes what carries packets between two hosts that have no stream of echoes."""
        two, three = self.cluster.hosts[1:]
        what = self.random.choice(["route", "neigh"])
        cidr = subnet(three)
        if what == "route":
            two.ns.ip("route", "del", cidr, check=False)
        else:
            two.ns.ip("neigh", "flush", base(cidr), "nud", "permanent", check=False)

    def put(self, change):
        self.cluster.config = self.cluster.config | change
        self.cluster.store.set_config(self.cluster.config)

    def step(self):
        event = self.random.choice([
            self.change_backend, self.change_backend, self.change_network, self.put_two_at_once,
            self.put_nonsense, self.kill_daemon, self.restart_store, self.damage,
        ])  # fmt: skip
        self.done.append(f"{time.monotonic() - self.began:.1f} s {event.__name__}")
        event()
        time.sleep(self.random.random())

    def is_settled(self):
        """Every host announces the last configuration."""
        wanted = self.cluster.config["Backend"]
        records = self.cluster.store.lease_values()
        backends = [json.loads(records.get(key_of(host), "{}")).get("Backend", {}) for host in self.cluster.hosts]
        return all(
            backend.get("Type") == wanted["Type"]
            and backend.get("VNI", 1) == wanted.get("VNI", 1)
            and backend.get("Port", 8472) == wanted.get("Port", 8472)
            for backend in backends
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_no_change_and_no_fault_costs_a_packet_or_a_subnet(lab, seed):
    cluster = Cluster(lab, "etcd", "vxlan", hosts=3).start(containers=True)
    one, two, three = cluster.hosts
    subnets = cluster.subnets()
    chaos = Chaos(cluster, seed)
    with (
        EchoStreams(cluster, one.container, two.container, longest=2 * SECONDS + 1000) as there,
        EchoStreams(cluster, three.container, one.container, longest=2 * SECONDS + 1000) as back,
    ):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            chaos.step()
        chaos.put({})
        wait_until(chaos.is_settled, lambda: f"seed {seed}, after {chaos.done}")
        there.more()
        back.more()
    assert (there.lost(), back.lost()) == ([], []), f"seed {seed}, {chaos.done}"
    reached(two.container, three.container)  # what was damaged is mended
    assert cluster.subnets() == subnets
