# SPDX-License-Identifier: Apache-2.0
"""mk-docker-opts.sh -6: the options for IPv6."""

import pytest

from docker_opts import BIP, IPMASQ, MTU, SAMPLE, combined, read_by_systemd

SAMPLE6 = {**SAMPLE, "FLANNEL_IPV6_NETWORK": "fd00:12::/56", "FLANNEL_IPV6_SUBNET": "fd00:12:0:1::1/64"}
FIXED = "--fixed-cidr-v6=fd00:12:0:1::1/64"


def test_without_the_option_for_ipv6_its_subnet_is_not_even_read(host):
    host.flannel({**SAMPLE6, "FLANNEL_IPV6_SUBNET": "$(touch ran)"})
    assert host.opts() == BIP + IPMASQ + MTU + combined()


def test_docker_gets_the_ipv6_subnet_and_masquerades_for_it(host):
    host.flannel(SAMPLE6)
    assert host.opts("-6") == (
        BIP
        + 'DOCKER_OPT_EXPERIMENTAL="--experimental"\n'
        + f'DOCKER_OPT_FIXED_CIDR_V6="{FIXED}"\n'
        + 'DOCKER_OPT_IP6TABLES="--ip6tables"\n'
        + IPMASQ
        + 'DOCKER_OPT_IPV6="--ipv6"\n'
        + MTU
        + combined(options=f"--bip=10.1.74.1/24 --experimental {FIXED} --ip6tables --ip-masq=true --ipv6 --mtu=1472")
    )


@pytest.mark.parametrize("words, ipmasq, masq", [(["-6"], "true", " --ip-masq=false"), (["-6", "-m"], "false", "")])
def test_where_docker_does_not_masquerade_it_needs_no_ip6tables(host, words, ipmasq, masq):
    host.flannel({**SAMPLE6, "FLANNEL_IPMASQ": ipmasq})
    assert host.opts("-c", *words) == combined(options=f"--bip=10.1.74.1/24 {FIXED}{masq} --ipv6 --mtu=1472")


def test_without_an_ipv6_subnet_the_option_for_it_changes_nothing(host):
    assert host.opts("-6") == BIP + IPMASQ + MTU + combined()


def test_a_second_run_replaces_the_ipv6_subnet(host):
    host.flannel(SAMPLE6)
    first = host.opts("-6", "-c", DOCKER_OPTS="--debug")
    host.flannel({**SAMPLE6, "FLANNEL_IPV6_SUBNET": "fd00:12:0:9::1/64"})
    second = host.opts("-6", "-c", **read_by_systemd(first))
    assert second == first.replace("12:0:1:", "12:0:9:")


@pytest.mark.parametrize("subnet", [
    "::1/64", "fd00::/8", "1:2:3:4:5:6:7:8/64", "FD00:12::1/128", "1:2:3:4:5:6:7::/112"])
def test_an_ipv6_subnet_of_any_form_is_taken(host, subnet):
    host.flannel({**SAMPLE6, "FLANNEL_IPV6_SUBNET": subnet})
    assert f"--fixed-cidr-v6={subnet} " in host.opts("-6", "-c")


@pytest.mark.parametrize("subnet", [
    "10.1.74.1/24", "fd00::1", "fd00::1/129", "fd00::1/", "fd00::1/064", "fd00:::1/64", "fd00::1::/64",
    ":fd00::1/64", "fd00::1:/64", "12345::/64", "1:2:3:4:5:6:7/64", "1:2:3:4:5:6:7:8:9/64",
    "1:2:3:4:5:6:7::8/64", "fd00::1/64 --privileged", "fd00::g/64", "fd00::1/64/64"])
def test_an_ipv6_subnet_that_is_none_is_refused(host, subnet):
    host.flannel({**SAMPLE6, "FLANNEL_IPV6_SUBNET": f"'{subnet}'"})
    assert f"subnet.env: FLANNEL_IPV6_SUBNET='{subnet}': " in host.refusal("-6")
