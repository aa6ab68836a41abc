#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a break of the watches costs an etcd cluster of three members, and how long it lasts.

The cluster is real, on loopback, with its data in memory; the hosts are followers of follower_load.cc
with connections of real gRPC, without a kernel. There is a lease for each host. Events:

  move      the leader hands on its office (etcdctl move-leader)
  restart   the member that leads is killed, and started again 5 seconds later
  outage    all members are killed, and started again 60 seconds later

After each event a record is written as soon as etcd answers. Figures: seconds from the event (of an
outage: from its end) until every follower has heard of that record; bytes that the members have sent
to clients, by their own metrics, and how many transactions, ranges and watches they got. What a
member sent before it was killed in this time is not counted.

Run: bench/follower_load.py [--build build/release] [--hosts 1000] [--ways lists,resume]
                            [--events move,restart,outage]
"""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

SUBNETS = "/coreos.com/network/subnets/"
MARKER = "10.250.0.0-24"
COUNTERS = {
    "bytes": r"etcd_network_client_grpc_sent_bytes_total ([\d.e+]+)",
    "txns": r'grpc_server_msg_received_total{grpc_method="Txn".*} ([\d.e+]+)',
    "ranges": r'grpc_server_msg_received_total{grpc_method="Range".*} ([\d.e+]+)',
    "watches": r'grpc_server_msg_received_total{grpc_method="Watch".*} ([\d.e+]+)',
}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def lease_of(number):
    return json.dumps({"PublicIP": f"192.168.{number // 250}.{number % 250}", "PublicIPv6": None,
                       "BackendType": "host-gw", "NodeID": f"{number:032x}/{number:08x}"},
                      separators=(",", ":"))


class Member:
    def __init__(self, number, client, peer, folder):
        self.name, self.folder = f"m{number}", os.path.join(folder, f"m{number}")
        self.url, self.peer = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        self.process = None

    def start(self, cluster):
        state = "existing" if os.path.exists(self.folder) else "new"
        self.process = subprocess.Popen(
            ["etcd", "--name", self.name, "--data-dir", self.folder, "--log-level", "error",
             "--listen-client-urls", self.url, "--advertise-client-urls", self.url,
             "--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer,
             "--initial-cluster", cluster, "--initial-cluster-state", state,
             "--metrics", "extensive"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def counters(self):
        try:
            with urllib.request.urlopen(self.url + "/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            return dict.fromkeys(COUNTERS, 0.0)
        found = {name: re.search(words, text) for name, words in COUNTERS.items()}
        return {name: float(match[1]) if match else 0.0 for name, match in found.items()}


class Cluster:
    def __init__(self, folder):
        ports = free_ports(6)
        self.members = [Member(i, ports[2 * i], ports[2 * i + 1], folder) for i in range(3)]
        self.names = ",".join(f"{one.name}={one.peer}" for one in self.members)
        self.urls = ",".join(one.url for one in self.members)
        for one in self.members:
            one.start(self.names)

    def ctl(self, *words, text=None, urls=None):
        return subprocess.run(
            ["etcdctl", "--endpoints", urls or self.urls, "--dial-timeout", "1s",
             "--command-timeout", "3s", *words], input=text, capture_output=True, text=True,
            check=True, env={**os.environ, "ETCDCTL_API": "3"}).stdout

    def write(self, key, value):
        while True:
            try:
                return self.ctl("put", SUBNETS + key, value)
            except subprocess.CalledProcessError:
                time.sleep(0.02)

    def fill(self, count):
        """The last ones one by one, as hosts write them: they are what followers know."""
        self.write(MARKER, "0")
        count -= 10
        for begin in range(0, count, 120):
            puts = "".join(
                f"put {SUBNETS}10.{i // 250}.{i % 250}.0-24 {json.dumps(lease_of(i))}\n"
                for i in range(begin, min(begin + 120, count)))
            self.ctl("txn", text="\n" + puts + "\n\n")
        for i in range(count, count + 10):
            self.write(f"10.{i // 250}.{i % 250}.0-24", lease_of(i))

    def leader(self):
        for status in json.loads(self.ctl("endpoint", "status", "-w", "json")):
            if status["Status"]["leader"] == status["Status"]["header"]["member_id"]:
                return next(one for one in self.members if one.url == status["Endpoint"])
        raise RuntimeError("no leader")

    def id_of(self, member):
        status = json.loads(self.ctl("endpoint", "status", "-w", "json", urls=member.url))
        return f'{status[0]["Status"]["header"]["member_id"]:x}'

    def counters(self):
        return {one.name: one.counters() for one in self.members}


class Followers:
    def __init__(self, build, hosts, way, urls):
        self.hosts = hosts
        self.process = subprocess.Popen(
            [os.path.join(build, "bin/follower_load"), str(hosts), way, urls],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "MARKER": MARKER})

        self.said = {"marker": "", "heard": "0"}
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.said = dict(part.split("=") for part in line.split())

    def until(self, marker):
        """All have heard of this value. Returns when."""
        while self.said["marker"] != marker or int(self.said["heard"]) != self.hosts:
            time.sleep(0.005)
        return time.monotonic()


def cause(cluster, event):
    """Returns when what it causes begins."""
    began = time.monotonic()
    if event == "move":
        leader = cluster.leader()
        other = next(one for one in cluster.members if one is not leader)
        began = time.monotonic()
        cluster.ctl("move-leader", cluster.id_of(other), urls=leader.url)
        return began, []
    killed = [cluster.leader()] if event == "restart" else cluster.members
    began = time.monotonic()
    for one in killed:
        one.kill()
    return began, killed


def measure(cluster, followers, event, marker):
    before, said_before = cluster.counters(), followers.said
    began, killed = cause(cluster, event)
    if event == "outage":
        time.sleep(60)
        began = time.monotonic()
        for one in killed:
            one.start(cluster.names)
    cluster.write(MARKER, marker)
    end = followers.until(marker)
    if event == "restart":
        time.sleep(max(0.0, began + 5 - time.monotonic()))
        killed[0].start(cluster.names)
        time.sleep(10)
    said = followers.said
    after = cluster.counters()
    restarted = {one.name for one in killed}
    sums = {name: sum(after[one][name] - (0 if one in restarted else before[one][name])
                      for one in after) for name in COUNTERS}
    made = {name: int(said[name]) - int(said_before[name])
            for name in ("lists", "resumed", "refuted", "lost")}
    print(f"  {event:8} {end - began:6.1f} s  {sums['bytes'] / 1e6:9.2f} MB  "
          f"{sums['txns']:6.0f} transactions  {sums['ranges']:6.0f} ranges  "
          f"{sums['watches']:6.0f} watches   {made}", flush=True)


def run(options, way):
    folder = tempfile.mkdtemp(prefix="follower-load-", dir="/dev/shm")
    cluster, followers = Cluster(folder), None
    try:
        cluster.fill(options.hosts)
        followers = Followers(options.build, options.hosts, way, cluster.urls)
        followers.until("0")
        cluster.write(MARKER, "1")
        followers.until("1")
        print(f"{options.hosts} hosts, {way}:", flush=True)
        for number, event in enumerate(options.events.split(",")):
            time.sleep(8)  # watches that have lasted for 5 seconds work
            measure(cluster, followers, event, str(2 + number))
    finally:
        if followers:
            followers.process.kill()
            followers.process.wait()
        for one in cluster.members:
            one.kill()
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--ways", default="lists,resume")
    parser.add_argument("--events", default="move,restart,outage")
    options = parser.parse_args()
    for way in options.ways.split(","):
        run(options, way)


if __name__ == "__main__":
    main()
