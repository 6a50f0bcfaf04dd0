#!/usr/bin/env python3
"""mongoark beside mongodump and mongorestore, on one server in one run.

    benches/side_by_side.py --source URI --target URI --db NAME [--rounds N] [--mongoark PATH] [--out DIR] [ROW ...]

Dumps database NAME of the source with each program in turn (A B A B ..), restores it into the target, which must
hold nothing of that name that is wanted, and prints a table of medians and their ratios. Each run is a process of its own;
its CPU and peak memory are those the kernel reports for it. mongodump and mongorestore are those on PATH, zstd and
openssl too. Rows: D1 D2 R1 R2 for the native commands, D3 D4 D5 P1 P2 for mongoark under the tools' names (P1 and P2 are R1 and R2 by its
mongorestore), R4 for many small collections (database NAME should then hold such); without any, all but R4. Nothing is asserted. Needs
Python 3 alone.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def measure(command):
    """Runs a shell pipeline; wall seconds, CPU seconds and the peak RSS of its largest process in MB."""
    start = time.monotonic()
    child = subprocess.Popen(["bash", "-o", "pipefail", "-c", command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    noise = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit("failed: %s\n%s" % (command, noise.decode(errors="replace")[-2000:]))
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def size_mb(path):
    """A file's size, or that of all files in a folder, in MB."""
    if os.path.isfile(path):
        return os.path.getsize(path) / 1e6
    return sum(os.path.getsize(os.path.join(folder, f)) for folder, _, files in os.walk(path) for f in files) / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--source", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--db", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mongoark", default="target/release/mongoark")
    parser.add_argument("--out", help="where archives go (default: a temporary folder)")
    a = parser.parse_args()
    for tool in ("mongodump", "mongorestore", "zstd", "openssl"):
        if not shutil.which(tool):
            sys.exit("%s is not on PATH" % tool)
    with tempfile.TemporaryDirectory(dir=a.out) as folder:
        Bench(a, folder).run()


class Bench:
    def __init__(self, a, folder):
        self.a, self.folder = a, folder
        self.key = os.path.join(folder, "key")
        subprocess.run([a.mongoark, "--quiet", "key", "generate", self.key], check=True)
        self.path = lambda name: os.path.join(folder, name)

    def contenders(self):
        a, p, key = self.a, self.path, self.key
        dump = "mongodump --quiet --uri '%s' --db %s" % (a.source, a.db)
        ours = "%s --quiet dump --uri '%s' --db %s --key-file %s --overwrite %s" % (
            a.mongoark, a.source, a.db, key, p("ours.mongoark"))
        pipe = "%s --archive | zstd -q -T0 -1 | openssl enc -aes-256-ctr -pbkdf2 -pass file:%s > %s" % (dump, key, p("pipe"))
        restore = "%s --quiet restore --uri '%s' --key-file %s --existing drop %s" % (a.mongoark, a.target, key, p("ours.mongoark"))
        peer = "mongorestore --quiet --uri '%s' --drop --archive=%s" % (a.target, p("plain"))
        tool = lambda command: "%s %s" % (a.mongoark, command)  # mongoark mongodump ..., mongoark mongorestore ...
        archive, folder, packed = "%s --archive=%s", "%s --out=%s", "%s --gzip --archive=%s"
        return {
            "D1": ("dump, zstd, encrypted, to a file", ours, "mongoark", p("ours.mongoark"),
                   "%s --gzip --archive=%s" % (dump, p("gzip")), "mongodump --gzip --archive", p("gzip")),
            "D2": ("the same", ours, "mongoark", p("ours.mongoark"), pipe, "mongodump, zstd -1, openssl in a pipe", p("pipe")),
            "R1": ("restore, defaults", restore, "mongoark", None, peer, "mongorestore", None),
            "R2": ("restore, defaults", restore, "mongoark", None,
                   peer + " --numInsertionWorkersPerCollection 4", "mongorestore, 4 workers", None),
            "D3": ("--archive", tool(archive % (dump, p("a1"))), "mongoark mongodump", p("a1"),
                   archive % (dump, p("a2")), "mongodump", p("a2")),
            "D4": ("--out", tool(folder % (dump, p("o1"))), "mongoark mongodump", p("o1"),
                   folder % (dump, p("o2")), "mongodump", p("o2")),
            "D5": ("--gzip --archive", tool(packed % (dump, p("g1"))), "mongoark mongodump", p("g1"),
                   packed % (dump, p("g2")), "mongodump", p("g2")),
            "P1": ("--archive, defaults", tool(peer), "mongoark mongorestore", None, peer, "mongorestore", None),
            "P2": ("--archive, defaults", tool(peer), "mongoark mongorestore", None,
                   peer + " --numInsertionWorkersPerCollection 4", "mongorestore, 4 workers", None),
            "R4": ("restore, defaults", restore, "mongoark", None, peer, "mongorestore", None),
        }

    def run(self):
        rows = self.a.rows or ["D1", "D2", "D3", "D4", "D5", "R1", "R2", "P1", "P2"]
        if any(row[0] in "RP" for row in rows):
            measure("mongodump --quiet --uri '%s' --db %s --archive=%s" % (self.a.source, self.a.db, self.path("plain")))
            measure(self.contenders()["D1"][1])
        print(subprocess.run([self.a.mongoark, "--version"], capture_output=True, text=True).stdout.strip(), "beside",
              subprocess.run(["mongodump", "--version"], capture_output=True, text=True).stdout.splitlines()[0],
              "- %d cores, medians of %d rounds" % (os.cpu_count(), self.a.rounds))
        print("| row | work | program | wall s | client CPU s | RSS MB | output MB |")
        print("|---|---|---|---|---|---|---|")
        for row in rows:
            self.row(row, *self.contenders()[row])

    def row(self, name, work, ours, our_name, our_file, theirs, their_name, their_file):
        runs = ([], [])
        for _ in range(self.a.rounds):
            runs[0].append(measure(ours))
            runs[1].append(measure(theirs))
        medians = [[statistics.median(column) for column in zip(*side)] for side in runs]
        sizes = [size_mb(f) if f else None for f in (our_file, their_file)]
        for program, m, size in zip((our_name, their_name), medians, sizes):
            print("| %s | %s | %s | %.2f | %.1f | %.0f | %s |" % (name, work, program, *m, "%.0f" % size if size else "-"))
        size = " %.2fx" % (sizes[0] / sizes[1]) if sizes[0] else " -"
        print("| %s | | ratio | **%.2fx faster** | %.2fx | %.2fx |%s |" % (
            name, medians[1][0] / medians[0][0], medians[0][1] / medians[1][1], medians[0][2] / medians[1][2], size))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
