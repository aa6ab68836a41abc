#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How soon a host is ready after a boot, with and without its store, from a list and from what it knew.

The benchmark runs in a network namespace of its own, as control_plane.py does. The kernel has no
object of flanneld before each start. Figures, medians of --runs starts of each kind in turn, from
exec until READY=1, which follows subnet.env:

  list         with the store, without a kept state: a list of all leases
  kept         with the store, from the kept state: the watch alone
  away         the store refuses connections; from the kept state

and the size of the file of the kept state.

Run as root: bench/offline_start.py [--build build/release] [--peers 1000,50000] [--runs 5]
"""

import glob
import os
import statistics
import tempfile
import time

import control_plane as plane

REFUSED = ("add table ip refused; add chain ip refused in { type filter hook input priority 0; }; "
           f"add rule ip refused in tcp dport {plane.ETCD_PORT} reject with tcp reset")


def kept_state(folder):
    found = glob.glob(f"{folder}/state/kept-state-*.gz")
    return found[0] if found else None


def wait_kept(folder):
    """The file appears as a whole, a second after the lease is there."""
    deadline = time.monotonic() + 60
    while kept_state(folder) is None:
        if time.monotonic() > deadline:
            raise RuntimeError("nothing is kept")
        time.sleep(0.05)


def boot(folder):
    plane.clean_kernel()
    if os.path.exists(f"{folder}/subnet.env"):
        os.unlink(f"{folder}/subnet.env")


def start(arguments, folder, backend, peers):
    boot(folder)
    daemon = plane.Daemon(arguments, folder)
    took = daemon.wait_ready()
    if any(count != peers for count in plane.rows(backend)):
        raise RuntimeError(f"at READY the kernel has {plane.rows(backend)}, wanted {peers} of each")
    return daemon, took


def measure(options, peers, backend, folder):
    api = plane.EtcdApi()
    api.put_one(f"{plane.PREFIX}/config", plane.config(backend, False))
    api.put([plane.lease(number, backend) for number in range(1, peers + 1)])
    arguments = [os.path.join(options.build, "bin/flanneld"), "--iface=eth0", *plane.STORES["etcd"][2],
                 f"--subnet-file={folder}/subnet.env", f"--state-dir={folder}/state",
                 f"--control-socket={folder}/control.sock"]
    took = {"list": [], "kept": [], "away": []}
    for _ in range(options.runs):
        if kept_state(folder):
            os.unlink(kept_state(folder))
        for kind in took:
            if kind == "away":
                plane.run("nft", REFUSED)
            daemon, seconds = start(arguments, folder, backend, peers)
            took[kind].append(seconds)
            if kind == "list":
                wait_kept(folder)
            daemon.stop()
            if kind == "away":
                plane.run("nft", "delete table ip refused")
    size = os.path.getsize(kept_state(folder))
    return {kind: statistics.median(each) for kind, each in took.items()}, size


def inside(options):
    print("| backend | peers | list s | kept s | away s | file, bytes a peer |")
    print("|---|---|---|---|---|---|")
    for backend in options.backends.split(","):
        for peers in map(int, options.peers.split(",")):
            with tempfile.TemporaryDirectory(dir=options.tmp) as folder, plane.etcd(folder):
                got, size = measure(options, peers, backend, folder)
                plane.clean_kernel()
            print(f"| {backend} | {peers} | {got['list']:.3f} | {got['kept']:.3f} | {got['away']:.3f} "
                  f"| {size / peers:.0f} |", flush=True)


def main():
    parser = plane.options_of(__doc__, peers="1000,50000")
    parser.add_argument("--backends", default="host-gw")
    options = parser.parse_args()
    plane.within_a_namespace(lambda: inside(options))


if __name__ == "__main__":
    main()
