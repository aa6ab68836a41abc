# SPDX-License-Identifier: Apache-2.0
"""The manuals and completions have every flag and command of the programs, and no other."""

import os
import pathlib
import re
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("FLANNEL_BIN_DIR") or REPOSITORY / "build/release/bin")
MANUALS = REPOSITORY / "docs" / "man"
COMPLETIONS = REPOSITORY / "dist" / "completions"
PROGRAMS = ["flanneld", "flannelctl"]


def output(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, **options)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def flags_of(program):
    """name -> its default in the usage, or ''."""
    usage = output(BIN / program, "--help")
    found = re.findall(r"^  --([a-z0-9_-]+)[^\n]*\n +([^\n]*)", usage, re.M)
    return {name: "".join(re.findall(r'\(default "?(.*?)"?\)$', text)) for name, text in found}


def commands():
    said = output(BIN / "flannelctl", "help").split("\n\n")[1].split("\n")[1:]
    return [re.match(r"  ([a-z]+(?: [a-z]+)?)", line)[1].strip() for line in said]


def page(name):
    text = (MANUALS / f"{name}.8").read_text(encoding="ascii")
    return text.replace("\\-", "-").replace("\\(aq", "'")


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_manual_lists_the_flags_that_the_program_has(program):
    listed = set(re.findall(r"--([a-z0-9_][a-z0-9_-]*)", page(program)))
    assert listed - {"help"} == set(flags_of(program))


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_manual_has_the_defaults_that_the_program_has(program):
    text = page(program)
    for name, default in flags_of(program).items():
        if default and f"\n.BI --{name} " in text:
            about = text.split(f"\n.BI --{name} ", 1)[1].split("\n.TP", 1)[0]
            assert default in about, f"--{name} is {default} by default"


def test_the_manual_lists_the_commands_that_there_are():
    section = page("flannelctl").split(".SH COMMANDS")[1].split(".SH")[0]
    listed = re.findall(r'^\.B[RI]? "?([a-z]+(?: [a-z]+)?) ?"?(?: [^a-z].*)?$', section, re.M)
    assert sorted(listed) == sorted(commands())


@pytest.mark.parametrize("manual", ["flanneld", "flannelctl", "mk-docker-opts"])
def test_the_manual_is_well_formed(manual):
    output("mandoc", "-T", "lint", "-W", "warning", MANUALS / f"{manual}.8")


# ---- completions, run by the shells

BASH = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
_flannel "$1" "${COMP_WORDS[COMP_CWORD]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""

# The completions are printed instead of offered.
ZSH = """
compadd() { local w; for w in "$@"; [[ $w == -- ]] || print -r -- $w }
_describe() { local a=$argv[-1] w; for w in ${(P)a}; print -r -- ${w%%:*} }
_files() { print -r -- FILES }
compset() { PREFIX=${PREFIX#*=} }
words=("$@[2,-1]") CURRENT=$(($# - 1)) PREFIX=$argv[-1]
source $1
"""


class Shell:
    def __init__(self, name):
        self.name = name
        self.env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}

    def offers(self, *words):
        """The completions of the last of `words`."""
        if self.name == "bash":
            said = output("bash", "-c", BASH, "bash", COMPLETIONS / "flannel.bash", *words, env=self.env)
        elif self.name == "zsh":
            said = output("zsh", "-fc", ZSH, "zsh", COMPLETIONS / "_flannel", *words, env=self.env)
        else:
            script = f"source {COMPLETIONS / words[0]}.fish; complete --do-complete '{' '.join(words)}'"
            said = output("fish", "--no-config", "-c", script, env=self.env)
        return {line.split("\t")[0] for line in said.split("\n") if line}


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request):
    return Shell(request.param)


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_flag_is_offered(shell, program):
    offered = {word.rstrip("=") for word in shell.offers(program, "--")}
    assert offered == {f"--{name}" for name in flags_of(program)}


def test_every_command_is_offered_word_by_word(shell):
    names = commands()
    assert shell.offers("flannelctl", "") == {name.split()[0] for name in names}
    second = {name.split()[1] for name in names if name.startswith("config ")}
    assert shell.offers("flannelctl", "config", "") == second


def test_backends_of_cleanup_are_offered(shell):
    split = ["--backend", "=", ""] if shell.name == "bash" else ["--backend="]
    offered = {word.split("=")[-1] for word in shell.offers("flannelctl", "cleanup", *split)}
    assert offered == {"all", "udp", "vxlan", "ipip", "host-gw", "wireguard", "ipsec"}
