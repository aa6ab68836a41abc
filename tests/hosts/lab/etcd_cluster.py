# SPDX-License-Identifier: Apache-2.0
"""Three etcd members, each on a machine of its own, and the faults and changes that they meet."""

import json
import shutil
import subprocess
from types import SimpleNamespace

from .shell import wait_until
from .stores import EtcdProcess, EtcdStore

QUOTA = 16 * 1024 * 1024
NUMBERS = (241, 242, 243)


class Member(EtcdProcess):
    def __init__(self, cluster, host):
        super().__init__(host, host.name)
        self.cluster = cluster
        self.peer_url = f"http://{host.address}:2380"

    @property
    def client_url(self):
        return f"{self.cluster.scheme}://{self.host.address}:2379"

    def start(self):
        flags = [f"--quota-backend-bytes={QUOTA}", "--logger=zap", "--log-level=error"]
        self.launch(
            self.client_url, self.peer_url, self.cluster.initial(), 500, flags + self.cluster.tls_flags
        )

    def status(self):
        """The status that the member reports; None if it does not answer."""
        done = self.cluster.on(self, "endpoint", "status", "-w", "json", check=False)
        return json.loads(done)[0]["Status"] if done.startswith("[") else None

    def leads(self):
        status = self.status()
        return status is not None and status.get("leader") == status["header"]["member_id"]

    def cut_off(self, *others):
        """An nft rule drops all packets between the member and these machines, until join()."""
        them = ", ".join(other.host.address for other in others)
        rules = "".join(
            f"add chain inet cut {hook} {{ type filter hook {hook} priority 0; }}\n"
            f"add rule inet cut {hook} ip {side} {{ {them} }} drop\n"
            for hook, side in (("input", "saddr"), ("output", "daddr"))
        )
        self.host.ns.run("nft", "-f", "-", input="add table inet cut\n" + rules)

    def cut_off_clients(self, *hosts):
        """The same for daemons; the members still reach each other."""
        self.cut_off(*(SimpleNamespace(host=host) for host in hosts))

    def join(self):
        self.host.ns.run("nft", "delete", "table", "inet", "cut")


class EtcdCluster(EtcdStore):
    """A store like the lab's single etcd; `etcdctl` uses a member that answers."""

    def __init__(self, make_host, certificates=None):
        self.scheme = "https" if certificates else "http"
        self.certificates = certificates
        self.tls_flags = certificates.server_flags() if certificates else []
        self.root = None  # "user:password" once authentication is on
        self.members = [Member(self, make_host(f"e{n - 240}", n)) for n in NUMBERS]
        self.namespace = self.members[0].host.ns

    def initial(self):
        return ",".join(f"{member.name}={member.peer_url}" for member in self.members)

    def flags(self):
        urls = ",".join(member.client_url for member in self.members)
        tls = self.certificates.client_flags() if self.certificates else []
        return ["--store=etcd", f"--etcd-endpoints={urls}", *tls]

    def start(self):
        for member in self.members:
            if not member.running():
                member.start()
        return self.wait_healthy()

    def wait_healthy(self):
        wait_until(
            lambda: all(member.running() and self._healthy(member) for member in self.members),
            lambda: "an etcd cluster:\n" + self.log(),
        )
        return self

    def _healthy(self, member):
        return "is healthy" in self.on(member, "endpoint", "health", check=False, both=True)

    def on(self, member, *words, check=True, both=False, timeout=None, input=None):
        """Runs etcdctl on one member's machine. It has a minute if it must succeed, else 3 s."""
        timeout = timeout or ("60s" if check else "3s")
        user = [f"--user={self.root}"] if self.root else []
        argv = ["env", "ETCDCTL_API=3", "etcdctl", f"--command-timeout={timeout}", *user, *words]
        command = " ".join(f"'{word}'" for word in argv) + (" 2>&1" if both else "")
        return member.host.ns.run("sh", "-c", command, check=check, input=input)

    def etcdctl(self, *words, input=None):
        def answering():
            return next((m for m in self.members if m.running() and m.status() is not None), None)

        return self.on(wait_until(answering, "a member that answers"), *words, input=input)

    def leader(self):
        return wait_until(
            lambda: next((m for m in self.members if m.running() and m.leads()), None), "a leader"
        )

    def leader_and_others(self):
        leader = self.leader()
        return leader, *[member for member in self.members if member is not leader]

    def revision(self):
        """The revision of the leader."""
        return wait_until(self._revision, "the status of the leader")

    def _revision(self):
        status = self.leader().status()
        return status and status["header"]["revision"]

    def stop(self):
        for member in self.members:
            if member.running():
                member.kill()

    def leases(self):
        """The ids of all etcd leases."""
        return sorted(self.etcdctl("lease", "list").split()[3:])

    def save(self, path):
        self.on(self.members[0], "snapshot", "save", path)

    def restore(self, path):
        """Restores the whole cluster from a saved state."""
        self.stop()
        for member in self.members:
            shutil.rmtree(member.data)
            self.on(
                member, "snapshot", "restore", path, f"--name={member.name}",
                f"--initial-cluster={self.initial()}", f"--data-dir={member.data}",
                f"--initial-advertise-peer-urls={member.peer_url}",
            )  # fmt: skip
        return self.start()

    def fill_up(self):
        """Writes until a member raises the NOSPACE alarm, in as few requests as etcd accepts."""
        big = "x" * 1_400_000

        def full():
            self.on(self.members[0], "put", "/filler", input=big, timeout="20s", check=False)
            return "NOSPACE" in self.on(self.members[0], "alarm", "list", check=False)

        wait_until(full, "the NOSPACE alarm", every=0)

    def make_room(self):
        self.etcdctl("compact", self.revision())
        for member in self.members:
            self.on(member, "defrag")
        self.etcdctl("alarm", "disarm")

    def log(self):
        return "".join(f"{m.host.name}:\n{m.log()[-1500:]}\n" for m in self.members)

    def reap(self):
        for member in self.members:
            member.reap()


class Certificates:
    """A CA, and its certificates for the members and for the daemons, made by openssl."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.renew()

    def renew(self):
        """Makes all certificates anew, the CA too, so that old certificates are not trusted."""
        self._openssl("req", "-x509", *self.KEY, "-days", "2", "-subj", "/CN=lab CA",
                      "-keyout", "ca.key", "-out", "ca.new")  # fmt: skip
        names = ",".join(f"IP:192.0.2.{n}" for n in NUMBERS) + ",IP:127.0.0.1"
        for who in ("server", "client"):
            self._openssl("req", *self.KEY, "-subj", f"/CN={who}", "-addext",
                          f"subjectAltName={names}", "-keyout", f"{who}.key.new",
                          "-out", "request")  # fmt: skip
            self._openssl("x509", "-req", "-in", "request", "-CA", "ca.new", "-CAkey", "ca.key",
                          "-CAcreateserial", "-days", "2", "-copy_extensions", "copy",
                          "-out", f"{who}.pem.new")  # fmt: skip
        for name in ("ca", "server.key", "server.pem", "client.key", "client.pem"):
            (self.folder / f"{name}.new").rename(self.folder / name)

    KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")

    def _openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def server_flags(self):
        return [
            f"--cert-file={self.folder}/server.pem",
            f"--key-file={self.folder}/server.key",
            f"--trusted-ca-file={self.folder}/ca",
            "--client-cert-auth",
        ]

    def client_flags(self):
        return [
            f"--etcd-cafile={self.folder}/ca",
            f"--etcd-certfile={self.folder}/client.pem",
            f"--etcd-keyfile={self.folder}/client.key",
        ]

