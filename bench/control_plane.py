#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How fast flanneld follows the store, and the cost of an idle flanneld.

The benchmark runs in a network namespace of its own:

    flanneld ── lo ── etcd or Consul  eth0 ══ veth ══ wire   (the underlay, no host at the far end)

Figures, each over --runs fresh starts (medians):
  cold start   exec of flanneld until READY=1, with N leases already in the store; at READY the routes,
               neighbours and FDB entries are counted, and all must be present
  put to route the time from the write of one more lease until the kernel announces its route
  memory       VmRSS after the kernel objects of all peers are present
  idle         CPU time without events, and the number of child processes

Run as root: bench/control_plane.py [--build build/release] [--peers 1000,5000] [--runs 5]
             [--stores etcd,consul]     (Consul: the program that scripts/fetch-consul.sh unpacks)
             [--dual-stack]             (IPv4 and IPv6 subnets; a route counts when both are there)
"""

import argparse
import base64
import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

INSIDE = "FLANNEL_BENCH_INSIDE"
ETCD_PORT = 23790
CONSUL_PORT = 23850
PREFIX = "/coreos.com/network"
RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE = 0x40, 0x400  # linux/rtnetlink.h
RTM_NEWROUTE = 24
RTA_DST = 1


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class EtcdApi:
    """etcd's HTTP gateway over one connection that stays open."""

    def __init__(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", ETCD_PORT, timeout=10)
        self.connection.connect()
        # Headers and body are two sends; Nagle would delay the second one by 40 to 200 ms.
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, path, body):
        self.connection.request("POST", path, json.dumps(body))
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{path}: {reply.status} {text[:200]}")
        return json.loads(text)

    def put(self, pairs):
        operations = [{"requestPut": put_body(key, value)} for key, value in pairs]
        for start in range(0, len(operations), 100):
            self.call("/v3/kv/txn", {"success": operations[start : start + 100]})

    def put_one(self, key, value):
        self.call("/v3/kv/put", put_body(key, value))


class ConsulApi:
    """Consul's HTTP API over one connection that stays open."""

    def __init__(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", CONSUL_PORT, timeout=10)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method, path, body):
        self.connection.request(method, path, body)
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status != 200:
            raise RuntimeError(f"{path}: {reply.status} {text[:200]}")
        return text

    def put(self, pairs):
        operations = [{"KV": {"Verb": "set", "Key": key.lstrip("/"),
                              "Value": base64.b64encode(value.encode()).decode()}}
                      for key, value in pairs]
        for start in range(0, len(operations), 60):
            self.call("PUT", "/v1/txn", json.dumps(operations[start : start + 60]))

    def put_one(self, key, value):
        self.call("PUT", "/v1/kv" + key, value)


def put_body(key, value):
    return {"key": base64.b64encode(key.encode()).decode(),
            "value": base64.b64encode(value.encode()).decode()}


def subnets(number, dual_stack=False):
    """The subnets of the n-th peer: of 10.0.0.0/8 in /24s, and of fd00::/32 in /64s."""
    v4 = f"10.{number >> 8}.{number & 255}.0"
    return [v4, f"fd00:0:{number:x}::"] if dual_stack else [v4]


def lease(number, backend, dual_stack=False):
    """The key and the value of the n-th peer, as upstream flannel writes them."""
    key = "-24&".join(subnets(number, dual_stack)) + ("-64" if dual_stack else "-24")
    value = {"PublicIP": f"192.168.{number >> 8}.{number & 255}", "PublicIPv6": None,
             "BackendType": backend}
    if dual_stack:
        value["PublicIPv6"] = f"fd01::{number:x}"
    if backend == "vxlan":
        for family in ("", "V6") if dual_stack else ("",):
            kind = 6 if family else 0
            mac = f"02:00:00:{kind:02x}:{number >> 8:02x}:{number & 255:02x}"
            value[f"Backend{family}Data"] = {"VNI": 1, "VtepMAC": mac}
    return f"{PREFIX}/subnets/{key}", json.dumps(value, separators=(",", ":"))


@contextlib.contextmanager
def etcd(folder):
    data = os.path.join(folder, "etcd")
    process = subprocess.Popen(
        ["etcd", "--data-dir", data, "--log-level", "error",
         "--listen-client-urls", f"http://127.0.0.1:{ETCD_PORT}",
         "--advertise-client-urls", f"http://127.0.0.1:{ETCD_PORT}",
         "--listen-peer-urls", "http://127.0.0.1:0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError, RuntimeError):
                EtcdApi().call("/v3/maintenance/status", {})
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(data, ignore_errors=True)


@contextlib.contextmanager
def consul(folder):
    data = os.path.join(folder, "consul")
    program = os.environ.get("FLANNEL_CONSUL", "build/consul-1.8/usr/bin/consul")
    process = subprocess.Popen(
        [program, "agent", "-server", "-bootstrap", "-data-dir", data, "-bind=127.0.0.1",
         f"-http-port={CONSUL_PORT}", "-raft-protocol=3", "-log-level=err",
         "-hcl=performance { raft_multiplier = 1 }",
         '-hcl=telemetry { prometheus_retention_time = "24h", disable_hostname = true }'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(400):
            with contextlib.suppress(OSError, RuntimeError):
                ConsulApi().call("GET", "/v1/catalog/nodes?consistent", "")
                break
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait(10)
        shutil.rmtree(data, ignore_errors=True)


# name -> its server, its API, the flags of flanneld
STORES = {
    "etcd": (etcd, EtcdApi, [f"--etcd-endpoints=http://127.0.0.1:{ETCD_PORT}"]),
    "consul": (consul, ConsulApi,
               ["--store=consul", f"--consul-endpoints=http://127.0.0.1:{CONSUL_PORT}"]),
}


class Daemon:
    """One flanneld, from exec to READY=1."""

    def __init__(self, arguments, folder):
        path = os.path.join(folder, "notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(path)
        self.notify.settimeout(120)
        self.log = open(os.path.join(folder, "flanneld.log"), "ab")
        self.started = time.monotonic()
        self.process = subprocess.Popen(arguments, stderr=self.log, stdout=self.log,
                                        env=dict(os.environ, NOTIFY_SOCKET=path))

    def wait_ready(self):
        while b"READY=1" not in self.notify.recv(4096):
            pass
        return time.monotonic() - self.started

    def rss_mb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def children(self):
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True,
                               check=False)
        return found.stdout.split()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.notify.close()
        self.log.close()


def rows(backend, dual_stack=False):
    """The numbers of our routes, neighbours and FDB entries in the kernel, for each family."""
    counts = []
    for family, vxlan in (("-4", "flannel.1"), ("-6", "flannel-v6.1"))[: 1 + dual_stack]:
        device = vxlan if backend == "vxlan" else "eth0"
        counts.append(
            len(run("ip", family, "route", "show", "proto", "250", "dev", device).splitlines()))
        if backend == "vxlan":
            neighbours = run("ip", family, "neigh", "show", "dev", device, "nud", "permanent")
            counts += [len(neighbours.splitlines()),
                       run("bridge", "fdb", "show", "dev", device).count("permanent")]
    return counts


def route_monitor():
    monitor = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    monitor.bind((0, RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE))
    monitor.settimeout(10)
    return monitor


def wait_for_routes(monitor, subnets_of_peer):
    """Waits until the kernel has announced a route to each of these."""
    wanted = {socket.inet_pton(socket.AF_INET6 if ":" in subnet else socket.AF_INET, subnet)
              for subnet in subnets_of_peer}
    while wanted:
        packet = monitor.recv(65536)
        while len(packet) >= 16:
            length, kind = struct.unpack_from("IH", packet)
            if kind == RTM_NEWROUTE:
                wanted -= {subnet for subnet in wanted if subnet in packet[28:length]}
            packet = packet[(length + 3) & ~3 :]
    return time.monotonic()


def clean_kernel():
    for command in ("link del flannel.1", "link del flannel-v6.1", "route flush proto 250",
                    "-6 route flush proto 250", "nexthop flush proto 250"):
        subprocess.run(["ip", *command.split()], capture_output=True, check=False)


def config(backend, dual_stack):
    value = {"Network": "10.0.0.0/8", "SubnetLen": 24, "SubnetMin": "10.200.0.0",
             "Backend": {"Type": backend}}
    if dual_stack:
        value |= {"EnableIPv6": True, "IPv6Network": "fd00::/32", "IPv6SubnetLen": 64,
                  "IPv6SubnetMin": "fd00:0:f000::"}
    return json.dumps(value)


def measure(options, store, peers, backend, folder):
    _, make_api, flags = STORES[store]
    api = make_api()
    dual_stack = options.dual_stack
    api.put_one(f"{PREFIX}/config", config(backend, dual_stack))
    api.put([lease(number, backend, dual_stack) for number in range(1, peers + 1)])
    arguments = [os.path.join(options.build, "bin/flanneld"), "--iface=eth0",
                 *flags, f"--subnet-file={folder}/subnet.env", f"--state-dir={folder}/state",
                 f"--control-socket={folder}/control.sock"]
    cold, warm, rss, latency = [], [], [], []
    for _ in range(options.runs):
        clean_kernel()
        daemon = Daemon(arguments, folder)
        cold.append(daemon.wait_ready())
        counted = rows(backend, dual_stack)
        if any(count != peers for count in counted):
            raise RuntimeError(f"at READY the kernel has {counted}, wanted {peers} of each")
        rss.append(daemon.rss_mb())
        daemon.stop()
        daemon = Daemon(arguments, folder)
        warm.append(daemon.wait_ready())
        daemon.stop()
    daemon = Daemon(arguments, folder)
    daemon.wait_ready()
    monitor = route_monitor()
    for number in range(peers + 1, peers + 1 + options.puts):
        key, value = lease(number, backend, dual_stack)
        time.sleep(options.gap)
        begin = time.monotonic()
        api.put_one(key, value)
        latency.append(wait_for_routes(monitor, subnets(number, dual_stack)) - begin)
    before = daemon.cpu_seconds()
    time.sleep(options.idle)
    idle = (daemon.cpu_seconds() - before) / options.idle * 100
    children = len(daemon.children())
    daemon.stop()
    latency.sort()
    return {"store": store, "backend": backend, "peers": peers, "cold_s": statistics.median(cold),
            "warm_s": statistics.median(warm), "rss_mb": statistics.median(rss),
            "put_p50_ms": latency[len(latency) // 2] * 1e3,
            "put_p99_ms": latency[int(len(latency) * 0.99)] * 1e3,
            "idle_cpu_percent": idle, "children": children}


def inside(options):
    print("| store | backend | peers | cold start s | warm start s | put to route p50 / p99 ms "
          "| RSS MB | idle CPU % | children |")
    print("|---|---|---|---|---|---|---|---|---|")
    stores, backends = options.stores.split(","), options.backends.split(",")
    counts = [int(count) for count in options.peers.split(",")]
    for store, backend, peers in itertools.product(stores, backends, counts):
        with tempfile.TemporaryDirectory(dir=options.tmp) as folder, STORES[store][0](folder):
            got = measure(options, store, peers, backend, folder)
            clean_kernel()
        print("| {store} | {backend} | {peers} | {cold_s:.3f} | {warm_s:.3f} | {put_p50_ms:.1f} / "
              "{put_p99_ms:.1f} | {rss_mb:.1f} | {idle_cpu_percent:.2f} | {children} |"
              .format(**got), flush=True)


def options_of(doc, peers):
    """A parser with the options that the benchmarks of this folder share."""
    parser = argparse.ArgumentParser(description=doc,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release", help="folder with bin/flanneld")
    parser.add_argument("--peers", default=peers)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--idle", type=float, default=30, help="seconds without events")
    parser.add_argument("--tmp", default="/dev/shm", help="folder for etcd's data")
    return parser


def within_a_namespace(inside_of_it):
    """Starts the program again in namespaces of its own, makes the veth pair there and calls this."""
    if not os.environ.get(INSIDE):
        # A namespace without a name disappears with its last process, however that ends.
        os.execvpe("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child",
                               "--mount-proc", sys.executable, *sys.argv],
                   dict(os.environ, **{INSIDE: "1"}))
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "wire")
    run("ip", "addr", "add", "192.168.255.1/16", "dev", "eth0")
    run("ip", "addr", "add", "fd01::ffff:1/64", "dev", "eth0", "nodad")
    run("ip", "link", "set", "eth0", "up")
    run("ip", "link", "set", "wire", "up")
    inside_of_it()


def main():
    parser = options_of(__doc__, peers="1000,5000")
    parser.add_argument("--backends", default="vxlan,host-gw")
    parser.add_argument("--stores", default="etcd", help="etcd, consul, or both")
    parser.add_argument("--dual-stack", action="store_true", help="with IPv6 subnets, too")
    parser.add_argument("--puts", type=int, default=200, help="leases written one by one")
    parser.add_argument("--gap", type=float, default=0, help="seconds before each of them")
    options = parser.parse_args()
    within_a_namespace(lambda: inside(options))


if __name__ == "__main__":
    main()
