# SPDX-License-Identifier: Apache-2.0
"""The program as seen by the service manager, the operator and probes: one host, one store."""

import json
import subprocess

import pytest

from lab import CommandFailed, binary, flannelctl, leases_of, run, wait_until
from lab.cluster import Cluster
from lab.overlay import lease_key, rows, subnet
from lab.traffic import ping


def end_of(host, store, *flags, **options):
    """(exit code, log) of a daemon that is expected to end by itself."""
    daemon = host.flanneld(store, *flags, **options).start()
    return daemon.wait_exit(), daemon.log()


# ---- the log


PASSWORD = ["--etcd-username=u", "--etcd-password=not-to-be-seen"]


def test_a_log_of_json_has_an_object_on_each_line_and_no_password(lab):
    cluster = Cluster(lab, hosts=1, flags=["--log-format=json", "-v=4", *PASSWORD]).start()
    one = cluster.hosts[0]
    one.daemon.wait_log('"message":"Subnet added"')  # the store's own news come after the daemon is ready
    log = one.daemon.log()
    log = log[: log.rindex("\n")]  # a line may be half written
    lines = [json.loads(line) for line in log.splitlines()]
    assert all(list(line) == ["time", "level", "message", "source", "fields"] for line in lines)
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    start = next(line for line in lines if line["message"] == "flanneld starts")
    assert "--log-format=json" in start["fields"]["given"] and start["source"].startswith("run.cc:")
    taken = [line for line in lines if line["fields"].get("subnet") == subnet(one)]
    assert taken and "not-to-be-seen" not in log


# ---- ends


def test_sigterm_ends_with_0_and_leaves_the_data_plane_in_place(lab):
    cluster = Cluster(lab).start(containers=True)
    one, two = cluster.hosts
    had, env = rows(one), one.daemon.subnet_env()
    assert one.daemon.stop() == 0
    assert rows(one) == had and one.daemon.subnet_env() == env
    assert len(leases_of(cluster.store)) == 2
    ping(one.container, two.container)
    ping(two.container, one.container)


def test_sigterm_ends_with_0_while_waiting_for_the_configuration(lab):
    host = lab.host()
    host.flanneld(lab.sqlite()).start().wait_log("config")
    assert host.daemon.stop() == 0


def test_sigterm_ends_with_0_while_waiting_for_the_store(lab):
    etcd, host = lab.etcd(running=False), lab.host()
    host.flanneld(etcd).start().wait_log("store away")
    assert host.daemon.stop() == 0


@pytest.mark.parametrize(
    "flag, named",
    [
        ("--no-such-flag", "no-such-flag"),
        ("--subnet-lease-renew-margin=1440", "renew-margin"),
        ("--subnet-lease-renew-margin=much", "renew-margin"),
        ("--store=paper", "paper"),
        ("--iface=nosuch0", "nosuch0"),
        ("--public-ip=nonsense", "nonsense"),
    ],
)
def test_what_cannot_work_ends_with_a_failure_that_names_it(lab, flag, named):
    store = lab.sqlite()
    store.set_config({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}})
    code, log = end_of(lab.host(), store, flag, iface=None)
    assert code > 0
    assert named in log


def test_a_second_daemon_with_the_network_or_device_of_a_running_one_ends_and_names_it(lab):
    """The second daemon has the same prefix, then another network with the same flannel.1."""
    cluster = Cluster(lab).start()
    first, had = cluster.hosts[0].daemon, rows(cluster.hosts[0])
    other = lab.etcd()
    other.set_config({"Network": "10.9.0.0/16", "Backend": {"Type": "vxlan"}})
    ports = iter((8082, 8083))
    for store, taken in ((cluster.store, "10.5.0.0/16"), (other, "flannel.1")):
        code, log = end_of(cluster.hosts[0], store, healthz_port=next(ports))
        assert code == 1
        assert f"{taken} belongs to another flanneld of this host, process {first.pid()}" in log
    assert rows(cluster.hosts[0]) == had
    first.must_run()


def test_a_backend_that_cannot_be_is_named_and_waited_for_to_be_mended(lab):
    etcd, host = lab.etcd(), lab.host()
    etcd.set_config({"Network": "10.5.0.0/16", "Backend": {"Type": "pigeon"}})
    host.flanneld(etcd).start().wait_log("code=config-invalid")
    assert "pigeon" in host.daemon.log()
    etcd.set_config({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}})
    host.daemon.wait_ready()


@pytest.mark.parametrize("backend", ["vxlan", "host-gw", "udp"])
def test_without_the_right_to_program_the_kernel_it_ends_and_names_it_first(lab, backend):
    etcd, host = lab.etcd(), lab.host()
    etcd.set_config({"Network": "10.5.0.0/16", "Backend": {"Type": backend}})
    flags = host.flanneld(etcd, "--ip-masq").flags
    words = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", binary("flanneld")]
    process = host.ns.start(
        *words, *flags, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    log, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    complaints = [line for line in log.splitlines() if line[:1] in "WE"]
    assert "CAP_NET_ADMIN is missing" in complaints[0], log
    assert "--cap-add NET_ADMIN" in complaints[-1], log
    assert "iptables" not in " ".join(complaints), log


def test_a_health_port_that_is_taken_ends_with_a_failure_that_names_it(lab):
    host = lab.host()
    taken = host.ns.socket()
    taken.bind(("0.0.0.0", 8081))
    taken.listen()
    with taken:
        code, log = end_of(host, lab.sqlite())
    assert code > 0 and "8081" in log and "--healthz-port takes another" in log


def test_version_and_help_end_with_0():
    assert run(binary("flanneld"), "--help") is not None
    run(binary("flanneld"), "--version")
    run(binary("flannelctl"), "--help")


# ---- log, health pages and notifications


def test_the_service_manager_is_notified_after_the_subnet_file_is_written(lab):
    cluster = Cluster(lab, hosts=1)
    daemon = cluster.hosts[0].daemon.start()
    daemon.wait_log("config")
    assert "READY=1" not in daemon.told()
    cluster.store.set_config(cluster.config)
    daemon.wait_ready()
    assert list(daemon.subnet_env()) == [
        "FLANNEL_NETWORK", "FLANNEL_SUBNET", "FLANNEL_MTU", "FLANNEL_IPMASQ",
    ]
    assert daemon.told().count("READY=1") == 1


def test_readyz_names_the_reasons_that_the_host_is_not_ready(lab):
    cluster = Cluster(lab, hosts=1)
    daemon = cluster.hosts[0].daemon.start()
    wait_until(lambda: "config" in _try(daemon, "/readyz"), "a reason", unless=daemon.must_run)
    assert daemon.health("/readyz")[0] == 503
    assert daemon.health("/healthz")[0] == 200
    cluster.store.set_config(cluster.config)
    daemon.wait_ready()
    wait_until(lambda: daemon.health("/readyz")[0] == 200, lambda: str(daemon.health("/readyz")))
    assert daemon.health("/nothing-here")[0] == 404


def _try(daemon, path):
    try:
        return daemon.health(path)[1]
    except ConnectionError:
        return ""


# ---- flannelctl


@pytest.mark.parametrize("store", ["sqlite", "etcd"])
def test_flannelctl_shows_the_leases_that_the_daemons_took(lab, store):
    cluster = Cluster(lab, store).start()
    text = flannelctl(cluster.store, "leases")
    for host in cluster.hosts:
        line, = [line for line in text.splitlines() if subnet(host) in line]
        assert host.address in line and "vxlan" in line
    assert len(leases_of(cluster.store)) == 2


@pytest.mark.parametrize("store", ["sqlite", "etcd"])
def test_flannelctl_reads_back_the_configuration_it_set(lab, store):
    store = lab.store(store)
    config = '{"Network":"10.5.0.0/16","Backend":{"Type":"host-gw"}}'
    flannelctl(store, "config", "set", config)
    got = flannelctl(store, "config", "get")
    assert json.loads(got) == json.loads(config)


def test_flannelctl_refuses_a_configuration_that_makes_no_sense(lab):
    store = lab.sqlite()
    with pytest.raises(CommandFailed, match="10.5.0.0/31"):
        flannelctl(store, "config", "set", '{"Network":"10.5.0.0/31"}')
    with pytest.raises(CommandFailed):
        flannelctl(store, "config", "get")


def test_the_subnet_of_a_lease_names_its_key(lab):
    cluster = Cluster(lab, "etcd", hosts=1).start()
    assert list(cluster.store.lease_values()) == [lease_key(subnet(cluster.hosts[0]))]
