# SPDX-License-Identifier: Apache-2.0
"""What `flannelctl doctor` finds on a host."""

import json

from .flanneld import ctl
from .shell import wait_until


def store_flags(host):
    return [flag for flag in host.daemon.flags if flag.startswith(("--etcd", "--store"))]


def examine(host, *flags):
    """The checks of doctor in the namespace of a host."""
    under = getattr(host, "doctor_under", ())
    said = ctl(host, "doctor", "--json", *store_flags(host), *flags, check=False, inside=True, under=under)
    if "{" not in said:
        return [{"verdict": "wrong", "code": "no-answer", "remedy": said}]
    return json.loads(said[said.index("{") : said.rindex("}") + 1])["checks"]  # without warnings


def findings(host, *flags):
    """code -> the check, of all that is wrong."""
    return {check["code"]: check for check in examine(host, *flags) if check["verdict"] == "wrong"}


def wait_findings(host, *codes, flags=(), within=60):
    found = {}

    def are_found():
        found.clear()
        found.update(findings(host, *flags))
        return set(found) == set(codes)

    wait_until(
        are_found, lambda: f"{codes}, and not {json.dumps(examine(host, *flags), indent=1)}", within, every=0.3
    )
    assert all(check["remedy"] for check in found.values())
    return found
