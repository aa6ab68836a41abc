# SPDX-License-Identifier: Apache-2.0
"""A real Docker engine on a host of the lab, and containers in it.

Each engine has a PID and a mount namespace of its own, in the network namespace of its host, and
writes to memory: containers, mounts and files end with the first process of that PID namespace.
Only its cgroups stay; they carry the lab's name, and the reaper removes them.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile

from .flanneld import REPOSITORY
from .shell import run, wait_until
from .stores import in_url

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# The folder of each release's programs; containerd and runc are always the system's. "28" is 28.5,
# or the version of the distribution's next release.
RELEASES = {"20.10": None, "28": REPOSITORY / "build/docker-28/usr/sbin"}
PROGRAMS = ["/bin/busybox", "/usr/sbin/nginx", "/usr/bin/curl"]
LINKS = ["sh", "sleep", "cat", "ping"]


def installed(release):
    folder = RELEASES[release] or pathlib.Path("/usr/sbin")
    return (folder / "dockerd").exists()


def libraries(program):
    words = run("ldd", program, check=False).split()  # a static program has none
    return [word for word in words if word.startswith("/")]


def make_image(folder):
    """Makes a tar file of busybox, and of nginx and curl of the distribution with their libraries."""
    path = folder / "image.tar"
    if path.exists():
        return path
    tree = folder / "image"
    for name in ["bin", "tmp", "run", "var/log/nginx", "var/lib/nginx", "var/www/html", "etc"]:
        (tree / name).mkdir(parents=True)
    for program in PROGRAMS:
        for file in [program, *libraries(program)]:
            copy = tree / file.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
    for name in LINKS:
        (tree / "bin" / name).symlink_to("busybox")
    shutil.copytree("/etc/nginx", tree / "etc/nginx", ignore=lambda folder, _: (
        os.listdir(folder) if folder.endswith("modules-enabled") else []
    ))
    (tree / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\n")
    (tree / "etc/group").write_text("root:x:0:\nwww-data:x:33:\n")
    (tree / "var/www/html/index.html").write_text("Welcome to nginx!\n")
    with tarfile.open(path, "w") as tar:
        tar.add(tree, ".")
    return path


class Engine:
    """The dockerd of one host; it may be started repeatedly."""

    def __init__(self, host, release):
        self.host = host
        self.release = release
        self._root = host.folder / "docker"
        self._root.mkdir()
        self.socket = host.folder / "docker.sock"
        self._log = host.folder / "dockerd.log"
        self._process = None
        init = pathlib.Path(__file__).with_name("docker_init.py")
        enter = ["nsenter", f"--net=/run/netns/{host.ns}"]
        self._init = subprocess.Popen(
            [*enter, "unshare", "--mount", "--pid", "--fork", sys.executable, init, self._root],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._init.stdout.readline() == "ready\n", "the engine's namespaces"
        children = pathlib.Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children")
        self.first = children.read_text(encoding="ascii").strip()
        host.lab.engines.append(self)

    def command(self, *argv):
        """The words that run a command in the namespaces of the engine."""
        return ["nsenter", "-t", self.first, "-m", "-n", "-p", *[str(word) for word in argv]]

    def start(self, *flags):
        """Starts dockerd with these flags, and waits until it answers."""
        assert not self.running(), "it runs already"
        folder = RELEASES[self.release]
        path = f"{folder}:{SYSTEM_PATH}" if folder else SYSTEM_PATH
        key = self._root / "key.json"
        config = self.host.folder / "daemon.json"
        config.write_text(f'{{"deprecated-key-path": "{key}"}}')
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                self.command(
                    "env",
                    f"PATH={path}",
                    "dockerd",
                    f"--host=unix://{self.socket}",
                    f"--data-root={self._root / 'data'}",
                    f"--exec-root={self._root / 'exec'}",
                    f"--pidfile={self.host.folder / 'docker.pid'}",
                    f"--config-file={config}",
                    f"--cgroup-parent=/{self.host.ns}",
                    "--exec-opt=native.cgroupdriver=cgroupfs",
                    "--storage-driver=overlay2",
                    *flags,
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, f"dockerd on {self.host.name}", unless=self._must_run)
        return self

    def _answers(self):
        return "ID:" in self.docker("info", check=False)

    def _must_run(self):
        assert self.running(), f"dockerd on {self.host.name} ended:\n{self.log()[-3000:]}"

    def running(self):
        return self._process is not None and self._process.poll() is None

    def stop(self):
        """Stops dockerd by SIGTERM, as its service does; its containers end too."""
        pid = (self.host.folder / "docker.pid").read_text(encoding="ascii")
        run(*self.command("kill", f"-{signal.SIGTERM.value}", pid))
        self._process.wait(120)

    def lose_power(self):
        """Ends all at once, as a power failure: no process ends in order, and memory and devices are lost."""
        run(*self.command("sh", "-c", "kill -9 -1"), check=False)
        self._process.wait(120)
        mounted = run(*self.command("cat", "/proc/mounts")).splitlines()
        for point in sorted((line.split()[1] for line in mounted), reverse=True):
            if point.startswith(f"{self._root}/"):
                run(*self.command("umount", "--lazy", point), check=False)
        run(*self.command("rm", "-rf", self._root / "exec", self.host.folder / "docker.pid"))
        for link in self.host.ns.ask("link", "show", "type", "bridge"):
            self.host.ns.ip("link", "delete", link["ifname"])

    def docker(self, *words, check=True, **options):
        return run("/usr/bin/docker", f"--host=unix://{self.socket}", *words, check=check, **options)

    def run_docker(self, *words):
        """Runs a command that may fail, and returns it as it ended."""
        argv = ["/usr/bin/docker", f"--host=unix://{self.socket}", *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=180, check=False)

    def compose(self, file, *words):
        """docker-compose of the distribution; the network of the host is not needed."""
        environment = {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "COMPOSE_PROJECT_NAME": "lab"}
        return run("docker-compose", f"--file={file}", *words, env=environment)

    def load_image(self):
        self.docker("import", make_image(self.host.lab.folder), "lab")
        return self

    def container(self, name, *argv, flags=()):
        """Starts a container with these flags of docker run; without words it only waits."""
        return DockerContainer(self, name, argv or ("sleep", "1000"), flags)

    def log(self):
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def reap(self):
        """Reaps the processes after the lab was removed."""
        for process in (self._process, self._init):
            if process:
                process.kill()
                process.wait()


class DockerContainer:
    def __init__(self, engine, name, argv, flags):
        self.engine = engine
        self.name = name
        assert not set(name) <= set("0123456789abcdef"), f"Docker takes {name} for the beginning of an id"
        engine.docker("rm", "--force", name, check=False)
        engine.docker("run", "--detach", f"--name={name}", *flags, "lab", *argv)
        # Of IPv4, and then of IPv6 if the network has it.
        form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}} {{end}}"
        self.addresses = self.inspect(form).split()
        assert self.addresses, engine.docker("logs", name)
        self.address = self.addresses[0]

    def inspect(self, form):
        return self.engine.docker("inspect", f"--format={form}", self.name).strip()

    def run(self, *argv, check=True):
        return self.engine.docker("exec", self.name, *argv, check=check)


def nginx(engine, name="web", flags=()):
    web = engine.container(name, "nginx", "-g", "daemon off;", flags=flags)
    wait_until(lambda: "Welcome" in web.run("curl", "-s", "http://127.0.0.1/", check=False),
               f"nginx of {name}")  # fmt: skip
    return web


def fetched(source, address, port=80):
    """Whether `source`, an object with .run, gets the page of nginx at this address within a second: to wait for,
    and to see that it does not."""
    url = f"http://{in_url(address)}:{port}/"
    asked = source.run("curl", "-s", "--max-time", "1", url, check=False)
    return "Welcome to nginx!" in asked


def fetched_as(source, web, address):
    """Waits until `source` gets the page of nginx at this address of it; returns how nginx saw the source.

    nginx answers before it writes its log."""
    before = len(clients(web))
    wait_until(lambda: fetched(source, address), f"{address} to be reached")
    return wait_until(lambda: clients(web)[before:], f"a line of the log about {address}")[-1]


def clients(web):
    """The addresses of the clients of nginx, in order."""
    lines = web.run("cat", "/var/log/nginx/access.log").splitlines()
    return [line.split()[0] for line in lines]
