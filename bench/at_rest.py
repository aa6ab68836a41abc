#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The requests and bytes of one host whose network does not change, with etcd and with Consul.

A network namespace of its own, as in control_plane.py, has a flanneld with a lease of a day, a store
and N leases of peers. For --minutes, counted from READY and a moment:
  requests    that the store receives, by its own counters, without those of this program; scaled to an
              hour. The renewals of the lease, three in a day, are not among them
  bytes       on the loopback interface in both directions, with the headers of TCP and IP, less those
              of the same time without the host

Run as root: bench/at_rest.py [--build build/release] [--peers 3,100,1000] [--minutes 10]
             [--stores etcd,consul]     (Consul: the program that scripts/fetch-consul.sh unpacks)
"""

import http.client
import itertools
import json
import os
import re
import tempfile
import time

import control_plane as plane

# Counters of requests: those of etcd by method of gRPC, those of Consul by method and path.
COUNTERS = {
    "etcd": (plane.ETCD_PORT, "/metrics",
             r'^(grpc_server_msg_received_total)\{grpc_method="(\w+)".*\} ([\d.e+]+)'),
    "consul": (plane.CONSUL_PORT, "/v1/agent/metrics?format=prometheus",
               r"^consul_http_(GET|PUT)_(\w+)_count ([\d.e+]+)"),
}
OUR_OWN = "v1_agent_metrics"


def requests(store):
    port, path, line = COUNTERS[store]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    text = connection.getresponse().read().decode()
    found = re.findall(line, text, re.MULTILINE)
    return {f"{verb} {what}": float(count) for verb, what, count in found if what != OUR_OWN}


def loopback_bytes():
    with open("/proc/net/dev", encoding="ascii") as devices:
        return next(int(line.split()[1]) for line in devices if line.strip().startswith("lo:"))


def count(store, seconds):
    """Returns the requests by kind, and the bytes."""
    before = requests(store)
    bytes_before = loopback_bytes()
    time.sleep(seconds)
    sent = loopback_bytes() - bytes_before
    now = requests(store)
    grown = {kind: int(now[kind] - before.get(kind, 0)) for kind in now}
    return {kind: number for kind, number in grown.items() if number}, sent


def measure(options, store, peers, folder):
    _, make_api, flags = plane.STORES[store]
    api = make_api()
    api.put_one(f"{plane.PREFIX}/config", json.dumps(
        {"Network": "10.0.0.0/8", "SubnetLen": 24, "SubnetMin": "10.200.0.0",
         "Backend": {"Type": "host-gw"}}))
    api.put([plane.lease(number, "host-gw") for number in range(1, peers + 1)])
    _, without = count(store, 60)
    daemon = plane.Daemon(
        [os.path.join(options.build, "bin/flanneld"), "--iface=eth0", *flags,
         "--subnet-lease-ttl=86400", f"--subnet-file={folder}/subnet.env",
         f"--state-dir={folder}/state", f"--control-socket={folder}/control.sock"], folder)
    daemon.wait_ready()
    time.sleep(10)
    kinds, sent = count(store, options.minutes * 60)
    daemon.stop()
    return kinds, sum(kinds.values()) * 60 / options.minutes, sent / options.minutes - without


def inside(options):
    print("| store | peers | requests an hour | bytes a second | of which |\n|---|---|---|---|---|")
    counts = [int(number) for number in options.peers.split(",")]
    for store, peers in itertools.product(options.stores.split(","), counts):
        with tempfile.TemporaryDirectory(dir=options.tmp) as folder, plane.STORES[store][0](folder):
            kinds, hourly, minutely = measure(options, store, peers, folder)
            plane.clean_kernel()
        print(f"| {store} | {peers} | {hourly:.0f} | {minutely / 60:.0f} | in {options.minutes:g} "
              f"min {kinds} |", flush=True)


def main():
    parser = plane.options_of(__doc__, peers="3,100,1000")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--stores", default="etcd,consul")
    options = parser.parse_args()
    plane.within_a_namespace(lambda: inside(options))


if __name__ == "__main__":
    main()
