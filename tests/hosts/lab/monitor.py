# SPDX-License-Identifier: Apache-2.0
"""`ip monitor` on a host: what changes in its kernel."""

from .shell import wait_until


class Monitor:
    """Listens from the beginning of the `with` block to its end.

    `words`: those of ip, "route" for example."""

    def __init__(self, host, *words):
        self._host = host
        self._words = words
        self._path = host.folder / f"monitor-{'-'.join(words)}.log"
        self._process = None

    def __enter__(self):
        with open(self._path, "wb") as log:
            self._process = self._host.ns.start("ip", "-o", *self._words, stdout=log)
        wait_until(lambda: self._socket() and int(self._socket()["Groups"], 16), "ip to listen to the kernel")
        return self

    def _socket(self):
        """The row of its netlink socket; None: there is none."""
        names, *rows = self._host.ns.run("cat", "/proc/net/netlink").splitlines()
        sockets = [dict(zip(names.split(), row.split())) for row in rows]
        return next((row for row in sockets if row["Pid"] == str(self._process.pid)), None)

    def lines(self):
        """What has been heard of all that has happened so far."""
        wait_until(lambda: self._socket()["Rmem"] == "0", "ip to have read everything")
        return self._path.read_text().splitlines()

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
