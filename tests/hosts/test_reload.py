# SPDX-License-Identifier: Apache-2.0
"""The environment file changes, and SIGHUP makes the daemon read it again.

    h1c ── cni0 ─ h1 ─ eth0, eth1 ──┬── lan ──┬── eth0, eth1 ─ h2 ─ cni0 ── h2c
                                  store
"""

import os
import signal

import pytest

from lab.cluster import Cluster
from lab.shell import wait_until
from lab.topology import LAN
from lab.traffic import EchoStreams, answers, ping, reached, transfer_during

WORLD = f"{LAN}.254"


class Settings:
    """The environment file of one host, replaced as editors and configuration management do it."""

    def __init__(self, host):
        self.host = host
        self.path = host.folder / "default"
        host.daemon.flags.append(f"--environment-file=-{self.path}")

    def put(self, text):
        new = self.path.with_suffix(".new")
        new.write_text(text, encoding="ascii")
        new.chmod(0o600)
        os.replace(new, self.path)

    def reload(self, text=None):
        if text is not None:
            self.put(text)
        self.host.daemon.signal(signal.SIGHUP)


def troubles(host):
    status, body = host.daemon.health("/readyz")
    assert status == 200, body
    return body.strip().split("\n")[1:]


def says(host, *texts):
    """Waits until /readyz has one trouble for each text, and no other."""

    def they_are_there():
        said = troubles(host)
        return len(said) == len(texts) and all(any(text in line for line in said) for text in texts)

    wait_until(they_are_there, lambda: f"{texts}: {troubles(host)}")


def start(lab, text, store="etcd", hosts=2):
    """A cluster and the settings of its hosts, which all begin with `text`."""
    cluster = Cluster(lab, store, "vxlan", hosts=hosts, iface=None)
    settings = [Settings(host) for host in cluster.hosts]
    for each in settings:
        each.put(text)
    cluster.start(containers=True)
    return cluster, settings


def underlay(host):
    return host.daemon.status()["underlay"]["interface"]


def add_eth1(lab, cluster):
    """A second network on the same LAN."""
    for number, host in enumerate(cluster.hosts, 1):
        lab.lan.ip_all(f"link add {host.name}b type veth peer name eth1 netns {host.ns}\n"
                       f"link set {host.name}b master lan0 up\n")
        host.ns.ip_all(f"addr add 198.51.100.{number}/24 dev eth1\nlink set eth1 up\n")


@pytest.mark.parametrize("firewall", ["nftables", "iptables"])
def test_masquerading_comes_and_goes_under_traffic(lab, firewall):
    first = f"FLANNELD_FIREWALL={firewall}\n"
    cluster, (settings, _) = start(lab, first)
    one, two = cluster.hosts
    assert not answers(one.container, WORLD)
    with (
        transfer_during(one.container, two.container) as stream,
        EchoStreams(cluster, one.container, two.container) as echoes,
    ):
        for wanted in ("true", "false", "true"):
            settings.reload(f"{first}FLANNELD_IP_MASQ={wanted}\n")
            wait_until(lambda: one.daemon.subnet_env()["FLANNEL_IPMASQ"] == wanted, f"masquerading {wanted}")
            wait_until(lambda: answers(one.container, WORLD) == (wanted == "true"), f"the world: {wanted}")
            echoes.more()
        settings.reload(first)  # the variable is gone
        wait_until(lambda: not answers(one.container, WORLD), "the end of masquerading")
        echoes.more()
    assert echoes.lost() == []
    assert stream.sent == stream.received
    says(one)


def test_another_interface_takes_the_underlay_and_a_missing_one_does_not(lab):
    cluster, settings = start(lab, "FLANNELD_IFACE=eth0\n")
    one, two = cluster.hosts
    subnets = cluster.subnets()
    add_eth1(lab, cluster)
    for each in settings:
        each.reload("FLANNELD_IFACE=eth1\n")
    for number, host in enumerate(cluster.hosts, 1):
        wait_until(lambda: underlay(host) == "eth1", lambda: host.daemon.log())
        wait_until(lambda: host.daemon.status()["lease"]["public_ip"] == f"198.51.100.{number}", "the lease")
    reached(one.container, two.container)
    with EchoStreams(cluster, one.container, two.container) as echoes:
        settings[0].reload("FLANNELD_IFACE=eth9\n")
        says(one, "underlay: eth1 stays in use, another one was asked for: ")
        echoes.more()
        settings[0].reload("FLANNELD_IFACE=eth1\n")
        says(one)
        echoes.more()
    assert echoes.lost() == []
    assert "the underlay is chosen anew" in one.daemon.log()
    assert cluster.subnets() == subnets


def test_a_mistake_in_the_file_leaves_everything_as_it_is(lab):
    cluster, (settings, _) = start(lab, "FLANNELD_IP_MASQ=true\n")
    one, two = cluster.hosts
    reached(one.container, WORLD)
    with EchoStreams(cluster, one.container, two.container) as echoes:
        for text, place in (
            ("FLANNELD_IP_MASQ=false\nFLANNELD_FIREWALL=pf\n", "FLANNELD_FIREWALL ({}:2): "),
            ("FLANNELD_IP_MASQ=false\nnonsense\n", "{}:2 is not read: it has no ="),
            ("FLANNELD_IP_MASQ='false\n", "{}:1: the quote that begins here does not end"),
            ("\0" * 5000, "{}:1 is not read"),
        ):
            settings.reload(text)
            says(one, place.format(settings.path))
            ping(one.container, WORLD)
        echoes.more()
        settings.reload("FLANNELD_IP_MASQ=true\n")
        says(one)
        echoes.more()
    assert echoes.lost() == []
    one.daemon.wait_log("over: the options cannot be read")
    log = one.daemon.log()
    assert log.count("the options were read again and are not taken") == 4
    assert log.count("over: the options cannot be read") == 1


def test_without_its_file_the_daemon_has_the_defaults(lab):
    cluster, (settings,) = start(lab, "FLANNELD_IP_MASQ=true\n", store="sqlite", hosts=1)
    one = cluster.hosts[0]
    settings.path.unlink()
    settings.reload()
    wait_until(lambda: one.daemon.subnet_env()["FLANNEL_IPMASQ"] == "false", "the default")
    says(one)
    settings.reload("FLANNELD_IP_MASQ=true\n")
    wait_until(lambda: one.daemon.subnet_env()["FLANNEL_IPMASQ"] == "true", "the file again")


def test_a_file_that_must_be_there_is_missed(lab):
    cluster, (settings,) = start(lab, "FLANNELD_IP_MASQ=true\n", store="sqlite", hosts=1)
    one = cluster.hosts[0]
    one.daemon.stop()
    one.daemon.flags[-1] = f"--environment-file={settings.path}"
    one.daemon.start().wait_ready()
    settings.path.unlink()
    settings.reload()
    says(one, f"option: --environment-file: open {settings.path}: ")
    assert one.daemon.subnet_env()["FLANNEL_IPMASQ"] == "true"
    one.daemon.stop()
    assert one.daemon.start().wait_exit() == 1


def test_what_takes_a_restart_is_named_without_secrets(lab):
    secret = "FLANNELD_ETCD_USERNAME=u\nFLANNELD_ETCD_PASSWORD=s3cret{}\n"
    cluster, (settings,) = start(lab, secret.format(1), store="sqlite", hosts=1)
    one = cluster.hosts[0]
    at_start = f"changed in {settings.path}; it takes effect at the next start"
    settings.reload(secret.format(2) + "FLANNELD_FIREWALL=iptables\nFLANNEL_OPTIONS=--etcd-password=s3cret3\n")
    says(one, f"option: --etcd-password {at_start}", f"option: --firewall {at_start}",
         f"option: FLANNEL_OPTIONS {at_start}")
    settings.reload("FLANNELD_ETCD_PASSWORD='s3cret4\n")
    says(one, "the quote that begins here does not end")
    settings.reload(secret.format(1))
    says(one)
    settings.reload(secret.format(2))
    says(one, f"option: --etcd-password {at_start}")
    one.daemon.stop()
    one.daemon.start().wait_ready()
    says(one)
    log = one.daemon.log()
    began = "an option has changed that takes effect at the next start code=option-at-restart about="
    assert f"{began}--firewall" in log
    assert f"over: {began}--firewall" in log
    assert "s3cret" not in log


def test_the_verbosity_follows(lab):
    _, (settings,) = start(lab, "", store="sqlite", hosts=1)
    daemon = settings.host.daemon
    settings.reload("FLANNELD_V=4\n")
    daemon.wait_log("the options have changed")

    def is_noticed():
        # A deletion that the reload's own look at the kernel finds is no notification.
        settings.host.ns.ip("link", "del", "flannel.1", check=False)
        return "others changed the kernel" in daemon.log()

    wait_until(is_noticed, lambda: daemon.log(), every=0.5)
