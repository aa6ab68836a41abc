#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A host in one of its boots, on the vm of test_reboot.py: rebooted_host.py FOLDER BOOT

FOLDER outlives the boot, and has the state folder of flanneld; all else is lost. There is a store in the first boot
alone. A boot ends without any warning to flanneld."""

import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

BIN = pathlib.Path(os.environ["FLANNEL_BIN_DIR"])
STORE = "--etcd-endpoints=http://127.0.0.1:2379"
CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}'
SUBNET_FILE = pathlib.Path("/run/flannel/subnet.env")
DEVICE = pathlib.Path("/sys/class/net/flannel.1")
LIMIT = 60  # seconds, of a machine that is emulated


def until(holds, what):
    limit = time.monotonic() + LIMIT
    while not holds():
        assert time.monotonic() < limit, what() if callable(what) else what
        time.sleep(0.05)


def readyz():
    try:
        with urllib.request.urlopen("http://127.0.0.1:8081/readyz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()
    except OSError as error:
        return 0, str(error)


def hardware_time():
    return int(pathlib.Path("/sys/class/rtc/rtc0/since_epoch").read_text())


def set_clock(off):
    """Sets the wall clock, which is that of the hardware after a boot; `off`: seconds between the two."""
    time.clock_settime(time.CLOCK_REALTIME, hardware_time() + off)


class Host:
    def __init__(self, folder):
        self.kept = folder / "state" / "kept-state-coreos.com-network.gz"
        self.before = folder / "subnet.env"  # of the first boot
        self.processes = []
        for words in ("link add eth0 type dummy", "address add 192.0.2.1/24 dev eth0", "link set eth0 up"):
            subprocess.run(["ip", *words.split()], check=True)
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        assert pathlib.Path("/sys/class/rtc/rtc0/hctosys").read_text() == "1\n", "the clock was set from the hardware"

    def run(self, *words):
        self.processes.append(subprocess.Popen(words))

    def start(self):
        words = [STORE, "--iface=eth0", f"--state-dir={self.kept.parent}", "--healthz-port=8081"]
        self.run(BIN / "flanneld", *words)

    def goes_on(self):
        until(lambda: "the lease ends at" in readyz()[1] and readyz()[0] == 200, lambda: str(readyz()))
        assert SUBNET_FILE.read_text() == self.before.read_text()
        assert DEVICE.exists()

    def waits(self, because):
        until(lambda: because in readyz()[1], lambda: str(readyz()))
        assert readyz()[0] == 503
        assert not SUBNET_FILE.exists()
        assert not DEVICE.exists()


def first(host):
    host.run("etcd", "--data-dir=/dev/shm/etcd", "--log-level=error")
    ctl = [BIN / "flannelctl", STORE, "config", "set", CONFIG]
    until(lambda: subprocess.run(ctl, check=False, capture_output=True).returncode == 0, "the store")
    host.start()
    until(lambda: host.kept.exists() and readyz()[0] == 200, lambda: str(readyz()))
    host.before.write_text(SUBNET_FILE.read_text())


def in_time(host):
    host.start()
    host.goes_on()


def with_a_wrong_clock(host):
    set_clock(600)
    host.start()
    host.waits("its clock may be wrong")
    set_clock(0)
    host.goes_on()


def too_late(host):
    host.start()
    host.waits("so it may be another's now")


if __name__ == "__main__":
    this = Host(pathlib.Path(sys.argv[1]))
    try:
        globals()[sys.argv[2]](this)
    finally:
        for process in this.processes:
            process.kill()
