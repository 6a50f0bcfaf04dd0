#!/usr/bin/env python3
"""A nightly job as operators write it: dump a server, count what was dumped, restore it into another one.

    nightly_dump.py SOURCE_PORT TARGET_PORT FOLDER

Prints what it counted as one JSON object. It knows nothing of mongoark: it calls mongodump and mongorestore, finds
them on PATH, and reads their log as it has always done.
"""
import json
import re
import subprocess
import sys

# 2026-01-31T02:00:00.000+0000<TAB>done dumping `shop.orders` (1200 documents)
STAMP = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d{4}\t"
DUMPED = re.compile(STAMP + r"done dumping `(.+)` \((\d+) documents?\)$")
RESTORED = re.compile(STAMP + r"finished restoring `(.+)` \((\d+) documents?, (\d+) failures?\)$")
TOTAL = re.compile(STAMP + r"(\d+) document\(s\) restored successfully\. (\d+) document\(s\) failed to restore\.$")


def run(command):
    """The log of a tool that must succeed."""
    done = subprocess.run(command, check=True, stderr=subprocess.PIPE, text=True)
    return done.stderr.splitlines()


def matches(pattern, log):
    return [found.groups() for found in map(pattern.match, log) if found]


def main():
    source, target, folder = sys.argv[1:]
    try:
        dump = run(["mongodump", "--host=localhost", f"--port={source}", f"--out={folder}"])
        restore = run(["mongorestore", "--host=localhost", f"--port={target}", "--drop", folder])
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd[0]} failed with exit code {error.returncode}:\n{error.stderr}", file=sys.stderr)
        return 1
    total = [[int(n) for n in found] for found in matches(TOTAL, restore)]
    print(json.dumps({
        "dumped": {name: int(count) for name, count in matches(DUMPED, dump)},
        "restored": {name: [int(count), int(failures)] for name, count, failures in matches(RESTORED, restore)},
        "total": total,
    }))
    return 0


if __name__ == "__main__":
    sys.exit(main())
