#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A flanneld with very many peers, of which very many come and go: is any change lost, does it grow?

The benchmark runs in a network namespace of its own, as control_plane.py does, with an etcd that has
the leases of --peers peers. For --seconds, --rate leases a second are deleted or written, in
transactions of ten, each of a peer chosen at random: one that is there goes, one that is not comes.
Figures:

  MB          VmRSS before the changes and after them, when the kernel has all of them
  behind s    from the last change until the kernel has the routes that the store says, all of them
  routes      of the peers that the store has, and those that the kernel has: they must be the same
  CPU %       of flanneld during the changes

Run as root: bench/many_changes.py [--build build/release] [--peers 50000] [--rate 1000] [--seconds 60]
"""

import os
import random
import tempfile
import time

import control_plane as plane

AT_ONCE = 10


def operation(number, backend, there):
    key, value = plane.lease(number, backend)
    body = plane.put_body(key, value)
    return {"requestPut": body} if there else {"requestDeleteRange": {"key": body["key"]}}


def routes():
    lines = plane.run("ip", "-4", "route", "show", "proto", "250").splitlines()
    return {line.split()[0].split("/")[0] for line in lines if not line.startswith("blackhole")}


def flood(api, options, backend, there, chance):
    """Changes leases at the rate; returns how long it took."""
    numbers = list(there)
    began = time.monotonic()
    for turn in range(options.rate * options.seconds // AT_ONCE):
        chosen = chance.sample(numbers, AT_ONCE)
        for number in chosen:
            there[number] = not there[number]
        api.call("/v3/kv/txn", {"success": [operation(n, backend, there[n]) for n in chosen]})
        time.sleep(max(0, began + (turn + 1) * AT_ONCE / options.rate - time.monotonic()))
    return time.monotonic() - began


def wait_settled(wanted):
    """Peers whose leases were deleted stay for a grace period."""
    deadline = time.monotonic() + 120
    while (missing := routes() ^ wanted) and time.monotonic() < deadline:
        time.sleep(0.1)
    return missing


def measure(options, peers, backend, folder):
    api = plane.EtcdApi()
    api.put_one(f"{plane.PREFIX}/config", plane.config(backend, False))
    api.put([plane.lease(number, backend) for number in range(1, peers + 1)])
    daemon = plane.Daemon([os.path.join(options.build, "bin/flanneld"), "--iface=eth0",
                           *plane.STORES["etcd"][2], f"--subnet-file={folder}/subnet.env",
                           f"--state-dir={folder}/state", f"--control-socket={folder}/control.sock"],
                          folder)
    daemon.wait_ready()
    time.sleep(options.idle)
    there = dict.fromkeys(range(1, peers + 1), True)
    before, cpu = daemon.rss_mb(), daemon.cpu_seconds()
    took = flood(api, options, backend, there, random.Random(1))
    cpu = daemon.cpu_seconds() - cpu
    ended = time.monotonic()
    wanted = {plane.subnets(number)[0] for number, is_there in there.items() if is_there}
    missing = wait_settled(wanted)
    behind = time.monotonic() - ended
    time.sleep(options.idle)
    print(f"| {backend} | {peers} | {options.rate * options.seconds / took:.0f} | {before:.1f} / "
          f"{daemon.rss_mb():.1f} | {behind:.1f} | {len(wanted)} / {len(routes())} | {cpu / took * 100:.0f} |",
          flush=True)
    daemon.stop()
    if missing:
        raise RuntimeError(f"the kernel and the store disagree about {sorted(missing)[:5]} and others")


def inside(options):
    print("| backend | peers | changes a second | MB before / after | behind s | routes wanted / there | CPU % |")
    print("|---|---|---|---|---|---|---|")
    for backend in options.backends.split(","):
        for peers in map(int, options.peers.split(",")):
            with tempfile.TemporaryDirectory(dir=options.tmp) as folder, plane.etcd(folder):
                measure(options, peers, backend, folder)
                plane.clean_kernel()


def main():
    parser = plane.options_of(__doc__, peers="50000")
    parser.add_argument("--backends", default="host-gw")
    parser.add_argument("--rate", type=int, default=1000, help="changes a second")
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    plane.within_a_namespace(lambda: inside(options))


if __name__ == "__main__":
    main()
