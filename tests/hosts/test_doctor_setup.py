# SPDX-License-Identifier: Apache-2.0
"""`flannelctl doctor` names what is set up wrong on a host: Docker, networkd, files, passwords."""

import json

import pytest

from lab.cluster import Cluster
from lab.doctor import store_flags, wait_findings
from lab.flanneld import REPOSITORY, binary
from lab.overlay import subnet


def test_a_bridge_of_docker_with_another_subnet_is_named(lab):
    cluster = Cluster(lab, "etcd", "vxlan").start()
    one, _two = cluster.hosts
    one.ns.ip_all("link add docker0 type bridge\naddr add 172.17.0.1/16 dev docker0\nlink set docker0 up\n")
    found = wait_findings(one, "bridge-elsewhere")
    assert f"outside of this host's subnet {subnet(one)}" in found["bridge-elsewhere"]["text"]


# The network namespace, and a /run and a /sys of its own: networkd takes a host without udev for a container.
UNDER_NETWORKD = """
mount -t tmpfs tmpfs /run
umount -l /sys
mount -t sysfs -o ro sysfs /sys
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp /run/systemd/network
chown -R systemd-network /run/systemd/netif
cp "$1" /run/systemd/network/
shift
/lib/systemd/systemd-networkd >/dev/null 2>&1 &
until grep -q ADMIN_STATE=$1 /run/systemd/netif/links/$2 2>/dev/null; do sleep 0.05; done
shift 2
"$@" 2>&1
kill $!
"""


@pytest.mark.parametrize("is_wide", [True, False])
def test_networkd_that_takes_our_device_is_named(lab, is_wide):
    cluster = Cluster(lab, "etcd", "vxlan").start(containers=True)
    one, _two = cluster.hosts
    wide = one.folder / "99-wide.network"
    wide.write_text("[Match]\nName=flannel*\n[Network]\nLinkLocalAddressing=no\nKeepConfiguration=yes\n")
    index = one.ns.ask("link", "show", "flannel.1")[0]["ifindex"]
    file, state = (wide, "configured") if is_wide else (REPOSITORY / "dist" / "70-flannel.network", "unmanaged")
    said = one.ns.run("unshare", "--mount", "--propagation", "private", "timeout", "150", "sh", "-c", UNDER_NETWORKD, "sh",
                      file, state, index, binary("flannelctl"), "doctor", "--json", *store_flags(one),
                      f"--control-socket={one.daemon.control_socket}", check=False)  # fmt: skip
    checks = json.loads(said[said.index("{") : said.rindex("}") + 1])["checks"]
    found = [check for check in checks if check.get("code") == "device-managed"]
    assert bool(found) is is_wide, checks
    if is_wide:
        assert "systemd-networkd configures flannel.1 by /run/systemd/network/99-wide.network" in found[0]["text"]
        assert "10-flannel.1.network" in found[0]["remedy"]


def test_a_folder_that_takes_no_subnet_file_is_named(lab):
    cluster = Cluster(lab, "etcd", "vxlan")
    one, _two = cluster.hosts
    one.daemon.flags.append("--subnet-file=/proc/subnet.env")
    cluster.store.set_config(cluster.config)
    for host in cluster.hosts:
        host.daemon.start()
    found = wait_findings(one, "subnet-file-unwritable")
    assert "/proc/subnet.env" in found["subnet-file-unwritable"]["text"]
    assert "--subnet-file" in found["subnet-file-unwritable"]["remedy"]


def test_a_password_that_the_store_refuses_is_named(lab):
    cluster = Cluster(lab, "etcd", "vxlan")
    cluster.start()
    one, _two = cluster.hosts
    etcd = cluster.store
    etcd.etcdctl("user", "add", "root:hunter2")
    etcd.etcdctl("auth", "enable")
    one.daemon.kill9()  # streams that are open stay so
    one.daemon.start()
    found = wait_findings(one, "store-away")
    assert "user name is empty" in found["store-away"]["text"]
