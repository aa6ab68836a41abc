#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The cost to a host of a writer that may write below subnets/ and floods the store.

A network namespace of its own, as in control_plane.py, has a flanneld, a real etcd and N leases of peers.
Meanwhile one good lease a second is written, and the time until its route is in the kernel is measured.

The records of each step stay for the following steps:
  junk       --junk keys that are no subnets
  changes    --rate changes a second for --seconds: rewritten junk, one key that comes and goes, a
             wide lease that waits and leases inside of it, a type of 4 kB
  megabytes  200 leases of 1 MB
  restart    etcd is killed and started again; the time until the route of a lease that is written then
  end        the time from SIGTERM until the process has ended

Figures: median and worst time until the route of a good lease, CPU seconds, memory now and at most
(MB), lines and bytes of the log, bytes of /readyz?verbose.

Run as root: bench/hostile_writer.py [--build build/release] [--peers 100]
"""

import http.client
import itertools
import json
import os
import statistics
import tempfile
import threading
import time

import control_plane as plane
import store_load

HEALTH_PORT = 23791
SUBNETS = f"{plane.PREFIX}/subnets"


def memory_mb(daemon):
    """Memory now, and its maximum since the last call."""
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
        lines = dict(line.split(":", 1) for line in status if ":" in line)
    with open(f"/proc/{daemon.process.pid}/clear_refs", "w", encoding="ascii") as refs:
        refs.write("5")
    return [int(lines[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")]


def readyz_bytes():
    connection = http.client.HTTPConnection("127.0.0.1", HEALTH_PORT, timeout=10)
    connection.request("GET", "/readyz?verbose")
    return len(connection.getresponse().read())


class Host:
    """The flanneld, with its figures since begin()."""

    def __init__(self, options, folder):
        self.log = os.path.join(folder, "flanneld.log")
        self.daemon = plane.Daemon(
            [os.path.join(options.build, "bin/flanneld"), "--iface=eth0",
             f"--etcd-endpoints=http://127.0.0.1:{plane.ETCD_PORT}",
             f"--subnet-file={folder}/subnet.env", f"--state-dir={folder}/state",
             f"--control-socket={folder}/control.sock",
             "--healthz-ip=127.0.0.1", f"--healthz-port={HEALTH_PORT}"], folder)
        self.daemon.wait_ready()
        self.monitor = plane.route_monitor()
        self.good = itertools.count(20000)
        self.begin()

    def begin(self):
        memory_mb(self.daemon)
        self.cpu = self.daemon.cpu_seconds()
        self.logged = self.log_size()

    def log_size(self):
        with open(self.log, "rb") as log:
            text = log.read()
        return text.count(b"\n"), len(text)

    def good_lease(self):
        """Writes one more lease; returns the seconds until its route, at most 60."""
        number = next(self.good)
        self.monitor.settimeout(60)
        api = plane.EtcdApi()  # a connection does not survive such a wait
        begin = time.monotonic()
        api.put_one(*plane.lease(number, "vxlan"))
        try:
            return plane.wait_for_routes(self.monitor, plane.subnets(number)) - begin
        except TimeoutError:
            return 60

    def report(self, name, took, routes):
        now, most = memory_mb(self.daemon)
        lines, size = (after - before for after, before in zip(self.log_size(), self.logged))
        print(f"| {name} | {took:.1f} | {statistics.median(routes) * 1e3:.0f} / "
              f"{max(routes) * 1e3:.0f} | {self.daemon.cpu_seconds() - self.cpu:.1f} | "
              f"{now:.0f} / {most:.0f} | {lines} / {size} | {readyz_bytes()} |", flush=True)
        self.begin()


def while_it_lasts(host, work):
    """Writes a good lease a second until `work` is done, and one after it."""
    thread = threading.Thread(target=work)
    begin = time.monotonic()
    thread.start()
    routes = []
    while thread.is_alive():
        routes.append(host.good_lease())
        thread.join(max(0, 1 - routes[-1]))
    took = time.monotonic() - begin
    routes.append(host.good_lease())
    return took, routes


def junk(options):
    plane.EtcdApi().put([(f"{SUBNETS}/junk-{n}", "{}") for n in range(options.junk)])


def one_change(api, n):
    """Makes change number `n`; the kinds alternate."""
    kind = n % 5
    if kind == 0:
        api.put_one(f"{SUBNETS}/junk-{n % 97}", "{}")
    elif kind == 1:
        api.put_one(f"{SUBNETS}/comes-and-goes", "{}")
    elif kind == 2:
        key = plane.put_body(f"{SUBNETS}/comes-and-goes", "")["key"]
        api.call("/v3/kv/deleterange", {"key": key})
    elif kind == 3:
        at = f"10.{150 + n // 256 % 10}.{n % 256}.0-30"
        api.put_one(f"{SUBNETS}/{at}", '{"PublicIP":"192.168.77.77","BackendType":"vxlan"}')
    else:
        api.put_one(f"{SUBNETS}/10.149.0.0-24",
                    json.dumps({"PublicIP": "192.168.77.78", "BackendType": "x" * 4000}))


def changes(options):
    api = plane.EtcdApi()
    api.put_one(f"{SUBNETS}/10.150.0.0-30", '{"PublicIP":"192.168.77.77"}')
    api.put_one(f"{SUBNETS}/10.128.0.0-9", '{"PublicIP":"192.168.77.77"}')  # overlaps the leases above
    numbers = itertools.count()
    lock = threading.Lock()
    end = time.monotonic() + options.seconds
    began = time.monotonic()

    def write():
        mine = plane.EtcdApi()
        while time.monotonic() < end:
            with lock:
                n = next(numbers)
            time.sleep(max(0, began + n / options.rate - time.monotonic()))
            one_change(mine, n)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    options.reached = next(numbers) / options.seconds


def megabytes():
    api = plane.EtcdApi()
    value = json.dumps({"PublicIP": "192.168.77.79", "BackendType": "vxlan",
                        "BackendData": "x" * 1_000_000})
    for n in range(200):
        api.put_one(f"{SUBNETS}/10.148.{n}.0-24", value)


def measure(options, folder):
    server = store_load.Etcd(folder)
    api = server.start()
    api.put_one(f"{plane.PREFIX}/config", json.dumps(
        {"Network": "10.0.0.0/8", "SubnetLen": 24, "SubnetMin": "10.200.0.0",
         "Backend": {"Type": "vxlan"}}))
    api.put([plane.lease(number, "vxlan") for number in range(1, options.peers + 1)])
    host = Host(options, folder)
    try:
        host.report("before", 0, [host.good_lease() for _ in range(20)])
        host.report(f"junk: {options.junk} keys", *while_it_lasts(host, lambda: junk(options)))
        took = while_it_lasts(host, lambda: changes(options))
        host.report(f"changes: {options.reached:.0f} a second", *took)
        host.report("megabytes", *while_it_lasts(host, megabytes))
        server.kill()
        time.sleep(2)
        begin = time.monotonic()
        server.start()
        route = host.good_lease()
        host.report("restart", time.monotonic() - begin, [route])
        begin = time.monotonic()
        host.daemon.stop()
        print(f"\nSIGTERM until the end: {time.monotonic() - begin:.2f} s")
    finally:
        server.kill()


def inside(options):
    print("| step | took s | route of a good lease, median / worst ms | CPU s | memory now / most MB "
          "| log lines / bytes | readyz bytes |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=options.tmp) as folder:
        measure(options, folder)
        plane.clean_kernel()


def main():
    parser = plane.options_of(__doc__, peers=100)
    parser.set_defaults(peers=100)
    parser.add_argument("--junk", type=int, default=100_000)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    options.peers = int(options.peers)
    plane.within_a_namespace(lambda: inside(options))


if __name__ == "__main__":
    main()
