# SPDX-License-Identifier: Apache-2.0
"""Faults of the network around a host."""

import contextlib


@contextlib.contextmanager
def dropped(host, rule, hook="ingress"):
    """Packets that enter or leave the host by eth0 are dropped."""
    host.ns.run("nft", f"add table netdev doctor; add chain netdev doctor {hook} "
                f"{{ type filter hook {hook} device eth0 priority 0; }}; add rule netdev doctor {hook} {rule} drop")  # fmt: skip
    yield
    host.ns.run("nft", "delete", "table", "netdev", "doctor")
