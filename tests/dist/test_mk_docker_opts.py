# SPDX-License-Identifier: Apache-2.0
"""mk-docker-opts.sh: the options for Docker, from subnet.env."""

import re
import subprocess

import pytest

from docker_opts import BIP, IPMASQ, MTU, SAMPLE, combined, read_by_systemd

# ---- assertions of upstream's own test


@pytest.mark.parametrize(
    "words, wanted",
    [
        ([], BIP + IPMASQ + MTU + combined()),
        (["-i", "-c"], BIP + IPMASQ + MTU + combined()),
        (["-i"], BIP + IPMASQ + MTU),
        (["-c"], combined()),
        (["-k", "CUSTOM_KEY"], BIP + IPMASQ + MTU + combined("CUSTOM_KEY")),
        (["-m"], BIP + MTU + combined(options="--bip=10.1.74.1/24 --mtu=1472")),
    ],
)
def test_options_choose_what_is_written(host, words, wanted):
    assert host.opts(*words) == wanted


# ---- rows of the table


def test_docker_masquerades_exactly_when_flannel_does_not(host):
    host.flannel({**SAMPLE, "FLANNEL_IPMASQ": "true"})
    assert 'DOCKER_OPT_IPMASQ="--ip-masq=false"\n' in host.opts()


def test_another_word_for_ipmasq_is_refused(host):
    host.flannel({**SAMPLE, "FLANNEL_IPMASQ": "yes"})
    assert "FLANNEL_IPMASQ='yes'" in host.refusal()
    assert BIP in host.opts("-m")


@pytest.mark.parametrize("text", [None, "", "# nothing yet\n"])
def test_without_a_subnet_the_options_are_empty(host, text):
    if text is None:
        (host.folder / "subnet.env").unlink()
    else:
        host.flannel(text)
    assert host.opts() == 'DOCKER_OPTS=""\n'


def test_what_is_not_a_regular_file_is_not_read(host):
    (host.folder / "subnet.env").unlink()
    (host.folder / "subnet.env").mkdir()
    assert host.opts() == 'DOCKER_OPTS=""\n'


def test_a_value_of_the_key_in_the_environment_comes_first(host):
    assert host.opts("-c", DOCKER_OPTS="--debug") == (
        'DOCKER_OPTS="--debug  --bip=10.1.74.1/24 --ip-masq=true --mtu=1472"\n'
    )


def test_inherited_options_are_written_too_sorted_by_name(host):
    assert host.opts(DOCKER_OPT_LOG="--debug", DOCKER_OPT_A="--iptables") == (
        'DOCKER_OPT_A="--iptables"\n'
        + BIP
        + IPMASQ
        + 'DOCKER_OPT_LOG="--debug"\n'
        + MTU
        + combined(
            options="--iptables --bip=10.1.74.1/24 --ip-masq=true --debug --mtu=1472"
        )
    )


def test_options_of_the_file_are_written_too(host):
    host.flannel("DOCKER_OPT_LOG='--log-opt tag=\"$x\"'\nFLANNEL_MTU=1400\n")
    assert host.opts("-i") == (
        'DOCKER_OPT_LOG="--log-opt tag=\\"\\$x\\""\nDOCKER_OPT_MTU="--mtu=1400"\n'
    )


@pytest.mark.parametrize("words", [["-h"], ["-?"], ["-x"], ["-f"]])
def test_help_and_unknown_options_show_the_usage(host, words):
    assert "usage:" in host.refusal(*words)


# ---- where upstream's script is wrong


def test_functions_of_the_environment_leave_no_trace(host):
    function = {"BASH_FUNC_show%%": "() {  DOCKER_OPT_FAKE=1\nDOCKER_OPT_EVIL=2\n}"}
    assert host.opts("-i", **function) == BIP + IPMASQ + MTU


def test_a_value_that_looks_like_a_line_invents_no_option(host):
    assert host.opts("-i", NOTE="x\nDOCKER_OPT_EVIL=1") == BIP + IPMASQ + MTU


def test_values_with_blanks_stay_whole(host):
    assert host.opts("-i", DOCKER_OPT_A="--label a  b") == (
        'DOCKER_OPT_A="--label a  b"\n' + BIP + IPMASQ + MTU
    )


def test_values_reach_a_reader_as_they_are(host):
    value = 'a"b\\c$d`e f'
    host.opts("-i", DOCKER_OPT_A=value)
    read = subprocess.run(
        ["sh", "-c", '. ./docker_opts.env; printf %s "$DOCKER_OPT_A"'],
        cwd=host.folder, capture_output=True, text=True, check=True,
    )
    assert read.stdout == value


@pytest.mark.parametrize(
    "route",
    [
        "10.1.74.0/24 via 192.0.2.7 dev eth0",
        "10.1.74.0/24 proto static metric 5 \n\tnexthop via 192.0.2.7 dev eth0 weight 1",
    ],
)
def test_a_subnet_routed_elsewhere_is_refused_before_anything_is_written(host, route):
    host.routes(f"default via 192.0.2.1 dev eth0\n{route}\n10.9.0.0/24 dev eth1\n")
    assert "Your routing table already contains the subnet: 10.1.74.0/24" in host.refusal()


@pytest.mark.parametrize(
    "route",
    [
        "10.1.74.0/24 dev docker0 proto kernel scope link src 10.1.74.1",  # our own bridge
        "110.1.74.0/24 via 192.0.2.7 dev eth0",
        "10.1.74.0/25 via 192.0.2.7 dev eth0",
        "10x1.74.0/24 via 192.0.2.7 dev eth0",
        "10.9.0.0/24 via 10.1.74.0 dev eth0",
        "10.1.74.0/24 dev docker0\n10.9.0.0/24 via 192.0.2.7 dev eth0",
    ],
)
def test_other_routes_are_no_conflict(host, route):
    host.routes(route + "\n")
    assert combined() in host.opts()


def test_the_base_of_an_odd_subnet_is_computed(host):
    host.flannel({"FLANNEL_SUBNET": "10.1.74.129/26"})
    host.routes("10.1.74.128/26 via 192.0.2.7 dev eth0\n")
    assert "10.1.74.128/26" in host.refusal()


def test_a_relative_name_without_a_slash_is_found(host):
    assert "/" not in "subnet.env"  # every test here uses this name
    assert combined() in host.opts()


def test_the_output_is_replaced_in_one_step_and_keeps_its_mode(host):
    host.output.write_text("old\n")
    host.output.chmod(0o640)
    with open(host.output) as reader:
        assert host.opts("-c") == combined()
        assert reader.read() == "old\n", "a reader saw the file change under its hands"
    assert host.output.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(host):
    (host.folder / "real.env").write_text("old\n")
    host.output.symlink_to("real.env")
    assert host.opts("-c") == combined()
    assert host.output.is_symlink()


def test_a_pipe_is_written_to(host):
    done = host.run("-c", "-d", "/dev/stdout")
    assert (done.returncode, done.stdout) == (0, combined())


@pytest.mark.parametrize("name", ["-opts.env", "-d/opts.env"])
def test_a_name_that_begins_with_a_dash_is_a_name(host, name):
    path = host.folder / name
    path.parent.mkdir(exist_ok=True)
    for _ in range(2):  # made, and replaced
        done = host.run("-c", "-d", name)
        assert (done.returncode, done.stderr, path.read_text()) == (0, "", combined())
    (host.folder / "-link").symlink_to(name)
    assert host.run("-m", "-d", "-link").returncode == 0
    assert path.read_text() == BIP + MTU + combined(options="--bip=10.1.74.1/24 --mtu=1472")


def test_a_folder_that_is_not_there_is_an_error(host):
    done = host.run("-d", "nowhere/docker.env")
    assert done.returncode == 1 and "nowhere/" in done.stderr


# ---- the file is read, not run


@pytest.mark.parametrize(
    "text, mtu",
    [
        ("FLANNEL_MTU=1400", "1400"),  # no newline at the end
        ("FLANNEL_MTU=1400\r\n", "1400"),
        ("  export FLANNEL_MTU=1400\n", "1400"),
        ('FLANNEL_MTU="1400"\n', "1400"),
        ("FLANNEL_MTU='1400' # ours\n", "1400"),
        ("FLANNEL_MTU=1400 # ours\n", "1400"),
        ("FLANNEL_MTU=1\nFLANNEL_MTU=1400\n", "1400"),
        ("#FLANNEL_MTU=1\nFLANNEL_MTU =2\nXFLANNEL_MTU=3\nFLANNEL_MTU=1400\n", "1400"),
    ],
)
def test_assignments_mean_what_they_mean_to_a_shell(host, text, mtu):
    host.flannel(text)
    assert host.opts("-i") == f'DOCKER_OPT_MTU="--mtu={mtu}"\n'


@pytest.mark.parametrize(
    "value",
    ["1400;touch ran", "$(touch ran)", "`touch ran`", '"$(touch ran)"', "1400 touch ran", '"1400',
     "'1400'5", "1400&", "\\1400", "14x"],
)
def test_what_a_shell_would_run_is_refused(host, value):
    host.flannel(f"FLANNEL_MTU={value}\n")
    assert re.search("FLANNEL_MTU", host.refusal())
    assert not (host.folder / "ran").exists()


def test_other_lines_are_not_run(host):
    host.flannel("touch ran\nPATH=/nowhere\nFLANNEL_MTU=1400\n$(touch ran)=1\n")
    assert host.opts("-i") == 'DOCKER_OPT_MTU="--mtu=1400"\n'
    assert not (host.folder / "ran").exists()


BAD_VALUES = [
    *[("FLANNEL_SUBNET", subnet) for subnet in (
        "10.1.74.1/24 --privileged", "$HOME", "x", "10.1.74.1", "10.1.74/24", "10.1.74.1/33",
        "10.1.74.256/24", "10.01.74.1/24", "10.1.74.1/24,10.1.75.1/24", "fd00::1/64", "/", "10.1.74.1/")],
    *[("FLANNEL_MTU", mtu) for mtu in (
        "0", "67", "65536", "99999999999999999999", "01450", "-1", "1450.0", "auto")],
    *[("FLANNEL_NETWORK", network) for network in (
        "10.1.0.0", "10.1/16", "x", "10.1.0.0/16,x", "fd00::/48")],
    ("FLANNEL_IPMASQ", "yes"),
]


@pytest.mark.parametrize("name, value", BAD_VALUES)
def test_a_value_that_is_none_is_refused_by_file_and_variable(host, name, value):
    host.flannel({**SAMPLE, name: f"'{value}'"})
    assert f"subnet.env: {name}='{value}': " in host.refusal()


def test_a_value_of_the_environment_is_checked_as_well(host):
    host.flannel("")
    assert "the environment: FLANNEL_MTU='9': " in host.refusal(FLANNEL_MTU="9")


def test_a_subnet_outside_of_the_network_is_refused(host):
    host.flannel({**SAMPLE, "FLANNEL_NETWORK": "10.9.0.0/16"})
    wanted = "FLANNEL_SUBNET='10.1.74.1/24': not in FLANNEL_NETWORK='10.9.0.0/16'"
    assert wanted in host.refusal()
    host.flannel({**SAMPLE, "FLANNEL_NETWORK": "10.1.74.0/25"})
    assert "not in FLANNEL_NETWORK" in host.refusal()


@pytest.mark.parametrize("network", ["10.1.0.0/16", "10.1.74.0/24", "10.9.0.0/16,10.1.0.0/16", ""])
def test_a_subnet_in_one_of_the_networks_is_taken(host, network):
    host.flannel({**SAMPLE, "FLANNEL_NETWORK": network})
    assert combined() in host.opts()


# ---- a file that was written before, read back by the unit that runs this again


@pytest.mark.parametrize("key", ["DOCKER_OPTS", "DOCKER_NETWORK_OPTIONS"])
def test_a_second_run_writes_what_the_first_one_wrote(host, key):
    words = ["-k", key]
    text = host.opts(*words)
    for _ in range(3):
        before = read_by_systemd(text)
        text = host.opts(*words, **before)
        assert text == BIP + IPMASQ + MTU + combined(key)


def test_options_of_the_operator_stay_and_are_not_doubled(host):
    text = host.opts("-c", DOCKER_OPTS="--debug --label 'a  b'")
    wanted = "DOCKER_OPTS=\"--debug --label 'a  b'  --bip=10.1.74.1/24 --ip-masq=true --mtu=1472\"\n"
    for _ in range(3):
        assert text == wanted
        text = host.opts("-c", **read_by_systemd(text))


def test_options_of_another_subnet_are_replaced_wherever_they_stand(host):
    old = "--mtu=1400 -H fd:// --bip=10.1.99.1/24 --debug --ip-masq=false"
    assert host.opts("-c", DOCKER_OPTS=old) == combined().replace('" ', '"-H fd:// --debug  ')
    host.flannel({**SAMPLE, "DOCKER_OPTS": f"'{old}'"})
    assert "10.1.99.1" not in host.opts("-c"), "in the flannel file too"


def test_an_option_that_this_run_does_not_write_stays(host):
    text = host.opts("-m", "-c", DOCKER_OPTS="--ip-masq=false --mtu=9")
    assert text == 'DOCKER_OPTS="--ip-masq=false  --bip=10.1.74.1/24 --mtu=1472"\n'
    host.flannel("")
    text = host.opts("-c", DOCKER_OPTS="--bip=192.0.2.1/24")
    assert text == 'DOCKER_OPTS="--bip=192.0.2.1/24 "\n'


@pytest.mark.parametrize("word", ["--mtu=$x", "--bip=a,b", "--mtus=9", "x--mtu=9", "--ip-masq=maybe"])
def test_words_that_only_look_like_ours_stay(host, word):
    assert f"{word}".replace("$", "\\$") in host.opts("-c", DOCKER_OPTS=f"{word}")


@pytest.mark.parametrize("key", ["a b", "1A", "", "A=B;touch ran"])
def test_a_key_that_no_variable_can_have_is_refused(host, key):
    assert "not the name of a variable" in host.refusal("-k", key)
    assert not (host.folder / "ran").exists()
