#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Containers of two hosts by each way that Docker gets a subnet of flannel: --docker-network, --ipam-driver
flannel, and --bip. The ways are measured in turns, each with two hosts of its own.

Figures: Gbit/s of one TCP stream of iperf3 from container to container, medians over --runs, and as a ratio to --bip.

Run as root: bench/docker_ways.py [--build build/release] [--backend vxlan] [--release 28] [--runs 5] [--seconds 2]
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "hosts"))

from lab import Lab, Run, wait_until  # noqa: E402
from lab.cluster import Cluster  # noqa: E402
from lab.docker import Engine  # noqa: E402
from lab.docker_plugin import CREATE, PluginSocket  # noqa: E402

NETWORK = "mine"
WAYS = ["--bip", "--docker-network", "--ipam-driver"]


class Way:
    def __init__(self, run, way, options):
        self.lab = Lab(run)
        flags = [f"--docker-network={NETWORK}"] if way == "--docker-network" else []
        self.cluster = Cluster(self.lab, backend=options.backend, flags=flags)
        for host in self.cluster.hosts:
            host.engine = Engine(host, options.release)
            host.daemon.environment["DOCKER_HOST"] = f"unix://{host.engine.socket}"
            host.plugin = PluginSocket(host.engine)
            host.daemon.sockets.append(host.plugin.given())
        self.cluster.start()
        self.pids = [self.container(host, way) for host in self.cluster.hosts]

    def container(self, host, way):
        """Starts a container, and returns its process in the engine's namespace."""
        env, engine = host.daemon.subnet_env(), host.engine
        subnet, mtu = env["FLANNEL_SUBNET"], env["FLANNEL_MTU"]
        engine.start(*([f"--bip={subnet}", f"--mtu={mtu}"] if way == "--bip" else [])).load_image()
        if way == "--ipam-driver":
            option = f"--opt=com.docker.network.driver.mtu={mtu}"
            engine.docker(*CREATE, option, f"--subnet={subnet.replace('.1/', '.0/')}", NETWORK)
        elif way == "--docker-network":
            wait_until(lambda: "driver" in engine.docker("network", "inspect", NETWORK, check=False).lower(), NETWORK)
        host.container = engine.container("one", flags=[] if way == "--bip" else ["--network", NETWORK])
        return host.container.inspect("{{.State.Pid}}")

    def measure(self, seconds):
        one, two = self.cluster.hosts
        enter = lambda host, pid: host.engine.command("nsenter", "-t", pid, "-n", "iperf3")  # noqa: E731
        server = subprocess.Popen([*enter(one, self.pids[0]), "-s", "-1", "--forceflush"], stdout=subprocess.PIPE)
        try:
            server.stdout.readline()
            words = [*enter(two, self.pids[1]), "-c", one.container.address, "-t", str(seconds), "-J"]
            report = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
            return report["end"]["sum_received"]["bits_per_second"] / 1e9
        finally:
            server.kill()
            server.wait()


def measure_all(run, options):
    ways = {way: Way(run, way, options) for way in WAYS}
    figures = {way: [] for way in WAYS}
    try:
        for _ in range(options.runs):
            for name, way in ways.items():
                figures[name].append(way.measure(options.seconds))
    finally:
        for way in ways.values():
            way.lab.close()
    return {name: statistics.median(values) for name, values in figures.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--backend", default="vxlan")
    parser.add_argument("--release", default="28")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    os.environ["FLANNEL_BIN_DIR"] = str(pathlib.Path(options.build).resolve() / "bin")
    run = Run()
    try:
        medians = measure_all(run, options)
    finally:
        run.close()
    print(f"Docker {options.release}, {options.backend}, medians of {options.runs}")
    print("| way | Gbit/s | to --bip |\n|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.2f} | {median / medians['--bip']:.2f} |")


if __name__ == "__main__":
    main()
