#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The requests of flanneld to etcd, and how soon it follows an etcd that is started again.

A network namespace of its own, as in control_plane.py, has a flanneld, a real etcd and N leases of peers.

Figures, each over --runs runs (medians):
  return      etcd is killed and started again --down seconds later; one lease is written and one
              deleted as soon as etcd answers. The time from that answer until the kernel has the new
              route and flanneld reports its store as connected; the old route must disappear later
  renewal     messages that etcd receives for each renewal of the lease, by its own gRPC counters,
              and their number an hour with the lease of a day
  idle        messages that etcd receives from a host whose lease is not due
  per change  messages that etcd receives when a peer comes or goes
  leases      etcd leases of this host after restarts of flanneld and of etcd
  list        bytes of one list of all leases; memory and file of an etcd that holds them

Run as root: bench/store_load.py [--build build/release] [--peers 3,1000] [--runs 5]
"""

import base64
import contextlib
import http.client
import json
import os
import re
import statistics
import subprocess
import tempfile
import time

import control_plane as plane

TTL = 12  # seconds; renewed after a third of it
DAY = 86400


class Etcd:
    """etcd with its data in `folder`; stopped and started again."""

    def __init__(self, folder):
        self.data = os.path.join(folder, "etcd")
        self.process = None

    def start(self):
        url = f"http://127.0.0.1:{plane.ETCD_PORT}"
        self.process = subprocess.Popen(
            ["etcd", "--data-dir", self.data, "--log-level", "error", "--listen-client-urls", url,
             "--advertise-client-urls", url, "--listen-peer-urls", "http://127.0.0.1:0",
             "--metrics", "extensive", "--quota-backend-bytes", str(4 << 30)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            with contextlib.suppress(OSError, RuntimeError, http.client.HTTPException):
                api = plane.EtcdApi()
                api.call("/v3/kv/range", {"key": plane.put_body("x", "")["key"]})
                return api
            time.sleep(0.01)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def rss_mb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def metrics():
    connection = http.client.HTTPConnection("127.0.0.1", plane.ETCD_PORT, timeout=10)
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()


def messages():
    """Messages that etcd has received over gRPC, by method, without the messages of this program."""
    line = re.compile(r'grpc_server_msg_received_total{grpc_method="(\w+)".*} ([\d.e+]+)')
    return {method: float(count) for method, count in line.findall(metrics())}


def since(before):
    now = messages()
    grown = {method: now[method] - before.get(method, 0) for method in now}
    return {method: int(count) for method, count in grown.items() if count}


def grant(api, seconds):
    return api.call("/v3/lease/grant", {"TTL": seconds})["ID"]


def fill(api, peers, with_leases):
    pairs = [plane.lease(number, "host-gw") for number in range(1, peers + 1)]
    operations = []
    for key, value in pairs:
        body = plane.put_body(key, value)
        if with_leases:
            body["lease"] = grant(api, DAY)
        operations.append({"requestPut": body})
    for start in range(0, len(operations), 100):
        api.call("/v3/kv/txn", {"success": operations[start : start + 100]})


def delete(api, key):
    api.call("/v3/kv/deleterange", {"key": base64.b64encode(key.encode()).decode()})


def routes():
    lines = plane.run("ip", "route", "show", "proto", "250").splitlines()
    return {line.split()[0] for line in lines}


def store_is_there():
    with contextlib.suppress(OSError):
        connection = http.client.HTTPConnection("127.0.0.1", 8081, timeout=5)
        connection.request("GET", "/readyz")
        return "store" not in connection.getresponse().read().decode()
    return False


def subnet_of(key):
    return key.rsplit("/", 1)[1].replace("-", "/")


def wait(question):
    deadline = time.monotonic() + 60
    while not question():
        if time.monotonic() > deadline:
            raise RuntimeError("did not converge within 60 s")
        time.sleep(0.005)


def measure_return(etcd, options, peers, number):
    etcd.kill()
    wait(lambda: not store_is_there())
    time.sleep(options.down + number * 0.7)  # another moment between two tries each time
    api = etcd.start()
    begin = time.monotonic()
    new, value = plane.lease(peers + 1 + number, "host-gw")
    old, _ = plane.lease(1 + number, "host-gw")
    api.put_one(new, value)
    delete(api, old)
    wait(lambda: subnet_of(new) in routes() and store_is_there())
    took = time.monotonic() - begin
    wait(lambda: subnet_of(old) not in routes())  # a missing peer stays for 1.5 s
    return took


def own_key(folder):
    with open(f"{folder}/subnet.env", encoding="ascii") as lines:
        subnet = next(line for line in lines if line.startswith("FLANNEL_SUBNET="))
    return subnet.strip().split("=")[1].replace(".1/", ".0-")


def own_leases(api):
    return len(api.call("/v3/lease/leases", {}).get("leases", []))


def measure_messages():
    """Returns the messages of ten renewals by method, and the number for each renewal."""
    before = messages()
    time.sleep(10 * TTL / 3)
    renewing = since(before)
    return renewing, sum(renewing.values()) / max(renewing.get("LeaseKeepAlive", 1), 1)


def daemon(options, folder, ttl):
    return plane.Daemon(
        [os.path.join(options.build, "bin/flanneld"), "--iface=eth0", "--healthz-port=8081",
         f"--etcd-endpoints=http://127.0.0.1:{plane.ETCD_PORT}", f"--subnet-lease-ttl={ttl}",
         f"--subnet-file={folder}/subnet.env", f"--state-dir={folder}/state",
         f"--control-socket={folder}/control.sock"], folder)


def measure(options, peers, folder):
    etcd = Etcd(folder)
    api = etcd.start()
    api.put_one(f"{plane.PREFIX}/config", json.dumps(
        {"Network": "10.0.0.0/8", "SubnetLen": 24, "SubnetMin": "10.250.0.0",
         "Backend": {"Type": "host-gw"}}))
    fill(api, peers, with_leases=False)
    got = {"peers": peers}
    run = daemon(options, folder, TTL)
    run.wait_ready()
    got["renewing"], got["per_renewal"] = measure_messages()
    run.stop()
    delete(api, f"{plane.PREFIX}/subnets/{own_key(folder)}")  # its etcd lease has a shorter life
    run = daemon(options, folder, DAY)
    run.wait_ready()
    time.sleep(2)
    before = messages()
    time.sleep(options.idle)
    got["rest"] = since(before)
    before = messages()
    for number in range(50):
        key, value = plane.lease(peers + 100 + number, "host-gw")
        api.put_one(key, value)
    time.sleep(1)
    changed = since(before)
    got["change"] = {m: c for m, c in changed.items() if m not in ("Put",)}
    got["return"] = [measure_return(etcd, options, peers, n) for n in range(options.runs)]
    for _ in range(options.runs):
        run.stop()
        run = daemon(options, folder, DAY)
        run.wait_ready()
    got["leases"] = own_leases(plane.EtcdApi())
    run.stop()
    etcd.kill()
    return got


def measure_size(options, peers, folder):
    """Memory and time of etcd and one host with so many leases, each with an etcd lease of its own."""
    etcd = Etcd(folder)
    api = etcd.start()
    empty = etcd.rss_mb()
    api.put_one(f"{plane.PREFIX}/config", json.dumps(
        {"Network": "10.0.0.0/8", "SubnetLen": 24, "SubnetMin": "10.250.0.0",
         "Backend": {"Type": "host-gw"}}))
    fill(api, peers, with_leases=True)
    held = etcd.rss_mb()
    before = bytes_sent()
    run = daemon(options, folder, DAY)
    ready = run.wait_ready()
    sent = bytes_sent() - before
    size = int(api.call("/v3/maintenance/status", {})["dbSize"])
    got = {"peers": peers, "etcd_mb": held - empty, "file_mb": size / 1e6, "list_kb": sent / 1e3,
           "cold_s": ready, "host_mb": run.rss_mb()}
    run.stop()
    etcd.kill()
    return got


def bytes_sent():
    return float(re.search(r"^etcd_network_client_grpc_sent_bytes_total ([\d.e+]+)", metrics(),
                           re.MULTILINE).group(1))


def inside(options):
    for peers in [int(count) for count in options.peers.split(",") if count]:
        with tempfile.TemporaryDirectory(dir=options.tmp) as folder:
            got = measure(options, peers, folder)
            plane.clean_kernel()
        times = ", ".join(f"{t:.2f}" for t in got["return"])
        print(f"{peers} peers: converged after etcd's return in "
              f"{statistics.median(got['return']):.2f} s (median of {times})")
        print(f"  messages for each renewal {got['per_renewal']:.1f} {got['renewing']}, in "
              f"{options.idle:.0f} s idle {got['rest']}, for 50 changes {got['change']}")
        print(f"  with a lease of a day {got['per_renewal'] * 3 / 24:.2f} an hour; "
              f"etcd leases of this host: {got['leases']}", flush=True)
    for peers in [int(count) for count in options.sizes.split(",") if count]:
        with tempfile.TemporaryDirectory(dir=options.tmp) as folder:
            got = measure_size(options, peers, folder)
            plane.clean_kernel()
        print("{peers} leases: etcd {etcd_mb:.0f} MB more memory, file {file_mb:.0f} MB, a new "
              "host takes {list_kb:.0f} kB from etcd, is ready after {cold_s:.2f} s and has "
              "{host_mb:.0f} MB".format(**got), flush=True)


def main():
    parser = plane.options_of(__doc__, peers="3,1000")
    parser.add_argument("--sizes", default="1000,10000,50000")
    parser.add_argument("--down", type=float, default=15, help="seconds that etcd is down")
    options = parser.parse_args()
    plane.within_a_namespace(lambda: inside(options))


if __name__ == "__main__":
    main()
