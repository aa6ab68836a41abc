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


@contextlib.contextmanager
def without_store(host, store):
    """Packets between a host and the machine of the store are dropped, without an answer."""
    address = store.host.address
    host.ns.run("nft", "-f", "-", input=(
        "add table inet cut\n"
        "add chain inet cut in { type filter hook input priority 0; }\n"
        "add chain inet cut out { type filter hook output priority 0; }\n"
        f"add rule inet cut in ip saddr {address} drop\n"
        f"add rule inet cut out ip daddr {address} drop\n"
    ))  # fmt: skip
    try:
        yield
    finally:
        host.ns.run("nft", "delete", "table", "inet", "cut")
