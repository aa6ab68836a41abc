# SPDX-License-Identifier: Apache-2.0
"""Damage to kernel objects of a host, and its repair."""

import shlex
import signal

from .shell import wait_until


def damage_and_wait(host, damage, command, look, also=lambda: None):
    """Runs the command, and `also`, while the daemon stands still, and waits until look() returns what it did before."""
    had = look()
    host.daemon.signal(signal.SIGSTOP)  # the repair is faster than a test can read
    host.ns.run(*shlex.split(command))
    assert look() != had, f"{damage}: nothing was damaged"
    also()
    host.daemon.signal(signal.SIGCONT)
    wait_until(lambda: look() == had, lambda: f"{damage}: {had} {look()}", unless=host.daemon.must_run)
