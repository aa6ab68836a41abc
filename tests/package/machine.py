# SPDX-License-Identifier: Apache-2.0
"""A Debian tree, made once by debootstrap and cached in build/, and a machine that boots it.

    root of the machine = overlay of a fresh folder over build/dist/bookworm
    flpkg-PID (network namespace): wire ══ eth0 (192.0.2.1/24) of the machine
"""

import os
import pathlib
import re
import shutil
import subprocess
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
OUT = REPOSITORY / "build" / "dist"
PACKAGES = ["systemd", "systemd-sysv", "dbus", "iproute2", "iptables", "nftables", "procps"]


def run(*words, check=True, timeout=600, **options):
    words = [str(word) for word in words]
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait_until(question, what, within=60):
    deadline = time.monotonic() + within
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {within} s: {what() if callable(what) else what}"
        time.sleep(0.1)


def build_package():
    run(REPOSITORY / "dist" / "package.sh", timeout=3000)
    return max(OUT.glob("flannel-cpp_*.deb"), key=lambda path: path.stat().st_mtime)


def field(package, name):
    return run("dpkg-deb", "--field", package, name).strip()


def another_version(package, version, folder):
    """The same package as a later release."""
    tree = folder / "repacked"
    run("dpkg-deb", "--raw-extract", package, tree)
    control = tree / "DEBIAN" / "control"
    text = control.read_text(encoding="utf-8")
    control.write_text(re.sub(r"(?m)^Version: .*", f"Version: {version}", text), encoding="utf-8")
    run("dpkg-deb", "--root-owner-group", "--build", tree, folder / "next.deb")
    return folder / "next.deb"


def base_tree(depends):
    """Debian 12 with the dependencies of the package, and without the package."""
    names = [name.split(" ")[0] for name in depends.split(", ")] + ["network-manager"]
    tree, stamp = OUT / "bookworm", OUT / "bookworm.packages"
    wanted = " ".join(sorted(names))
    if tree.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return tree
    shutil.rmtree(tree, ignore_errors=True)
    mirror = run(REPOSITORY / "scripts" / "debian-mirror.sh").strip()
    run("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", "bookworm", tree, mirror)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("chroot", tree, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *names, env=env)
    run("chroot", tree, "apt-get", "clean")
    # The program runs in its own test only.
    run("chroot", tree, "systemctl", "disable", "NetworkManager")
    stamp.write_text(wanted, encoding="ascii")
    return tree


class Root:
    """A copy of the base tree, which is deleted after the test."""

    def __init__(self, base, folder):
        self.path = folder / "root"
        for name in ("root", "upper", "work"):
            (folder / name).mkdir(parents=True)
        layers = f"lowerdir={base},upperdir={folder}/upper,workdir={folder}/work"
        run("mount", "-t", "overlay", "overlay", "-o", layers, self.path)

    def close(self):
        run("umount", self.path)

    def bring(self, file, name):
        shutil.copy(file, self.path / "root" / name)

    def write(self, path, text):
        target = self.path / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


class Machine:
    """The root, booted by systemd in namespaces of its own."""

    def __init__(self, root, console):
        self.name = f"flpkg-{os.getpid()}"
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "add", "eth0", "type", "veth", "peer", "name", "wire")
        run("ip", "-n", self.name, "link", "set", "wire", "up")
        with open(console, "wb") as log:
            self._process = subprocess.Popen(
                ["systemd-nspawn", f"--directory={root.path}", "--boot", "--register=no", "--keep-unit",
                 f"--machine={self.name}", "--private-network", "--bind=/dev/net/tun",
                 "--console=read-only", "--quiet"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self._console = console
        self._leader = None

    def boot(self):
        self._leader = wait_until(self._find_leader, "pid 1 of the machine")
        wait_until(self._booted, lambda: self._console.read_text(errors="replace")[-3000:])
        run("ip", "-n", self.name, "link", "set", "eth0", "netns", self._leader)
        self("ip", "address", "add", "192.0.2.1/24", "dev", "eth0")
        self("ip", "link", "set", "eth0", "up")
        self("ip", "route", "add", "default", "via", "192.0.2.254")

    def _find_leader(self):
        assert self._process.poll() is None, self._console.read_text(errors="replace")[-3000:]
        children = pathlib.Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        for pid in children.read_text(encoding="ascii").split():
            if pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii") == "systemd\n":
                return pid
        return None

    def _booted(self):
        state = self("systemctl", "is-system-running", check=False).strip()
        return state in ("running", "degraded")

    def __call__(self, *words, **options):
        """Runs a command inside."""
        return run("nsenter", "-t", self._leader, "-m", "-u", "-i", "-n", "-p", "-r", "-w",
                   "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                   "DEBIAN_FRONTEND=noninteractive", *words, **options)

    def path(self, inside):
        """Where a file of the machine is."""
        return pathlib.Path(f"/proc/{self._leader}/root") / inside.lstrip("/")

    def property(self, unit, name):
        return self("systemctl", "show", unit, f"--property={name}", "--value").strip()

    def log(self, unit):
        return self("journalctl", "--no-pager", "-o", "cat", "-u", unit, check=False)

    def close(self):
        """Ends the machine as a power cut does; the namespaces end with their processes."""
        if self._leader:
            run("kill", "-KILL", self._leader, check=False)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        run("ip", "netns", "delete", self.name)
