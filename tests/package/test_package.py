# SPDX-License-Identifier: Apache-2.0
"""The Debian package installed, upgraded and removed, in a bare tree and on a booted machine."""

import json
import os
import re
import tarfile

import pytest

from machine import REPOSITORY, run, wait_until

VXLAN = '{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}}'
UDP = '{"Network": "10.5.0.0/16", "Backend": {"Type": "udp"}}'
STORE = "sqlite:/var/lib/flannel/flannel.db"
SETTINGS = f"FLANNELD_STORE={STORE}\nFLANNELD_IP_MASQ=true\n"
# The unit starts as the one of Debian's docker.io.
DOCKER = """
[Service]
EnvironmentFile=-/etc/default/docker
ExecStart=/bin/sh -c 'echo dockerd $DOCKER_OPTS; exec sleep infinity'
"""


# ---- a bare tree without processes


def dpkg(root, *words):
    return run("unshare", "--net", "chroot", root.path, "dpkg", *words)


def files(root):
    said = run("find", root.path, "-xdev", "(", "-path", "*/var/lib/dpkg", "-o", "-path",
               "*/var/log", "-o", "-path", "*/var/cache", ")", "-prune", "-o", "-print")
    return set(said.split("\n"))


def test_purging_leaves_the_tree_as_it_was(root):
    before = files(root)
    dpkg(root, "--install", "/root/flannel.deb")
    new = {path.removeprefix(str(root.path)) for path in files(root) - before}
    assert {"/usr/sbin/flanneld", "/usr/sbin/flannelctl", "/etc/default/flanneld",
            "/usr/libexec/flannel/mk-docker-opts.sh"} <= new
    assert not [path for path in new if path.endswith(".wants/flanneld.service")], "not enabled"
    dpkg(root, "--install", "/root/next.deb")
    dpkg(root, "--remove", "flannel-cpp")
    left = {path.removeprefix(str(root.path)) for path in files(root) - before}
    assert left == {"/etc/default/flanneld"}, "a setting of the operator's stays"
    dpkg(root, "--purge", "flannel-cpp")
    assert files(root) == before


def test_settings_survive_an_upgrade(root):
    dpkg(root, "--install", "/root/flannel.deb")
    root.write("/etc/default/flanneld", SETTINGS)
    dpkg(root, "--install", "/root/next.deb")
    assert (root.path / "etc/default/flanneld").read_text(encoding="utf-8") == SETTINGS


def test_the_programs_are_stripped_and_run(root):
    dpkg(root, "--install", "/root/flannel.deb")
    for program in ("flanneld", "flannelctl"):
        path = root.path / "usr/sbin" / program
        assert ".symtab" not in run("readelf", "--sections", "--wide", path)
        assert run("chroot", root.path, program, "--version").startswith("v")


def test_the_tarball_has_the_same_programs_and_the_licence(root, package, tmp_path):
    dpkg(root, "--install", "/root/flannel.deb")
    tarball, = package.parent.glob("flannel-*-linux-*.tar.gz")
    run("tar", "--strip-components=1", "-C", tmp_path, "-xzf", tarball)
    for name in ("usr/sbin/flanneld", "usr/sbin/flannelctl", "usr/lib/systemd/system/flanneld.service"):
        assert (tmp_path / name).read_bytes() == (root.path / name).read_bytes()
    assert list(tmp_path.glob("usr/share/doc/*/LICENSE"))


def test_the_files_of_the_tarball_belong_to_root_for_every_builder(package, tmp_path):
    by_root, = package.parent.glob("flannel-*-linux-*.tar.gz")
    # In a namespace in which the files of the build, and the user that packs them, have uid 1000.
    with tarfile.open(by_root) as made:
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(made.next().mtime)}
    run("unshare", "--user", "--map-user=1000", "--map-group=1000",
        "cpack", "--preset", "release", "-G", "TGZ", "-B", tmp_path,
        cwd=REPOSITORY, env=environment, umask=0o022)
    by_another, = tmp_path.glob("*.tar.gz")
    with tarfile.open(by_another) as made:
        assert {(entry.uid, entry.gid) for entry in made} == {(0, 0)}
    assert by_another.read_bytes() == by_root.read_bytes()


# ---- a booted machine


def installed(machine, config=VXLAN):
    machine("dpkg", "--install", "/root/flannel.deb")
    machine("sh", "-c", f"cat >/etc/default/flanneld <<'END'\n{SETTINGS}END")
    machine("mkdir", "-p", "/var/lib/flannel")
    machine("sysctl", "-qw", "net.ipv4.ip_forward=1")
    if config:
        machine("flannelctl", f"--store={STORE}", "config", "set", config)
    return machine


def marks(machine):
    """The kernel objects that have our name or protocol number."""
    text = "".join(machine(*words.split()) for words in (
        "ip -o link show", "ip route show table all", "ip nexthop show", "nft list ruleset",
        "iptables-nft-save", "iptables-legacy-save"))
    return [line for line in text.split("\n") if "flannel" in line.lower() or "proto 250" in line]


def link(machine, name="flannel.1"):
    return json.loads(machine("ip", "-j", "link", "show", name))[0]["ifindex"]


@pytest.mark.parametrize("filter", ["nftables", "iptables", "iptables-legacy"])
def test_the_unit_has_all_that_flanneld_needs_and_no_more(machine, filter):
    installed(machine)
    kind = filter.removesuffix("-legacy")
    machine("sh", "-c", f"echo FLANNELD_FIREWALL={kind} >>/etc/default/flanneld")
    if filter != kind:
        machine("update-alternatives", "--set", "iptables", f"/usr/sbin/{filter}")
    machine("systemctl", "start", "flanneld")
    assert machine.property("flanneld", "ActiveState") == "active"
    wait_until(lambda: "packet filter in order family=IPv4 masquerade=true forward=true" in machine.log("flanneld"),
               lambda: machine.log("flanneld"))
    assert machine("journalctl", "--no-pager", "-o", "cat", "-u", "flanneld", "-p", "warning") == ""
    pid = machine.property("flanneld", "MainPID")
    status = machine("cat", f"/proc/{pid}/status")
    wanted = 1 << 12 | 1 << 13  # CAP_NET_ADMIN, CAP_NET_RAW
    assert int(re.search(r"CapEff:\s*(\w+)", status)[1], 16) == wanted
    assert re.search(r"Seccomp:\s*2", status) and re.search(r"NoNewPrivs:\s*1", status)
    assert machine("cat", "/proc/sys/net/ipv6/conf/flannel.1/accept_ra") == "0\n"
    assert machine("stat", "-c", "%a %U", "/run/flannel/subnet.env") == "644 root\n"
    machine("systemctl", "reload", "flanneld")
    wait_until(lambda: "as requested" in machine.log("flanneld"), "the reload")
    assert machine.property("flanneld", "MainPID") == pid


def entries(machine):
    said = machine("journalctl", "--no-pager", "-o", "json", "-u", "flanneld", "SYSLOG_IDENTIFIER=flanneld")
    return [json.loads(line) for line in said.splitlines()]


def started_with(machine, more_settings):
    machine("systemctl", "stop", "flanneld")
    machine("sh", "-c", f"cat >/etc/default/flanneld <<'END'\n{SETTINGS}{more_settings}END")
    machine("systemctl", "start", "flanneld", check=False)


def test_the_journal_has_each_field_of_a_line(machine):
    """Also after the daemon has given up its privileges, and also the last words of one that cannot start."""
    installed(machine)
    machine("systemctl", "start", "flanneld")

    def reloaded():
        """A line alone: a burst may be more than the queue of journald's socket holds."""
        machine("systemctl", "reload", "flanneld")
        return [entry for entry in entries(machine) if entry.get("FLANNEL_SIGNAL") == "1"]

    entry = wait_until(reloaded, lambda: machine.log("flanneld"))[0]
    assert entry["MESSAGE"].endswith(" as requested signal=1")
    assert (entry["PRIORITY"], entry["CODE_FILE"], entry["_TRANSPORT"]) == ("6", "run.cc", "journal")
    assert entry["CODE_LINE"].isdigit()
    messages = machine.log("flanneld")
    assert "flanneld starts version=" in messages and "flannel is ready" in messages
    assert "are missing here" not in messages

    started_with(machine, "FLANNELD_HEALTHZ_IP=192.0.2.77\nFLANNELD_HEALTHZ_PORT=81\n")
    last = wait_until(lambda: [entry for entry in entries(machine) if entry["PRIORITY"] == "3"], "the last words")[0]
    assert "192.0.2.77" in last["MESSAGE"]

    started_with(machine, "FLANNELD_LOG_FORMAT=json\n")
    said = wait_until(lambda: [entry["MESSAGE"] for entry in entries(machine) if entry["MESSAGE"].startswith("{")],
                      lambda: machine.log("flanneld"))
    assert json.loads(said[0])["message"] == "flanneld starts"


def test_a_reload_takes_the_settings(machine):
    """Within the sandbox of the unit, after the daemon has given up its privileges."""
    installed(machine)
    machine("systemctl", "start", "flanneld")
    pid = machine.property("flanneld", "MainPID")

    def reload(text):
        machine("sh", "-c", f"cat >/etc/default/new <<'END'\n{text}END\n"
                "chmod 600 /etc/default/new; mv /etc/default/new /etc/default/flanneld")
        machine("systemctl", "reload", "flanneld")

    def masquerading(word):
        wait_until(lambda: f"FLANNEL_IPMASQ={word}\n" in machine("cat", "/run/flannel/subnet.env"),
                   lambda: machine.log("flanneld"))

    masquerading("true")
    reload(f"FLANNELD_STORE={STORE}\n")  # systemd's environment of the process still has the variable
    masquerading("false")
    reload(SETTINGS + "FLANNEL_OPTIONS=-v=2\n")
    masquerading("true")
    wait_until(lambda: "code=option-at-restart about=FLANNEL_OPTIONS" in machine.log("flanneld"),
               lambda: machine.log("flanneld"))
    assert machine.property("flanneld", "MainPID") == pid
    assert "of the environment is not used" not in machine.log("flanneld")
    machine("systemctl", "restart", "flanneld")
    assert "--v=2" in machine.log("flanneld")


def test_the_group_may_ask_and_nobody_else(machine):
    installed(machine)
    machine("systemctl", "start", "flanneld")
    said = "root flannel 660\n"
    wait_until(lambda: machine("stat", "-c", "%U %G %a", "/run/flannel/flanneld.sock") == said, "the group")

    def status(*groups):
        return machine("setpriv", "--reuid=65534", "--regid=65534", *groups, "flannelctl", "status", check=False)

    group = machine("getent", "group", "flannel").split(":")[2]
    assert ", ready" in status(f"--groups={group}")
    assert "ready" not in status("--clear-groups")


def test_a_drained_host_starts_for_its_service_manager(machine):
    installed(machine)
    machine("systemctl", "start", "flanneld")

    def ctl(*words):
        return machine("flannelctl", f"--store={STORE}", *words)

    lease = ctl("leases")
    ctl("drain")
    assert len(ctl("leases").splitlines()) == 1
    machine("systemctl", "restart", "flanneld")  # it waits for READY=1, with no lease to come
    assert machine.property("flanneld", "ActiveState") == "active"
    assert "drained since" in machine.property("flanneld", "StatusText")
    assert link(machine)
    ctl("undrain")
    assert ctl("leases").splitlines()[1].split()[0] == lease.splitlines()[1].split()[0]


def test_an_upgrade_keeps_the_data_plane_and_a_removal_leaves_nothing(machine):
    installed(machine)
    machine("systemctl", "start", "flanneld")
    device, pid = link(machine), machine.property("flanneld", "MainPID")
    env = machine("cat", "/run/flannel/subnet.env")
    machine("dpkg", "--install", "/root/next.deb")
    wait_until(lambda: machine.property("flanneld", "MainPID") not in ("0", pid), "the new process")
    wait_until(lambda: machine.property("flanneld", "ActiveState") == "active", "its readiness")
    assert link(machine) == device
    assert machine("cat", "/run/flannel/subnet.env") == env
    machine("iptables-nft", "-A", "FORWARD", "-s", "10.9.0.0/16", "-j", "ACCEPT")
    assert "removed device flannel.1" in machine("dpkg", "--remove", "flannel-cpp")
    assert marks(machine) == []
    assert "10.9.0.0/16" in machine("iptables-nft-save"), "an operator's rule"
    assert machine("pgrep", "-c", "flanneld", check=False) == "0\n"
    assert machine("ls", "/run/flannel", check=False) == ""


# Stands for upstream's flanneld in a unit of the operator's, which hides ours.
OLD_UNIT = """
[Service]
ExecStart=/opt/flanneld infinity
[Install]
WantedBy=multi-user.target
"""


def test_a_removal_leaves_the_daemon_alone_that_has_taken_over(machine):
    installed(machine)
    machine("systemctl", "start", "flanneld")
    device = link(machine)
    machine("systemctl", "stop", "flanneld")
    machine("cp", "/usr/bin/sleep", "/opt/flanneld")
    machine("sh", "-c", f"cat >/etc/systemd/system/flanneld.service <<'END'\n{OLD_UNIT}END")
    machine("systemctl", "enable", "--now", "flanneld")
    machine("sh", "-c", "for file in flannel/subnet docker_opts; do echo theirs >/run/$file.env; done")
    pid, before = machine.property("flanneld", "MainPID"), marks(machine)
    machine("dpkg", "--purge", "flannel-cpp")
    assert machine.property("flanneld", "MainPID") == pid != "0"
    assert (link(machine), marks(machine)) == (device, before)
    assert machine("cat", "/run/flannel/subnet.env", "/run/docker_opts.env") == "theirs\n" * 2
    assert machine("systemctl", "is-enabled", "flanneld") == "enabled\n"


def test_networkd_leaves_our_devices_alone(machine):
    installed(machine)
    # A file of the operator that matches all devices.
    machine("sh", "-c", "printf '[Match]\\nName=*\\n[Network]\\nDHCP=yes\\n' >/etc/systemd/network/99-all.network")
    machine("systemctl", "start", "flanneld")
    machine("systemctl", "start", "systemd-networkd")
    told = lambda name: machine("networkctl", "--no-pager", "--no-legend", "list", name).split()  # noqa: E731
    wait_until(lambda: told("eth0")[-1] not in ("pending", "initialized"), "networkd to have looked")
    for name in ("flannel-v6.1", "fl2.1", "fl2-v6.1"):
        machine("ip", "link", "add", name, "type", "vxlan", "id", "9", "dstport", str(9000 + len(name)))
    for name in ("flannel.1", "flannel-v6.1", "fl2.1", "fl2-v6.1"):
        wait_until(lambda: told(name)[-1] == "unmanaged", lambda: f"{told(name)}")
    assert told("eth0")[-1] != "unmanaged"


def test_networkmanager_leaves_our_devices_alone(machine):
    installed(machine, UDP)
    machine("systemctl", "start", "flanneld")
    vxlans = ("flannel.1", "flannel-v6.1", "fl2.1", "fl2-v6.1", "other.1")
    for vni, name in enumerate(vxlans, 1):
        machine("ip", "link", "add", name, "type", "vxlan", "id", str(vni), "dstport", "8472")
    machine("ip", "tuntap", "add", "other0", "mode", "tun")
    for number, name in enumerate((*vxlans, "other0")):
        machine("ip", "address", "add", f"10.9.{number}.1/32", "dev", name)
        machine("ip", "link", "set", name, "up")
    machine("systemctl", "start", "NetworkManager")

    def told(*names):
        return {machine("nmcli", "-g", "GENERAL.STATE", "device", "show", name, check=False).strip()
                for name in names}  # fmt: skip

    wait_until(lambda: told("other.1", "other0") == {"100 (connected (externally))"},
               lambda: f"NetworkManager to take what is not ours: {told('other.1', 'other0')}")
    assert told("flannel0", *vxlans[:-1]) == {"10 (unmanaged)"}


def test_a_restart_hands_the_packet_path_of_udp_on(machine):
    installed(machine, UDP)
    machine("systemctl", "start", "flanneld")
    device = link(machine, "flannel0")
    assert machine.property("flanneld", "NFileDescriptorStore") == "2"
    machine("systemctl", "restart", "flanneld")
    assert link(machine, "flannel0") == device
    assert "adopted=true" in machine.log("flanneld")


def test_docker_gets_the_subnet_and_never_waits_for_good(machine):
    installed(machine, config=None)
    for path, text in (("docker.service", DOCKER),
                       ("flanneld.service.d/soon.conf", "[Service]\nTimeoutStartSec=3\n")):
        machine("sh", "-c", f"mkdir -p /etc/systemd/system/{path}; rmdir /etc/systemd/system/{path};"
                f"cat >/etc/systemd/system/{path} <<'END'\n{text}END")
    machine("sh", "-c", "echo 'DOCKER_OPTS=\"--debug\"' >/etc/default/docker")
    machine("systemctl", "daemon-reload")
    machine("systemctl", "start", "--no-block", "flanneld")
    machine("systemctl", "start", "docker", timeout=60)
    wait_until(lambda: re.findall(r"^dockerd .*$", machine.log("docker"), re.M) == ["dockerd --debug"],
               lambda: machine.log("docker"))
    machine("flannelctl", f"--store={STORE}", "config", "set", VXLAN)
    wait_until(lambda: machine.property("flanneld", "ActiveState") == "active", "flanneld")
    for _ in range(2):  # the second run does not print the messages again
        machine("systemctl", "restart", "docker")
        said = wait_until(lambda: re.findall(r"dockerd (.* --mtu=1450)", machine.log("docker")), "Docker")
        env = dict(line.split("=") for line in machine("cat", "/run/flannel/subnet.env").split())
        assert said[-1] == f"--debug --bip={env['FLANNEL_SUBNET']} --ip-masq=false --mtu=1450"


# A Docker that has no network, on a socket like Docker's; it logs what is asked.
FAKE_SOCKET = """
[Socket]
ListenStream=/run/docker.sock
SocketMode=0660
SocketGroup=docker
Accept=yes
"""
FAKE_ENGINE = r"""
[Service]
StandardInput=socket
StandardError=journal
ExecStart=/bin/sh -c 'read -r method path version; echo "asked: $$method $$path" >&2; \
    printf "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n[]"; exec cat >/dev/null'
"""


def test_docker_gets_a_network_by_its_socket_and_no_options(machine):
    """The unit's daemon has neither the rights of the group docker nor those to pass over permissions."""
    machine("groupadd", "docker")
    for path, text in (("docker.service", DOCKER), ("asked.socket", FAKE_SOCKET), ("asked@.service", FAKE_ENGINE)):
        machine("sh", "-c", f"cat >/etc/systemd/system/{path} <<'END'\n{text}END")
    machine("sh", "-c", "echo 'DOCKER_OPTS=\"--debug\"' >/etc/default/docker")
    machine("systemctl", "daemon-reload")
    machine("systemctl", "start", "asked.socket")
    installed(machine)
    machine("systemctl", "start", "flanneld")
    machine("systemctl", "start", "docker")
    wait_until(lambda: re.search(r"dockerd --debug --bip=", machine.log("docker")), "Docker with --bip")
    machine("sh", "-c", "echo FLANNELD_DOCKER_NETWORK=flannel >>/etc/default/flanneld")
    machine("systemctl", "restart", "flanneld")
    asked = lambda: machine("journalctl", "--unit=asked@*", "--output=cat")  # noqa: E731
    wait_until(lambda: "asked: POST /networks/create" in asked(), lambda: asked() + machine.log("flanneld"))
    assert "CAP_DAC_OVERRIDE" not in machine.log("flanneld")
    machine("systemctl", "restart", "docker")
    wait_until(lambda: re.findall(r"^dockerd (.*)$", machine.log("docker"), re.M)[-1] == "--debug",
               lambda: machine.log("docker"))
