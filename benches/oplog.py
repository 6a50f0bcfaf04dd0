#!/usr/bin/env python3
"""How fast an oplog is replayed, and whether dumps and captures keep up with writers.

    benches/oplog.py --mongod PATH [--mongoark PATH] [--entries N] [--writes N] [--seconds N]

Starts two replica sets of one member in a temporary folder. Prints
  R3       a replay of N mixed entries (inserts, updates, deletes) by 'mongoark restore', from a captured slice, and by the
           mongorestore on PATH, if there is one, from the same entries as oplog.bson (majority and journal for ours)
  capture  seconds that 'mongoark oplog capture' is behind after N writes a second for some seconds
  dump     wall seconds of a dump under the same writers with and without --no-oplog
Nothing is asserted. Needs Python 3 and pymongo.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import pymongo
from bson import Timestamp
from pymongo import DeleteOne, InsertOne, UpdateOne


def start(mongod, folder, port):
    path = os.path.join(folder, str(port))
    os.mkdir(path)
    library = os.path.join(os.path.dirname(mongod), "lib")
    child = subprocess.Popen([mongod, "--dbpath", path, "--port", str(port), "--replSet", "r", "--bind_ip", "127.0.0.1",
                              "--oplogSize", "2000", "--wiredTigerCacheSizeGB", "2"],
                             stdout=subprocess.DEVNULL, env=dict(os.environ, LD_LIBRARY_PATH=library))
    client = pymongo.MongoClient("127.0.0.1", port, directConnection=True)
    client.admin.command("replSetInitiate", {"_id": "r", "members": [{"_id": 0, "host": "127.0.0.1:%d" % port}]})
    while not client.admin.command("hello").get("isWritablePrimary"):
        time.sleep(0.05)
    return child, client, "mongodb://127.0.0.1:%d" % port


def last(client):
    return list(client.local["oplog.rs"].find().sort("$natural", -1).limit(1))[0]["ts"]


def mixed(client, entries, seed=1):
    """Writes so many mixed entries."""
    rnd, done, ids = random.Random(seed), 0, 0
    while done < entries:
        batch = []
        for _ in range(min(500, entries - done)):
            kind = rnd.randrange(10)
            if kind < 4 or ids < 100:
                batch.append(InsertOne({"_id": ids, "a": ids, "s": "x" * 100}))
                ids += 1
            elif kind < 9:
                batch.append(UpdateOne({"_id": rnd.randrange(ids)}, {"$inc": {"a": 1}, "$set": {"b": rnd.random()}}))
            else:
                batch.append(DeleteOne({"_id": rnd.randrange(ids)}))
        client.load["c%d" % (done % 3)].bulk_write(batch, ordered=True)
        done += len(batch)


class Writers:
    """Small inserts at a steady rate, from a few processes' worth of threads."""

    def __init__(self, uri, rate):
        self.script = ("import pymongo,sys,time\n"
                       "c=pymongo.MongoClient(sys.argv[1],directConnection=True).load.stream\n"
                       "rate=float(sys.argv[2]);t0=time.time();n=0\n"
                       "while True:\n"
                       "    c.insert_many([{'a':n+i,'s':'y'*60} for i in range(500)],ordered=False);n+=500\n"
                       "    d=t0+n/rate-time.time()\n"
                       "    if d>0: time.sleep(d)\n")
        self.child = subprocess.Popen([sys.executable, "-c", self.script, uri, str(rate)])

    def stop(self):
        self.child.terminate()
        self.child.wait()


def run(command):
    begin = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit("failed: %s\n%s" % (" ".join(command), done.stderr[-2000:]))
    return time.monotonic() - begin, done.stderr


def capture(a, uri, out):
    command = [a.mongoark, "oplog", "capture", "--uri", uri, "--no-encryption", "--out", out, "--slice-seconds", "1", "-q"]
    return subprocess.Popen(command)


def reached(a, out):
    listed = subprocess.run([a.mongoark, "oplog", "ls", "--json", out], capture_output=True, text=True)
    ranges = json.loads(listed.stdout)["ranges"] if listed.returncode == 0 else []
    parts = max((tuple(map(int, r["end"].split(":"))) for r in ranges), default=(0, 0))
    return Timestamp(*parts)


def replay(a, folder, source, target):
    client, uri = source
    copy, copy_uri = target
    slices, archive = os.path.join(folder, "r3"), os.path.join(folder, "base")
    child = capture(a, uri, slices)
    client.load.base.insert_one({"_id": 0})
    while not os.path.isdir(slices) or reached(a, slices) < last(client):
        time.sleep(0.2)
    for c in range(3):
        client.load.create_collection("c%d" % c)
    run([a.mongoark, "dump", "--uri", uri, "--no-encryption", archive])
    mixed(client, a.entries)
    end = last(client)
    while reached(a, slices) < end:
        time.sleep(0.2)
    child.terminate()
    child.wait()
    report = os.path.join(folder, "report")
    run([a.mongoark, "restore", "--uri", copy_uri, "--oplog-dir", slices, "--report", report, archive])
    with open(report) as f:
        told = json.load(f)
    seconds = next(s["seconds"] for s in told["stages"] if s["name"] == "oplog")
    applied = told["result"]["oplog"]["applied"]
    print("R3       mongoark     %d entries in %.2f s: %.0f a second" % (applied, seconds, applied / seconds))
    same = all(client.load["c%d" % c].count_documents({}) == copy.load["c%d" % c].count_documents({}) for c in range(3))
    print("R3       the same number of documents: %s" % same)
    peer(a, folder, client, copy_uri, copy)


def peer(a, folder, client, copy_uri, copy):
    if not shutil.which("mongorestore"):
        print("R3       mongorestore is not on PATH")
        return
    copy.drop_database("load")
    for c in range(3):
        copy.load.create_collection("c%d" % c)
    dump = os.path.join(folder, "peer")
    os.mkdir(dump)
    import bson
    entries = client.local["oplog.rs"].find({"op": {"$in": ["i", "u", "d"]}, "ns": {"$regex": "^load.c"}})
    count = 0
    with open(os.path.join(dump, "oplog.bson"), "wb") as f:
        for entry in entries:
            f.write(bson.encode(entry))
            count += 1
    seconds, _ = run(["mongorestore", "--uri", copy_uri, "--oplogReplay", dump])
    print("R3       mongorestore %d entries in %.2f s: %.0f a second" % (count, seconds, count / seconds))


def keeps_up(a, folder, source):
    client, uri = source
    slices = os.path.join(folder, "lag")
    child, writers = capture(a, uri, slices), Writers(uri, a.writes)
    time.sleep(2)
    begin, begun = client.load.stream.estimated_document_count(), time.monotonic()
    time.sleep(a.seconds)
    rate = (client.load.stream.estimated_document_count() - begin) / (time.monotonic() - begun)
    writers.stop()
    end, waited = last(client), time.monotonic()
    while reached(a, slices) < end:
        time.sleep(0.05)
    print("capture  %.0f writes a second for %d s; the last slice had it all %.1f s later (slices of 1 s)"
          % (rate, a.seconds, time.monotonic() - waited))
    child.terminate()
    child.wait()


def dumps(a, folder, source):
    client, uri = source
    filler = client.data.filler
    for k in range(40):
        filler.insert_many([{"a": i, "s": "%032x" % random.getrandbits(128) * 16} for i in range(10000)])
    for writes in (0, a.writes):
        writers = Writers(uri, writes) if writes else None
        time.sleep(1)
        times = {"with": [], "without": []}
        for _ in range(5):
            for how, more in (("with", []), ("without", ["--no-oplog"])):
                out = os.path.join(folder, "dump")
                command = [a.mongoark, "dump", "--uri", uri, "--no-encryption", "--overwrite", "--db", "data", *more, out]
                times[how].append(run(command)[0])
        if writers:
            writers.stop()
        median = {how: sorted(t)[2] for how, t in times.items()}
        print("dump     under %d writes a second: %.2f s with the oplog, %.2f s without (%.2fx)"
              % (writes, median["with"], median["without"], median["with"] / median["without"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mongod", required=True)
    parser.add_argument("--mongoark", default="target/release/mongoark")
    parser.add_argument("--entries", type=int, default=30000)
    parser.add_argument("--writes", type=int, default=20000)
    parser.add_argument("--seconds", type=int, default=20)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source, client, uri = start(a.mongod, folder, 28411)
        target, copy, copy_uri = start(a.mongod, folder, 28412)
        try:
            replay(a, folder, (client, uri), (copy, copy_uri))
            target.kill()
            keeps_up(a, folder, (client, uri))
            dumps(a, folder, (client, uri))
        finally:
            for child in (source, target):
                child.kill()
                child.wait()


if __name__ == "__main__":
    main()
