#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long flanneld takes to set up its rules, and the cost of an idle flanneld.

    bench/rules.py [--runs 20] [--bin build/release/bin]

The benchmark starts flanneld repeatedly in a network namespace of its own, with an empty packet
filter. From the log it reads the time from the active lease until our own rules are in place, for
which subnet.env waits, and until iptables was read and repaired too. "Docker 28" are chains and drops
as Docker 28 leaves them. Then flanneld is idle for eight seconds.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

DOCKER_28 = """*filter
:DOCKER-USER - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER-FORWARD -o docker0 -j DOCKER
-A DOCKER ! -i docker0 -o docker0 -j DROP
COMMIT
*nat
-A POSTROUTING -s 10.5.1.0/24 ! -o docker0 -j MASQUERADE
COMMIT
*raw
-A PREROUTING -d 10.5.1.2/32 ! -i docker0 -j DROP
COMMIT
"""
HELD = re.compile(r"(?:Allocated|Found) lease")


class Machine:
    def __init__(self, bin_dir, folder):
        self.name = f"rules-bench-{os.getpid()}"
        self.bin, self.folder = bin_dir, folder
        run("ip", "netns", "add", self.name)
        for words in ("link set lo up", "link add eth0 type veth peer name far", "link set far up",
                      "addr add 192.0.2.1/24 dev eth0", "link set eth0 up"):  # fmt: skip
            run("ip", "-n", self.name, *words.split())
        self.store = f"--store=sqlite:{folder}/flannel.db"
        config = {"Network": "10.5.0.0/16", "SubnetMin": "10.5.1.0", "SubnetMax": "10.5.1.0"}
        config["Backend"] = {"Type": "vxlan"}
        run(bin_dir / "flannelctl", self.store, "config", "set", json.dumps(config))

    def inside(self, *words, **options):
        return run("ip", "netns", "exec", self.name, *words, **options)

    def start(self, firewall):
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, self.bin / "flanneld", self.store, "--iface=eth0",
             "--ip-masq", f"--firewall={firewall}", f"--subnet-file={self.folder}/subnet.env",
             f"--state-dir={self.folder}", f"--control-socket={self.folder}/control.sock"],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def remove(self):
        run("ip", "netns", "del", self.name)


def run(*words, **options):
    return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout


def stamp(line):
    hours, minutes, seconds = line.split()[1].split(":")
    return (int(hours) * 60 + int(minutes)) * 60 + float(seconds)


def set_up(machine, firewall, docker):
    """Returns (milliseconds until our rules were in place, until all were, the daemon)."""
    machine.inside("nft", "flush", "ruleset")
    if docker:
        machine.inside("iptables-restore", "--noflush", input=DOCKER_28)
    daemon = machine.start(firewall)
    held = ready = done = None
    for line in daemon.stderr:
        if HELD.search(line):
            held = stamp(line)
        ready = stamp(line) if "our rules stand" in line else ready
        done = stamp(line) if "packet filter in order" in line else done
        if done:
            return ((ready or done) - held) * 1000, (done - held) * 1000, daemon
    raise SystemExit(f"flanneld ended with {daemon.wait()}")


def usage(daemon):
    """Returns (clock ticks of the daemon, page faults of its children that have ended)."""
    fields = pathlib.Path(f"/proc/{daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12]), int(fields[8])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--bin", type=pathlib.Path, default=pathlib.Path("build/release/bin"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(options.bin.resolve(), folder)
        try:
            print("| rules | ours ms, median | minimum | all ms, median | minimum | idle CPU % "
                  "| children in 8 s |")  # fmt: skip
            print("|---|---|---|---|---|---|---|")
            for firewall in ("nftables", "iptables"):
                for docker in (False, True):
                    measure(machine, firewall, docker, options.runs)
        finally:
            machine.remove()


def measure(machine, firewall, docker, runs):
    readies, times = [], []
    for _ in range(runs):
        ready, done, daemon = set_up(machine, firewall, docker)
        readies.append(ready)
        times.append(done)
        if len(times) == runs:
            time.sleep(1)
            before = usage(daemon)
            time.sleep(8)
            after = usage(daemon)
        daemon.terminate()
        daemon.communicate()
    name = firewall + (", Docker 28" if docker else "")
    idle = (after[0] - before[0]) / os.sysconf("SC_CLK_TCK") / 8 * 100
    children = "none" if after[1] == before[1] else "some"
    print(f"| {name} | {statistics.median(readies):.1f} | {min(readies):.1f} "
          f"| {statistics.median(times):.1f} | {min(times):.1f} | {idle:.2f} | {children} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
