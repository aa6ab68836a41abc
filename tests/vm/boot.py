#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command on a virtual machine with another kernel, Debian's by default, and ends as it ended.

    tests/vm/boot.py [--limit=SECONDS] [--memory=MB] [--keep=FOLDER] [--clock=TIME] KERNEL COMMAND...

KERNEL is a folder with the files of a kernel package (scripts/fetch-kernel.sh). The vm sees the files of
this machine, programs and libraries included, by 9p; they are read-only, and what the command writes is in
the memory of the vm alone, except below FOLDER. Its hardware clock begins with TIME ("2026-12-01T10:00:00",
UTC), or as that of this machine. It has two processors, emulated (no KVM is needed), and no network. Root only,
for files that others cannot read.
"""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# What the first process needs before it sees the files of this machine; modprobe loads the others.
NEEDED = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
END = re.compile(rb"^vm: the command has ended with (\d+)\r?$", re.MULTILINE)
BEGIN = b"vm: the command begins"


def modules_in_order(folder):
    """The files of the modules in NEEDED, each after those that it depends on; `folder` has modules.dep."""
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, others = line.split(":")
        needs[pathlib.Path(path).stem] = [path, *others.split()]
    order = []
    for name in NEEDED:
        # modules.dep names the nearest dependencies last.
        order += [path for path in reversed(needs[name]) if path not in order]
    return order


def libraries(program):
    """The libraries of a program, its loader included."""
    # A static program has none, and ldd fails.
    listed = subprocess.run(["ldd", program], check=False, capture_output=True, text=True).stdout
    return re.findall(r"(/\S+) \(0x", listed)


def script(command, modules, keep):
    """What the vm runs once it sees the files of this machine."""
    folder = shlex.quote(str(keep))
    kept = f"mkdir -p {folder} && mount -t 9p -o trans=virtio,version=9p2000.L keep {folder}" if keep else ""
    variables = " ".join(
        f"{name}={shlex.quote(value)}" for name, value in os.environ.items() if name.startswith("FLANNEL_")
    )
    return f"""
mkdir -p /lib/modules
ln -sfn {shlex.quote(str(modules))} /lib/modules/{modules.name}
mount -o remount,size=80% /dev/shm
dmesg -n 1
modprobe tun
ip link set lo up
{kept}
cd {shlex.quote(str(pathlib.Path.cwd()))}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PYTHONDONTWRITEBYTECODE=1
echo {shlex.quote(BEGIN.decode())}
# A pipe, since programs write otherwise to a terminal.
{{ {variables} {shlex.join(command)}; printf '\\nvm: the command has ended with %s\\n' $?; }} </dev/null 2>&1 | cat
exec busybox poweroff -f
"""


def make_initramfs(work, modules, command, keep):
    tree = work / "tree"
    for folder in ("bin", "modules"):
        (tree / folder).mkdir(parents=True)
    busybox = shutil.which("busybox")
    shutil.copy(busybox, tree / "bin/busybox")
    for library in libraries(busybox):
        target = tree / library.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    order = modules_in_order(modules)
    for path in order:
        shutil.copy(modules / path, tree / "modules")
    (tree / "modules.list").write_text("\n".join(pathlib.Path(path).name for path in order))
    (tree / "command").write_text(script(command, modules, keep))
    shutil.copy(HERE / "init.sh", tree / "init")
    (tree / "init").chmod(0o755)
    names = subprocess.run(["find", "."], cwd=tree, check=True, capture_output=True).stdout
    with open(work / "initramfs", "wb") as archive:
        subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc"], cwd=tree, input=names, stdout=archive, check=True
        )
    return work / "initramfs"


def qemu(image, initramfs, options):
    more = []
    if options.keep:
        more += ["-virtfs", f"local,path={options.keep},mount_tag=keep,security_model=none"]
    if options.clock:
        more += ["-rtc", f"base={options.clock}"]
    return [
        "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
        "-m", str(options.memory), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-serial", "stdio", "-kernel", image, "-initrd", initramfs,
        "-append", "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off nokaslr random.trust_cpu=on",
        "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
        *more,
    ]  # fmt: skip


def run(argv, limit):
    """Runs the vm and prints its console; returns the status of the command, 124 after `limit` seconds."""
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    argv = ["setpriv", "--pdeathsig", "KILL", *argv]  # it must not outlive this program
    vm = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True)
    late = threading.Event()

    def stop():
        late.set()
        os.killpg(vm.pid, signal.SIGKILL)

    timer = threading.Timer(limit, stop)
    timer.start()
    seen, begun = b"", 0.0
    try:
        for line in vm.stdout:
            seen = (seen + line)[-100_000:]
            if line.startswith(BEGIN):
                begun = time.monotonic() - started
            elif not END.match(line):
                sys.stdout.buffer.write(line.replace(b"\r", b""))
                sys.stdout.buffer.flush()
        vm.wait()
    finally:
        timer.cancel()
        if vm.poll() is None:
            os.killpg(vm.pid, signal.SIGKILL)
            vm.wait()
    took = time.monotonic() - started
    if late.is_set():
        print(f"\nvm: stopped after {limit} s, the limit")
        return 124
    ended = END.search(seen)
    if not ended:
        print(f"\nvm: ended after {took:.0f} s, before the command")
        return 125
    print(f"vm: {begun:.1f} s until the command began, {took:.1f} s in all")
    return int(ended[1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--limit", type=int, default=330, help="seconds")
    parser.add_argument("--memory", type=int, default=3072, help="MB")
    parser.add_argument("--keep", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--clock", metavar="TIME")
    parser.add_argument("kernel", type=pathlib.Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    kernel = options.kernel.resolve()
    (image,) = (kernel / "boot").glob("vmlinuz-*")
    release = image.name.removeprefix("vmlinuz-")
    modules = kernel / "lib/modules" / release
    if not (modules / "modules.dep").exists():  # the package's scripts would write it
        subprocess.run(["depmod", "-b", kernel, release], check=True)
    with tempfile.TemporaryDirectory() as work:
        initramfs = make_initramfs(pathlib.Path(work), modules, options.command, options.keep)
        sys.exit(run(qemu(image, initramfs, options), options.limit))


if __name__ == "__main__":
    main()
