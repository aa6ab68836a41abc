#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What probes cost a host with many peers.

    h1 ─ eth0 ─── lan ─── eth0 ─ h2     h2 has the public IP of every peer, and a program that answers for
    flanneld                            them: it unpacks vxlan, answers requests, and sends requests of its
                                        own, one a minute for each peer

Figures, over --seconds after all peers are `ok`: CPU time of flanneld's threads in percent of one core, and
the bits of eth0 in each direction; the same with --probe-peers=false.

Run as root: bench/probes.py [--peers 1000] [--seconds 120]     (build/release/bin)
"""

import argparse
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "hosts"))

from lab import Lab, Run  # noqa: E402
from lab.cluster import Cluster  # noqa: E402
from lab.crowd import Crowd  # noqa: E402
from lab.flanneld import binary  # noqa: E402
from lab.shell import run, wait_until  # noqa: E402


def cpu_seconds(pid):
    """Seconds that the threads of a process were on a CPU."""
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def sent_and_received(host):
    stats = json.loads(host.ns.ip("-s", "-j", "link", "show", "eth0"))[0]["stats64"]
    return stats["tx"]["bytes"], stats["rx"]["bytes"]


def measure(host, seconds):
    before, time_before, began = sent_and_received(host), cpu_seconds(host.daemon.pid()), time.monotonic()
    time.sleep(seconds)
    lasted = time.monotonic() - began
    cpu = 100 * (cpu_seconds(host.daemon.pid()) - time_before) / lasted
    tx, rx = [8 * (now - then) / lasted / 1000 for now, then in zip(sent_and_received(host), before)]
    print(f"  {cpu:.2f} % of a core, {tx:.0f} kbit/s sent, {rx:.0f} kbit/s received", flush=True)


def states(host):
    peers = json.loads(run(binary("flannelctl"), "peers", "--json", "--control-socket", host.daemon.control_socket))
    count = {}
    for peer in peers["peers"]:
        count[peer["state"]] = count.get(peer["state"], 0) + 1
    return count


def bench(lab, peers, seconds):
    cluster = Cluster(lab, "etcd", hosts=1)
    cluster.config |= Crowd.CONFIG
    (host,) = cluster.hosts
    crowd = Crowd(lab, cluster, host, peers)
    cluster.start()
    crowd.begin_to_ask()
    began = time.monotonic()
    wait_until(lambda: states(host).get("ok") == peers, lambda: str(states(host)), within=180, every=1)
    print(f"{peers} peers, all ok {time.monotonic() - began:.0f} s after the start; with probes:")
    time.sleep(20)
    measure(host, seconds)
    print(f"  states: {states(host)}")
    host.daemon.stop()
    host.daemon.flags.append("--probe-peers=false")
    host.daemon.start().wait_ready()
    time.sleep(20)
    print("without probes (the peers still send theirs):")
    measure(host, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=120)
    options = parser.parse_args()
    whole = Run()
    lab = Lab(whole)
    try:
        bench(lab, options.peers, options.seconds)
    finally:
        lab.close()
        whole.close()


if __name__ == "__main__":
    main()
