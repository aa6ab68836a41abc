# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus reads the metrics of three hosts, and its alerts fire.

    h1, h2, h3 ─ eth0 ── lan ── prometheus, etcd
"""

import json
import re
import subprocess

import pytest

from lab.cluster import Cluster
from lab.flanneld import REPOSITORY
from lab.shell import run, wait_until
from lab.topology import LAN

MONITORING = REPOSITORY / "dist/monitoring"
PORT = 9090


def families(text):
    """name -> (type, help) of a page of metrics."""
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.M))
    return {name: (kind, helps[name]) for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)}


def documented():
    text = (REPOSITORY / "docs/metrics.md").read_text(encoding="utf-8")
    return {name: (kind, meaning) for name, kind, meaning in
            re.findall(r"^\| `(flannel_\w+)` \| (\w+) \| (.*) \|$", text, re.M)}


def page(host):
    return host.daemon.health("/metrics")[1]


def test_the_metrics_are_those_of_the_document_and_well_formed(lab):
    cluster = Cluster(lab, "etcd", "udp").start()
    wait_until(lambda: 'flannel_peers{state="up"} 1' in page(cluster.hosts[0]), lambda: page(cluster.hosts[0]))
    text = page(cluster.hosts[0])
    assert families(text) == documented()
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    values = dict(re.findall(r"^(\S+) (\S+)$", text, re.M))
    assert values["flannel_ready"] == values["flannel_store_connected"] == values["flannel_lease_held"] == "1"
    assert values['flannel_peers{state="up"}'] == "1" and values['flannel_problems{severity="error"}'] == "0"
    wait_until(lambda: 'flannel_probe_paths{state="ok"} 1' in page(cluster.hosts[0]), lambda: page(cluster.hosts[0]))
    probed = dict(re.findall(r"^(\S+) (\S+)$", page(cluster.hosts[0]), re.M))
    assert 0 < int(probed["flannel_probe_rtt_seconds_count"]) <= int(probed["flannel_probes_sent_total"])
    assert probed['flannel_probe_rtt_seconds_bucket{le="+Inf"}'] == probed["flannel_probe_rtt_seconds_count"]
    assert 86000 < float(values["flannel_lease_remaining_seconds"]) <= 86400


class Prometheus:
    """Scrapes the hosts each second; its alerts fire at once."""

    def __init__(self, lab, hosts):
        self.ns = lab.lan
        folder = lab.folder / "prometheus"
        folder.mkdir()
        rules = (MONITORING / "flannel.rules.yml").read_text(encoding="utf-8")
        (folder / "flannel.rules.yml").write_text(re.sub(r"(?m)^(\s+for:) \S+$", r"\1 1s", rules))
        targets = [f"{host.address}:{host.daemon.healthz_port}" for host in hosts]
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
            f"rule_files: [{folder}/flannel.rules.yml]\n"
            "scrape_configs:\n"
            f"  - {{job_name: flannel, static_configs: [{{targets: {json.dumps(targets)}}}]}}\n"
        )
        self._process = self.ns.start(
            "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={LAN}.254:{PORT}",
            stdout=open(folder / "log", "wb"), stderr=subprocess.STDOUT,
        )  # fmt: skip

    def ask(self, path):
        said = self.ns.run("curl", "-sf", f"http://{LAN}.254:{PORT}/api/v1/{path}", check=False)
        return json.loads(said)["data"] if said else None

    def up(self):
        return {row["metric"]["instance"].split(":")[0]: row["value"][1]
                for row in (self.ask("query?query=up") or {"result": []})["result"]}

    def firing(self):
        return {(alert["labels"]["alertname"], alert["labels"]["instance"].split(":")[0])
                for alert in (self.ask("alerts") or {"alerts": []})["alerts"] if alert["state"] == "firing"}

    def stop(self):
        self._process.kill()
        self._process.wait()


@pytest.fixture
def watched(lab):
    cluster = Cluster(lab, "etcd", "vxlan", hosts=3).start()
    prometheus = Prometheus(lab, cluster.hosts)
    try:
        wait_until(lambda: list(prometheus.up().values()) == ["1"] * 3, "three hosts to be scraped")
        yield cluster, prometheus
    finally:
        prometheus.stop()


def test_an_alert_fires_for_the_host_that_breaks(watched):
    cluster, prometheus = watched
    one, two, three = cluster.hosts
    wait_until(lambda: prometheus.firing() == set(), lambda: str(prometheus.firing()))
    two.daemon.kill9()
    cluster.store.put_lease("10.5.70.0-24", "nonsense")
    wanted = {("FlannelDown", two.address)}
    wanted |= {("FlannelRecordsQuarantined", host.address) for host in (one, three)}
    # A record that is not used is a problem of each host that runs.
    allowed = wanted | {("FlannelProblems", host.address) for host in (one, three)}
    wait_until(lambda: wanted <= prometheus.firing() <= allowed, lambda: str(prometheus.firing()))
    two.daemon.start().wait_ready()
    cluster.store.delete_lease("10.5.70.0-24")
    wait_until(lambda: prometheus.firing() == set(), lambda: str(prometheus.firing()))


def test_the_store_is_away_and_the_rules_say_so(watched):
    cluster, prometheus = watched
    cluster.store.stop()
    wanted = {("FlannelStoreAway", host.address) for host in cluster.hosts}
    wait_until(lambda: wanted <= prometheus.firing(), lambda: str(prometheus.firing()))


def test_the_rules_pass_their_tests():
    assert "SUCCESS" in run("promtool", "test", "rules", MONITORING / "flannel.rules.test.yml")


def test_the_dashboard_asks_for_metrics_that_exist():
    board = json.loads((MONITORING / "flannel.dashboard.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    names = {name for expr in asked for name in re.findall(r"flannel_\w+", expr)}
    assert names and names <= set(documented())
