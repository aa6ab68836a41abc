# SPDX-License-Identifier: Apache-2.0
"""A SQLite file that another process locks, while packets flow between two hosts.

    h1c ─ h1 ─ eth0 ── lan ── eth0 ─ h2 ─ h2c          both daemons open one file
"""

import contextlib
import sqlite3
import time

from lab import wait_until
from lab.cluster import Cluster
from lab.witness import Witness

TTL = 15
LOCKED = 30  # seconds without a renewal, in which every lease expires


def test_a_file_that_is_locked_for_longer_than_a_lease_lives_costs_no_packet(lab):
    store = lab.sqlite()
    flags = [f"--subnet-lease-ttl={TTL}"]
    cluster = Cluster(lab, store, "vxlan", hosts=2, flags=flags).start(containers=True)
    with Witness(cluster) as witness:
        with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as tool:
            tool.execute("BEGIN IMMEDIATE")
            until = time.monotonic() + LOCKED
            for host in cluster.hosts:
                host.daemon.wait_log("renewing the lease failed")
            time.sleep(max(0, until - time.monotonic()))
            witness.nothing_happened("while it is locked")
        renewals = [host.daemon.log().count("Lease renewed") for host in cluster.hosts]

        def all_renewed():
            now = [host.daemon.log().count("Lease renewed") for host in cluster.hosts]
            return all(later > before for before, later in zip(renewals, now))

        wait_until(all_renewed, "a renewal of each lease")
        witness.all_is_well_again("the lock is gone")
