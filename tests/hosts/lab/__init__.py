# SPDX-License-Identifier: Apache-2.0
"""Hosts made of network namespaces, with real daemons, a real store and real traffic."""

from .flanneld import binary, flannelctl, leases_of
from .run import Run
from .shell import CommandFailed, NotReached, run, wait_until
from .topology import Container, Host, Lab

__all__ = [
    "CommandFailed",
    "Container",
    "Host",
    "Lab",
    "NotReached",
    "Run",
    "binary",
    "flannelctl",
    "leases_of",
    "run",
    "wait_until",
]
