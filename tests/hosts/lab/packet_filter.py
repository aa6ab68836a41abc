# SPDX-License-Identifier: Apache-2.0
"""The packet filter of a host: nftables, and iptables of the kinds nft and legacy.

A `kind` is "nftables", "iptables" (of the kind nft, as on Debian) or "iptables-legacy"."""

import os
import shutil

TABLES = {4: "table ip flannel-10.5.0.0-16", 6: "table ip6 flannel-fd00_5__-48"}


def iptables(kind, version, suffix=""):
    """The name of a program of iptables or ip6tables that writes the rules of this kind."""
    family = "6" if version == 6 else ""
    return f"ip{family}tables-{'legacy' if kind == 'iptables-legacy' else 'nft'}{suffix}"


def use_legacy(folder, monkeypatch):
    """Makes `iptables` and `ip6tables` links to those of the kind legacy, for programs that are started from here."""
    folder.mkdir()
    for family in ("ip", "ip6"):
        for suffix in ("-save", "-restore"):
            program = shutil.which(f"{family}tables-legacy{suffix}", path="/usr/sbin:/sbin")
            (folder / f"{family}tables{suffix}").symlink_to(program)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def tables(host):
    """The tables of nftables."""
    return set(host.ns.run("nft", "list", "tables").splitlines())


def own_rules(host, kind, version):
    """The lines of flanneld's table or chains of one version of IP."""
    if kind == "nftables":
        said = host.ns.run("nft", "list", *TABLES[version].split(), check=False)
    else:
        said = host.ns.run(iptables(kind, version, "-save"))
    network = {4: "10.5.", 6: "fd00:5:"}[version]
    return [line for line in said.splitlines() if network in line or "flannel" in line.lower()]
