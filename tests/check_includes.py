#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Walks src/ and fails on an #include in a wrong direction.

A folder of src/ is a library. The tables below list the folders that it may include, and the
folders that may include a third-party header; ARCHITECTURE.md gives the reasons.
"""

import pathlib
import re
import sys

EVERYTHING = None

# folder -> folders whose headers it may include (its own always)
MAY_INCLUDE = {
    "base": [],
    "net": ["base"],
    "loop": ["base"],
    "core": ["net", "base"],
    "plan": ["net", "base"],
    "backend": ["core", "plan", "net", "base"],
    "rules": ["core", "plan", "net", "base"],
    "trace": ["rules", "net", "base"],
    "probe": ["net", "base"],
    "kernel": ["plan", "dataplane", "probe", "loop", "net", "base"],
    "charon": ["kernel", "plan", "loop", "net", "base"],
    "filter": ["core", "kernel", "rules", "plan", "loop", "net", "base"],
    "dataplane": ["loop", "net", "base"],
    "http": ["loop", "net", "base"],
    "docker": ["core", "http", "loop", "net", "base"],
    "registry": ["core", "http", "loop", "net", "base"],
    "status": ["plan", "core", "probe", "http", "net", "base"],
    "page": ["http", "net", "base"],
    "ctl": ["core", "docker", "registry", "backend", "filter", "trace", "rules", "kernel", "plan", "http", "loop", "net", "base"],
    "daemon": EVERYTHING,
}

# folder inside a folder -> its sisters whose headers it may include; tests may include all of them
MAY_INCLUDE_SISTERS = {
    "kernel/netlink": [],
    "kernel/process": [],
    "kernel/host": ["kernel/netlink"],
    "kernel/ports": ["kernel/netlink", "kernel/host"],
    "kernel/objects": ["kernel/netlink", "kernel/host"],
    "kernel/monitor": ["kernel/netlink", "kernel/objects"],
}

# header, as a regular expression -> the folders that may include it
THIRD_PARTY = {
    r"spdlog/": ["base"],
    r"tl/": ["base"],
    r"absl/container/btree_(map|set)\.h$": ["core", "daemon", "plan", "probe"],
    r"(grpc|grpcpp|google/protobuf)/": ["registry/etcd3"],
    r".*\.(pb|grpc\.pb)\.h$": ["registry/etcd3"],
    r"sqlite3\.h$": ["registry/sqlite"],
    r"httplib\.h$": ["http"],
    r"re2/": ["plan"],
    r"nlohmann/": ["base", "core", "docker", "registry", "status", "trace", "ctl"],
    r"prometheus/": ["status"],
    r"zlib\.h$": ["base"],
    r"seccomp\.h$": ["kernel"],
    r"(linux|asm)/": ["kernel", "filter"],
}

# Linux headers outside kernel/ and filter/ need a comment with the reason on the same line.
LINUX_WITH_REASON = ["loop", "dataplane"]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]\s*(//.*)?$')


def inside(path, folders):
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def third_party_complaint(folder, header, comment):
    for pattern, homes in THIRD_PARTY.items():
        if not re.match(pattern, header) or inside(folder, homes):
            continue
        if header.startswith(("linux/", "asm/")) and inside(folder, LINUX_WITH_REASON):
            return None if comment else "needs its reason in a comment on the line"
        return f"belongs to {' and '.join(homes)} only"
    return None


def is_test(path):
    return path.stem.endswith(("_test", "_fuzz"))


def sister_complaint(path, header):
    """Why `path` may not include a header of the same top folder; None if it may."""
    folder, target = str(path.parent), str(pathlib.PurePosixPath(header).parent)
    if path.parts[0] in (folder, target) and any(
        known.startswith(path.parts[0] + "/") for known in MAY_INCLUDE_SISTERS
    ):
        return f"{path.parts[0]}/ has folders for its subjects"
    allowed = MAY_INCLUDE_SISTERS.get(folder)
    if allowed is None or is_test(path) or target == folder or target in allowed:
        return None
    return f"{folder}/ may include {', '.join(allowed) or 'no sister folder'}"


def complaint(path, header, comment, is_ours):
    """Why the file `path` (relative to src/) may not include `header`; None if it may."""
    folder = str(path.parent)
    top = path.parts[0]
    if top not in MAY_INCLUDE:
        return f"{top}/ is not in the table of tests/check_includes.py"
    target = header.split("/")[0]
    if is_ours and target in MAY_INCLUDE:
        allowed = MAY_INCLUDE[top]
        if target == top:
            return sister_complaint(path, header)
        if allowed is EVERYTHING or target in allowed:
            return None
        return f"{top}/ may include {', '.join(allowed) or 'no other folder'}"
    if is_ours and target == "support":
        return None if is_test(path) else "is for tests"
    return third_party_complaint(folder, header, comment)


def check(src):
    found = []
    files = sorted(p for p in src.rglob("*") if p.suffix in (".h", ".cc"))
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            path = file.relative_to(src)
            why = complaint(path, match[2], match[3], match[1] == '"')
            if why:
                found.append(f"src/{path}:{number}: {match[2]}: {why}")
    return files, found


def main():
    src = pathlib.Path(__file__).resolve().parent.parent / "src"
    files, found = check(src)
    for line in found:
        print(line)
    print(f"{len(files)} files, {len(found)} includes in a wrong direction")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
