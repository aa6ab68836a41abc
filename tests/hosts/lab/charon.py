# SPDX-License-Identifier: Apache-2.0
"""strongSwan's charon on the hosts of the lab, which share the files of this machine: each has a /run of its own,
where the socket of charon is, and sees the programs that scripts/fetch-strongswan.sh has unpacked."""

import os
import signal
import subprocess

from .flanneld import REPOSITORY
from .namespace import pids_in
from .shell import wait_until

FOLDER = REPOSITORY / "build/strongswan"
PSK = "0123456789abcdef" * 6

# Those that the backend needs; each of the others would write a line that it is not there.
PLUGINS = "random nonce aes sha1 sha2 hmac kdf gcm openssl pem pkcs1 x509 pubkey kernel-netlink socket-default vici"

# Its log is in that of the program that starts it.
SETTINGS = f"""
charon {{
  load = {PLUGINS}
  filelog {{
    stderr {{
      default = 1
      flush_line = yes
    }}
  }}
}}
"""

# `ip netns exec` has made a mount namespace. /usr/lib/ipsec need not be there, so it is laid over /usr/lib.
MOUNTS = """
mount --bind "$0" /run
mount -t overlay -o lowerdir={folder}/usr/lib:/usr/lib overlay /usr/lib
exec "$@"
"""


def run_folder(host):
    folder = host.folder / "run"
    folder.mkdir(exist_ok=True)
    return folder


def under(host):
    """Words before a program that is to see this host's own /run and charon."""
    return ["sh", "-e", "-c", MOUNTS.format(folder=FOLDER), run_folder(host)]


def with_charon(cluster, **options):
    """Gives the hosts of a cluster charon, and its configuration a key."""
    cluster.config["Backend"] |= {"PSK": PSK, **options}
    for host in cluster.hosts:
        prepare(host)
    return cluster


def prepare(host):
    settings = run_folder(host) / "strongswan.conf"
    settings.write_text(SETTINGS)
    host.daemon.under = under(host)
    host.daemon.environment["STRONGSWAN_CONF"] = str(settings)


def start_service(host):
    """A charon of the system, which no flanneld has started; its process is returned."""
    log = open(host.folder / "charon.log", "ab")
    service = host.ns.start(
        *under(host), "/usr/lib/ipsec/charon", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        env={**os.environ, "STRONGSWAN_CONF": host.daemon.environment["STRONGSWAN_CONF"]},
    )  # fmt: skip
    log.close()
    wait_until((run_folder(host) / "charon.vici").exists, "the socket of charon")
    return service


def charons(host):
    """The process ids of charon on this host."""
    found = []
    for pid in pids_in(host.ns.name):
        try:
            with open(f"/proc/{pid}/comm", encoding="ascii") as name, open(f"/proc/{pid}/stat") as stat:
                if name.read() == "charon\n" and stat.read().rsplit(")", 1)[1].split()[0] != "Z":
                    found.append(pid)
        except FileNotFoundError:
            pass
    return found


def kill_charon(host, signum=signal.SIGKILL):
    """Ends charon, and waits until it has ended."""
    pids = charons(host)
    assert pids, f"no charon runs on {host.name}"
    for pid in pids:
        os.kill(pid, signum)
    wait_until(lambda: not set(pids) & set(charons(host)), f"charon of {host.name} to end")


def policies(host):
    """The policies of IPsec, a line for each, as `ip` shows them; without those of sockets."""
    shown = host.ns.ip("-o", "xfrm", "policy").replace("\\", " ").splitlines()
    return sorted(" ".join(line.split()) for line in shown if "socket" not in line)


def tunnels(host):
    """The ends of the security associations that the kernel has, with their SPIs."""
    shown = host.ns.ip("-o", "xfrm", "state").replace("\\", " ").splitlines()
    found = set()
    for line in shown:
        words = line.split()
        spi = words[words.index("spi") + 1]
        if spi != "0x00000000":  # one that the kernel waits for
            found.add((words[1], words[3], spi))
    return found
