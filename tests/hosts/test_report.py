# SPDX-License-Identifier: Apache-2.0
"""flannelctl makes an archive for a bug report, without secrets.

    h1 ─ eth0 ──┬── lan ──┬── eth0 ─ h2
              store
"""

import json
import os
import stat
import tarfile

import pytest

from lab.cluster import Cluster
from lab.flanneld import binary
from lab.overlay import subnet
from lab.shell import run

SECRETS = ("psk-not-to-be-seen", "word-not-to-be-seen", "token-not-to-be-seen")


@pytest.fixture
def cluster(lab):
    made = Cluster(lab, flags=["--etcd-username=u", f"--etcd-password={SECRETS[1]}", "-v=4"])
    made.config["Backend"]["PSK"] = SECRETS[0]
    return made.start()


def report(host, store_flags, file, *flags):
    """(what flannelctl prints, the texts of the files in the archive by name)"""
    said = host.ns.run("env", "FLANNELD_ETCD_USERNAME=u", f"FLANNELD_ETCD_PASSWORD={SECRETS[1]}", f"CONSUL_HTTP_TOKEN={SECRETS[2]}",
                       binary("flannelctl"), *store_flags, "report", *flags, f"--output={file}",
                       f"--control-socket={host.daemon.control_socket}")  # fmt: skip
    with tarfile.open(file) as archive:
        assert all(entry.isreg() and entry.mode == 0o600 for entry in archive)
        return said, {os.path.basename(entry.name): archive.extractfile(entry).read().decode() for entry in archive}


def test_a_report_has_what_a_developer_asks_for_and_no_secret(cluster, tmp_path):
    one, two = cluster.hosts
    said, files = report(one, cluster.store.flags(), tmp_path / "report.tar.gz")
    assert stat.S_IMODE(os.stat(tmp_path / "report.tar.gz").st_mode) == 0o600
    assert os.listdir(tmp_path) == ["report.tar.gz"]
    for name, text in files.items():
        assert name in said
        for secret in SECRETS:
            assert secret not in text, name
    assert json.loads(files["status.json"])["ready"] is True
    options = json.loads(files["options.json"])["options"]
    assert options["--etcd-password"] == ["(hidden)"] and options["--subnet-file"] == [str(one.daemon.subnet_file)]
    assert json.loads(files["config.json"])["Backend"] == {"Type": "vxlan", "PSK": "(hidden)"}
    assert [record["value"]["PublicIP"] for record in json.loads(files["leases.json"])].count(two.address) == 1
    assert json.loads(files["peers.json"])["peers"][0]["subnets"] == [subnet(two)]
    assert json.loads(files["diff.json"])["differences"] == []
    assert json.loads(files["events.json"])["events"][0]["message"] == "flanneld starts"
    assert f"FLANNEL_SUBNET={subnet(one)[:-4]}1/24" in files["subnet.env"]
    assert "# TYPE flannel_" in files["metrics.txt"]
    assert f"addr {one.address}/24 dev eth0" in files["host.txt"]
    assert f"route {subnet(two)} via" in files["objects.txt"] and "table ip flannel-10.5" in files["rules.txt"]
    assert "net/ipv4/ip_forward = " in files["sysctls.txt"]
    assert run("tar", "-tzf", tmp_path / "report.tar.gz").count("flannel-report/") == len(files)


def test_an_anonymous_report_has_no_address_of_a_host(cluster, tmp_path):
    one, two = cluster.hosts
    _, files = report(one, cluster.store.flags(), tmp_path / "report.tar.gz", "--anonymous")
    for name, text in files.items():
        assert one.address not in text and two.address not in text, name
    (peer,) = json.loads(files["peers.json"])["peers"]
    assert peer["subnets"] == [subnet(two)], "the overlay's addresses stay"
    assert [record["value"]["PublicIP"] for record in json.loads(files["leases.json"])].count(peer["public_ip"]) == 1


def test_a_report_is_made_without_a_daemon_and_a_store(cluster, tmp_path):
    one, _ = cluster.hosts
    one.daemon.kill9()
    said, files = report(one, [f"--store=sqlite:{tmp_path}/none.db"], tmp_path / "report.tar.gz")
    assert files["status.json"].startswith("error: no flanneld answers on this host")
    assert files["config.json"].startswith("error: ") and files["leases.json"].startswith("error: ")
    assert "device flannel.1" in files["objects.txt"]
    assert "not there: no flanneld answers" in said
