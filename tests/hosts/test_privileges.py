# SPDX-License-Identifier: Apache-2.0
"""The privileges of a daemon that root starts by hand, without a unit; and its end when a library ends it."""

import os
import pathlib
import resource
import shutil
import subprocess

import pytest
from lab import binary, run, wait_until
from lab.cluster import Cluster
from lab.etcd_cluster import Certificates
from lab.overlay import route_rows
from lab.traffic import ping

NOBODY = 65534
NET_ADMIN, NET_RAW, DAC_READ_SEARCH, DAC_OVERRIDE = 1 << 12, 1 << 13, 1 << 2, 1 << 1
SYS_NICE, SYS_RESOURCE = 1 << 23, 1 << 24
TWO = NET_ADMIN | NET_RAW


def rights(daemon):
    """The different (permitted, effective, bounding, no_new_privs, seccomp) of all threads."""
    found = set()
    for status in pathlib.Path(f"/proc/{daemon.pid()}/task").glob("*/status"):
        try:
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended
        found.add(
            tuple(int(lines[name], 16) for name in ("CapPrm", "CapEff", "CapBnd"))
            + (lines["NoNewPrivs"], lines["Seccomp"])
        )
    return found


def own_capabilities():
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.split("CapPrm:")[1].split()[0], 16)


def only_two(besides=0):
    """Programs get two capabilities; the daemon also keeps SYS_NICE if it cannot set the limit on niceness."""
    kept = TWO | besides | (0 if own_capabilities() & SYS_RESOURCE else SYS_NICE)
    return {(kept, kept, TWO, "1", "2")}


@pytest.mark.parametrize("firewall", ["nftables", "iptables"])
@pytest.mark.parametrize("backend", ["udp", "vxlan", "host-gw"])
def test_started_by_hand_the_daemon_keeps_two_capabilities(lab, backend, firewall):
    """The two capabilities suffice: a deleted route comes back."""
    flags = ["--ip-masq", f"--firewall={firewall}"]
    cluster = Cluster(lab, "etcd", backend, flags=flags).start(containers=True)
    one, two = cluster.hosts
    for host in cluster.hosts:
        assert rights(host.daemon) == only_two()
        assert "could not be given up" not in host.daemon.log()
    ping(one.container, two.container)
    had = route_rows(one)
    overlay = [row.split()[1] for row in had if "10.5." in row and (" via " in row or "flannel" in row)]
    assert overlay
    for destination in overlay:
        one.ns.ip("route", "del", destination)
    wait_until(lambda: route_rows(one) == had, "the routes to come back")
    ping(one.container, two.container)
    one.daemon.stop()
    one.daemon.start().wait_ready()
    ping(two.container, one.container)


def test_iptables_legacy_has_the_rights_that_it_needs(lab, monkeypatch):
    """The programs of iptables-legacy use a raw socket."""
    folder = lab.folder / "bin"
    folder.mkdir()
    for name in ("save", "restore"):
        program = shutil.which(f"iptables-legacy-{name}", path="/usr/sbin:/sbin")
        (folder / f"iptables-{name}").symlink_to(program)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    host = Cluster(lab, hosts=1, flags=["--ip-masq", "--firewall=iptables"]).start().hosts[0]
    assert rights(host.daemon) == only_two()
    has_rules = lambda: "-A FLANNEL-POSTRTG" in host.ns.run("iptables-legacy-save", "-t", "nat")  # noqa: E731
    wait_until(has_rules, "the rules")
    host.ns.run("iptables-legacy", "-t", "nat", "-F", "FLANNEL-POSTRTG")
    wait_until(has_rules, "the rules to come back")


def test_packet_threads_go_before_others(lab):
    host = Cluster(lab, backend="udp", hosts=1).start().hosts[0]
    tasks = pathlib.Path(f"/proc/{host.daemon.pid()}/task")

    def niceness(task):
        try:
            return os.getpriority(os.PRIO_PROCESS, int(task.name))
        except ProcessLookupError:
            return None  # the thread has ended

    wait_until(lambda: -5 in map(niceness, tasks.iterdir()), "packet threads that go before others")
    assert rights(host.daemon) == only_two()


def test_privileges_are_kept_where_that_is_asked_for(lab):
    host = Cluster(lab, hosts=1, flags=["--keep-privileges"]).start().hosts[0]
    ((permitted, _, bounding, no_new, seccomp),) = rights(host.daemon)
    assert permitted & ~TWO and bounding & ~TWO
    assert (no_new, seccomp) == ("0", "0")


def test_the_health_port_may_be_a_privileged_one(lab):
    host = Cluster(lab, hosts=1, healthz_port=81).start().hosts[0]
    assert host.daemon.health("/healthz")[0] == 200
    assert rights(host.daemon) == only_two()


def test_keys_of_another_user_are_read_again_while_it_runs(lab):
    certificates = Certificates(lab.folder / "pki")

    def give_away():
        os.chown(certificates.folder / "client.key", NOBODY, NOBODY)
        os.chmod(certificates.folder / "client.key", 0o600)

    give_away()
    store = lab.etcd_cluster(certificates)
    store.start()
    host = Cluster(lab, store, hosts=1).start().hosts[0]
    assert rights(host.daemon) == only_two(besides=DAC_READ_SEARCH)
    host.daemon.wait_log("client.key cannot be read without CAP_DAC_READ_SEARCH")
    certificates.renew()
    give_away()
    store.stop()
    host.daemon.wait_log("store away")
    store.start()
    host.daemon.wait_log("over: store away")


def test_a_subnet_file_in_a_folder_of_another_user_is_written(lab):
    cluster = Cluster(lab, hosts=1)
    host = cluster.hosts[0]
    folder = host.folder / "theirs"
    folder.mkdir(mode=0o755)
    os.chown(folder, NOBODY, NOBODY)
    host.flanneld(cluster.store, f"--subnet-file={folder}/subnet.env")
    cluster.start()
    assert (folder / "subnet.env").exists()
    assert rights(host.daemon) == only_two(besides=DAC_OVERRIDE)


# ---- limits, and a library that ends the process


def end_of(host, store, *before, env=None):
    """(exit code, log) of a daemon that is started by the words `before`."""
    daemon = host.flanneld(store)
    words = host.ns.command(*before, binary("flanneld"), *daemon.flags)
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, **(env or {})}
    )
    return done.returncode, done.stderr


def test_too_few_descriptors_are_refused_in_words(lab):
    code, log = end_of(lab.host(), lab.sqlite(), "prlimit", "--nofile=20:20")
    assert code == 1
    assert "this process may open 20 files, and flanneld needs 256" in log.splitlines()[-1]


def test_a_low_soft_limit_on_descriptors_is_raised(lab):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        host = Cluster(lab, hosts=1).start().hosts[0]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    assert resource.prlimit(host.daemon.pid(), resource.RLIMIT_NOFILE) == (hard, hard)


def test_a_library_that_ends_the_process_does_not_look_like_a_bad_command_line(lab):
    """libnftables calls exit(2) when memory is short; this library does so at once."""
    source = lab.folder / "nft.cc"
    source.write_text(
        "#include <cstdlib>\n"
        'extern "C" {\n'
        "void* nft_ctx_new(unsigned) { std::exit(2); }\n"
        "void nft_ctx_free(void*) {}\n"
        "int nft_ctx_buffer_output(void*) { return 0; }\n"
        "int nft_ctx_buffer_error(void*) { return 0; }\n"
        "void nft_ctx_output_set_flags(void*, unsigned) {}\n"
        'const char* nft_ctx_get_output_buffer(void*) { return ""; }\n'
        'const char* nft_ctx_get_error_buffer(void*) { return ""; }\n'
        "int nft_run_cmd_from_buffer(void*, const char*) { return 0; }\n"
        "}\n"
    )
    run("g++", "-shared", "-fPIC", "-o", lab.folder / "libnftables.so.1", source)
    code, log = end_of(lab.host(), lab.sqlite(), env={"LD_LIBRARY_PATH": str(lab.folder)})
    assert code == 1
    assert "a library ended the process" in log.splitlines()[-1]
    assert "status=2" in log.splitlines()[-1]
