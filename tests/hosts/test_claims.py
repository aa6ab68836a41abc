# SPDX-License-Identifier: Apache-2.0
"""Each daemon locks its state folder, its subnet file and its network, on its host and on others.

    h1 ─ eth0 ── lan ── eth0 ─ h2          two network namespaces of one machine
"""

from lab.cluster import Cluster
from lab.overlay import rows


def end_of(daemon):
    """(exit code, last line of the log) of a daemon that is expected to end by itself."""
    return daemon.start().wait_exit(), daemon.log().splitlines()[-1]


def test_a_second_host_with_the_state_folder_of_a_running_one_ends_and_names_the_remedy(lab):
    cluster = Cluster(lab, hosts=1).start()
    first = cluster.hosts[0].daemon
    second = lab.host().flanneld(cluster.store, f"--state-dir={first.state_dir}")
    code, said = end_of(second)
    assert code == 1
    assert f"the state folder {first.state_dir} is in use by a flanneld of another network" in said
    assert f"process {first.pid()} on " in said and said.endswith("with --state-dir=")
    first.must_run()

    first.kill9()
    second.start().wait_ready()


def test_a_second_daemon_of_a_host_shares_its_state_folder_and_nothing_else(lab):
    cluster = Cluster(lab, hosts=1).start()
    host, other = cluster.hosts[0], lab.etcd()
    first, had = host.daemon, rows(host)
    overlaps = "10.4.0.0/15 overlaps 10.5.0.0/16, the network of another flanneld of this host"
    taken = f"the subnet file {first.subnet_file} belongs to another flanneld"
    for network, port, flags, why in (
        ("10.4.0.0/15", 8082, [], overlaps),
        ("10.9.0.0/16", 8083, [f"--subnet-file={first.subnet_file}"], taken),
    ):
        other.set_config({"Network": network, "Backend": {"Type": "vxlan", "VNI": 2}})
        code, said = end_of(host.flanneld(other, *flags, healthz_port=port))
        assert code == 1 and why in said
    assert rows(host) == had
    first.must_run()

    host.flanneld(other, healthz_port=8084).start().wait_ready()
