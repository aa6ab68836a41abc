#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What several networks in one flanneld cost: `--networks=`, each with vxlan and its peers in etcd.

The benchmark runs in a network namespace of its own, as control_plane.py does.

Figures, each over --runs fresh starts (medians):
  cold start   exec of flanneld until READY=1, with all leases already in the store; at READY the routes
               are counted, and all must be present
  warm start   the same over the kernel objects of the run before
  memory       VmRSS after the kernel objects of all peers are present

Run as root: bench/networks.py [--build build/release] [--networks 1,20] [--peers 100] [--runs 5]
"""

import json
import os
import statistics
import subprocess
import tempfile

from control_plane import PREFIX, STORES, Daemon, options_of, run, within_a_namespace


def fill(api, networks, peers):
    for number in range(1, networks + 1):
        prefix = f"{PREFIX}/net{number}"
        config = {"Network": f"10.{number}.0.0/16", "SubnetMin": f"10.{number}.200.0",
                  "Backend": {"Type": "vxlan", "VNI": number}}
        api.put_one(f"{prefix}/config", json.dumps(config))
        api.put([lease(prefix, number, peer) for peer in range(1, peers + 1)])


def lease(prefix, number, peer):
    value = {"PublicIP": f"192.168.1.{peer}", "PublicIPv6": None, "BackendType": "vxlan",
             "BackendData": {"VNI": number, "VtepMAC": f"02:00:00:00:{number:02x}:{peer:02x}"}}
    return f"{prefix}/subnets/10.{number}.{peer}.0-24", json.dumps(value, separators=(",", ":"))


def routes():
    return len(run("ip", "-4", "route", "show", "proto", "250").splitlines())


def clean_kernel(networks):
    for number in range(1, networks + 1):
        subprocess.run(["ip", "link", "del", f"flannel.{number}"], capture_output=True, check=False)


def measure(options, networks, folder):
    server, make_api, flags = STORES["etcd"]
    peers = int(options.peers)
    with server(folder):
        fill(make_api(), networks, peers)
        names = ",".join(f"net{number}" for number in range(1, networks + 1))
        arguments = [os.path.join(options.build, "bin/flanneld"), "--iface=eth0", *flags,
                     f"--networks={names}", f"--subnet-file={folder}/subnet.env",
                     f"--state-dir={folder}/state", f"--control-socket={folder}/control.sock"]
        cold, warm, rss, threads = [], [], [], 0
        for _ in range(options.runs):
            clean_kernel(networks)
            daemon = Daemon(arguments, folder)
            cold.append(daemon.wait_ready())
            if routes() < networks * peers:
                raise RuntimeError(f"at READY there are {routes()} routes, wanted {networks * peers}")
            rss.append(daemon.rss_mb())
            threads = len(os.listdir(f"/proc/{daemon.process.pid}/task"))
            daemon.stop()
            daemon = Daemon(arguments, folder)
            warm.append(daemon.wait_ready())
            daemon.stop()
        clean_kernel(networks)
    return [statistics.median(values) for values in (cold, warm, rss)] + [threads]


def inside(options):
    print("| networks | peers of each | cold start s | warm start s | RSS MB | threads |")
    print("|---|---|---|---|---|---|")
    for networks in map(int, options.networks.split(",")):
        with tempfile.TemporaryDirectory(dir=options.tmp) as folder:
            cold, warm, rss, threads = measure(options, networks, folder)
        print(f"| {networks} | {options.peers} | {cold:.3f} | {warm:.3f} | {rss:.1f} | {threads} |", flush=True)


def main():
    parser = options_of(__doc__, peers="100")
    parser.add_argument("--networks", default="1,20")
    options = parser.parse_args()
    within_a_namespace(lambda: inside(options))


if __name__ == "__main__":
    main()
