# SPDX-License-Identifier: Apache-2.0
"""Cleans up after a test run, however the run ended.

The reaper is a process of its own. It waits for the end of a pipe whose writing end is open in the
test run only. The kernel closes that end when the run ends, by the last test, Ctrl-C or kill -9. Then
the reaper removes the processes in the run's namespaces, the namespaces, the cgroups of its Docker
engines and the run's folder.

    python3 reaper.py PREFIX FOLDER < pipe
"""

import glob
import os
import shutil
import signal
import subprocess
import sys
import time


def remove_namespaces(prefix):
    if not os.path.isdir("/run/netns"):
        return
    for name in sorted(os.listdir("/run/netns")):
        if not name.startswith(prefix):
            continue
        found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True)
        for pid in found.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        subprocess.run(["ip", "netns", "del", name], capture_output=True)


def remove_cgroups(prefix, within=5):
    """Removes the cgroups of Docker engines; a cgroup can be removed after its last process has ended."""
    deadline = time.monotonic() + within
    while True:
        # cgroup v2 has one tree, v1 has one for each controller.
        tops = [*glob.glob(f"/sys/fs/cgroup/{prefix}*"), *glob.glob(f"/sys/fs/cgroup/*/{prefix}*")]
        if not tops or time.monotonic() > deadline:
            return
        for top in tops:
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    time.sleep(0.02)


def main():
    prefix, folder = sys.argv[1:]
    # Ctrl-C of the terminal and signals to the run's process group must not end the reaper.
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    while sys.stdin.buffer.read(4096):
        pass
    remove_namespaces(prefix)
    remove_cgroups(prefix)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
