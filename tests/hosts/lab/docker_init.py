# SPDX-License-Identifier: Apache-2.0
"""The first process of an engine's PID and mount namespace: mounts, then reaps processes.

The containers and mounts of the engine end with this process, without a cleanup.

    nsenter --net=... unshare --mount --pid --fork python3 docker_init.py FOLDER
"""

import os
import signal
import subprocess
import sys


def mount_all(folder):
    """Mounts the network namespace's own /sys, and memory at the folders that the engine writes to."""
    for words in (
        ["--make-rprivate", "/"],
        ["-t", "tmpfs", "engine", folder],
    ):
        subprocess.run(["mount", *words], check=True)
    groups = os.path.join(folder, "cgroup")
    os.mkdir(groups)
    for words in (
        ["--rbind", "/sys/fs/cgroup", groups],
        ["-t", "sysfs", "sysfs", "/sys"],
        ["--rbind", groups, "/sys/fs/cgroup"],
        ["-t", "proc", "proc", "/proc"],
        ["-t", "tmpfs", "run", "/run"],
    ):
        subprocess.run(["mount", *words], check=True)


def main():
    mount_all(sys.argv[1])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    print("ready", flush=True)
    while True:
        signal.sigwait({signal.SIGCHLD})
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass


if __name__ == "__main__":
    main()
