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

    def hand_over(self, argv):
        """Returns (words that run `argv` with all stored descriptors, these descriptors)."""
        fds = [fd for _, fd in self._kept]
        words = ["bash", "-c", HAND_OVER, "bash", " ".join(map(str, fds)), ":".join(self.names())]
        return [*words, *argv], fds

    def close(self):
        self._close(lambda name: True)

    def _close(self, chosen):
        for name, fd in self._kept:
            if chosen(name):
                os.close(fd)
        self._kept = [(name, fd) for name, fd in self._kept if not chosen(name)]
