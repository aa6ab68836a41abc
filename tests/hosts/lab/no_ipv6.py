# SPDX-License-Identifier: Apache-2.0
"""Runs a program as on a kernel without IPv6, in a network namespace without it.

    python3 no_ipv6.py PROGRAM [ARGUMENT]...       (under `ip netns exec`, whose mounts are its own)

The program's sockets of IPv6 fail with EAFNOSUPPORT, and /proc/sys/net/ipv6 is empty. The tables of the
kernel are the real ones: netlink and nftables still know IPv6.
"""

import ctypes
import errno
import os
import platform
import struct
import subprocess
import sys

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # of struct sock_filter
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
AF_INET6 = 10
# (AUDIT_ARCH_..., the number of socket(2))
SYSTEM_CALLS = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


def refuse_ipv6_sockets():
    architecture, socket_call = SYSTEM_CALLS[platform.machine()]
    program = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, 5, architecture),
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 0, 3, socket_call),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (EQUAL, 0, 1, AF_INET6),
        (RETURN, 0, 0, ERRNO | errno.EAFNOSUPPORT),
        (RETURN, 0, 0, ALLOW),
    ]
    filters = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(filters))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_SECCOMP)")


def main():
    subprocess.run(["mount", "-t", "tmpfs", "none", "/proc/sys/net/ipv6"], check=True)
    refuse_ipv6_sockets()
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
