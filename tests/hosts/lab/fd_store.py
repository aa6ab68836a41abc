# SPDX-License-Identifier: Apache-2.0
"""Stores descriptors for a service as systemd does (FDSTORE)."""

import os

HAND_OVER = """
first=3
for fd in $1; do eval "exec $first<&$fd"; first=$((first + 1)); done
export LISTEN_PID=$$ LISTEN_FDS=$((first - 3)) LISTEN_FDNAMES="$2"
shift 2
exec "$@"
"""


def hand_over(given, argv):
    """Returns (words that run `argv` with the descriptors of `given`, pairs of name and descriptor; these descriptors)."""
    fds = [fd for _, fd in given]
    names = ":".join(name for name, _ in given)
    return ["bash", "-c", HAND_OVER, "bash", " ".join(map(str, fds)), names, *argv], fds


class FdStore:
    def __init__(self):
        self._kept = []  # (name, descriptor), in the order of arrival

    def hear(self, message, fds):
        """Handles a message of the service and its descriptors."""
        fields = dict(line.split("=", 1) for line in message.split("\n") if "=" in line)
        if "FDSTOREREMOVE" in fields:
            self._close(lambda name: name == fields["FDNAME"])
        if "FDSTORE" in fields:
            self._kept += [(fields["FDNAME"], fd) for fd in fds]
        else:
            for fd in fds:
                os.close(fd)

    def names(self):
        return [name for name, _ in self._kept]

    def kept(self):
        """All stored descriptors, each with its name."""
        return list(self._kept)

    def close(self):
        self._close(lambda name: True)

    def _close(self, chosen):
        for name, fd in self._kept:
            if chosen(name):
                os.close(fd)
        self._kept = [(name, fd) for name, fd in self._kept if not chosen(name)]
