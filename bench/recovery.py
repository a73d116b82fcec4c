#!/usr/bin/env python3
"""How long a broker takes to serve thousands of partitions again, and what they cost it: Apache Kafka 3.9 and this project in one run.

    recovery.py [--project DIR] [--only kafka|project] [--topics 1] [--partitions 2000] [--segments 10] [--segment-bytes 1048576]
                [--cold] [--store DIR] [--rounds N] [--json FILE]

For each system: a fresh ZooKeeper and broker, the topics made by that broker ("create"), what the empty partitions cost ("empty"), a clean stop. Then
many_logs.py gives each partition its segments and the checkpoints that `kill -9` leaves. Measured from the start of the process ("killed"): until the port
answers, until the first partition serves and until all do (ListOffsets with the right end); then memory, threads, open files and maps, CPU over ten seconds
without work, the same after one record was read from the oldest segment of each partition, the time of a clean stop, and of the start after it ("clean").
With --cold at last: a kill, the checkpoints of a kill again, the page cache dropped (/proc/sys/vm/drop_caches as root, else posix_fadvise on the logs alone),
and a start ("cold"). Before the other starts what is not flushed was read once, so that it is in the page cache for both.

The log files are written once and moved from system to system: each gets the same bytes, and the disk needs room for one copy (21 GB by default). With
--store they are left in DIR at the end and taken from there by the next run (same file system as the temporary directory, please). Both systems run with
their defaults but for the broker's heap of 1 GB. It needs what side_by_side.py needs. Kafka has a file open per segment: the limit of open files is raised
for it where the system lets us, else take fewer segments.
"""
import argparse, json, os, resource, shutil, signal, socket, struct, subprocess, sys, tempfile, time
from collections import deque
from pathlib import Path

from many_logs import add_shape, fill, shape_of, take_back
from side_by_side import Cluster, chosen, cpu_seconds, print_table, rss_mb

# Topics in one CreateTopics, partitions in one ListOffsets.
TOPICS, ASKED = 100, 500
# Of CreateTopics: the topic will be there, is there; the controller is not elected or does not know of any broker yet.
TIMED_OUT, EXISTS, NOT_CONTROLLER, NO_BROKERS = 7, 36, 41, 38
IDLE_SECONDS = 10


def string(s):
    return struct.pack(">h", len(s)) + s.encode()


class Answer:
    """Reads the fields of an answer one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values if len(values) > 1 else values[0]

    def string(self):
        length = max(self.take("h"), 0)
        self.at += length
        return self.data[self.at - length:self.at].decode()


class Wire:
    """As much of Kafka's protocol as is needed to make topics and to see that a partition serves."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.settimeout(900)

    def ask(self, api, version, body):
        frame = struct.pack(">hhi", api, version, 7) + string("bench") + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        return Answer(self.read(struct.unpack(">i", self.read(4))[0])[4:])

    def read(self, n):
        data = bytearray()
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                raise OSError("closed")
            data += piece
        return bytes(data)

    def create(self, topics):
        """Makes topics of one replica (CreateTopics version 2); returns when they have leaders, or it takes too long. False if it is too early."""
        config = struct.pack(">i", 1) + string("retention.ms") + string("-1")
        wanted = b"".join(string(t) + struct.pack(">ihi", size, 1, 0) + config for t, size in topics)
        answer = self.ask(19, 2, struct.pack(">i", len(topics)) + wanted + struct.pack(">ib", 600_000, 0))
        _, count = answer.take("ii")
        for _ in range(count):
            name, error, message = answer.string(), answer.take("h"), answer.string()
            if error in (NOT_CONTROLLER, NO_BROKERS):
                return False
            if error not in (0, TIMED_OUT, EXISTS):
                raise RuntimeError(f"{name} is not made: error {error}, {message}")
        return True

    def ends(self, partitions):
        """The end offsets of the partitions that answer (ListOffsets version 1)."""
        by_topic, found = {}, {}
        for topic, p in partitions:
            by_topic.setdefault(topic, []).append(struct.pack(">iq", p, -1))
        wanted = b"".join(string(t) + struct.pack(">i", len(ps)) + b"".join(ps) for t, ps in by_topic.items())
        answer = self.ask(2, 1, struct.pack(">ii", -1, len(by_topic)) + wanted)
        for _ in range(answer.take("i")):
            topic = answer.string()
            for _ in range(answer.take("i")):
                p, error, _, offset = answer.take("ihqq")
                if error == 0:
                    found[topic, p] = offset
        return found

    def oldest(self, topic, partition):
        """Fetches the first batch of a partition (Fetch version 4)."""
        body = struct.pack(">iiiib", -1, 100, 1, 1 << 20, 0) + struct.pack(">i", 1) + string(topic)
        answer = self.ask(1, 4, body + struct.pack(">iiqi", 1, partition, 0, 4096))
        answer.take("ii"); answer.string(); answer.take("ii")
        if error := answer.take("h"):
            raise RuntimeError(f"fetch: error {error}")


def until_served(cluster, partitions, end, began):
    """Seconds until the first and until all partitions serve. Only those that did not serve yet are asked, some at a time."""
    first, waiting, deadline = None, deque(partitions), time.time() + 1200
    wire = None
    while waiting:
        if time.time() > deadline:
            raise RuntimeError(f"{len(waiting)} partitions do not serve up to {end}: {waiting[0]} and others")
        asked = [waiting.popleft() for _ in range(min(ASKED, len(waiting)))]
        try:
            wire = wire or Wire(cluster.base + 1)
            found = wire.ends(asked)
        except OSError:
            wire, found = None, {}
        if found and first is None:
            first = time.time() - began
        left = [p for p in asked if found.get(p) != end]
        waiting.extend(left)
        if len(left) == len(asked):
            time.sleep(0.02)
    return first, time.time() - began


def cost(cluster, logs):
    """What the broker has in memory and open."""
    pids, files, maps, threads = cluster.pids(), 0, 0, 0
    for p in pids:
        fds = [os.path.realpath(f"/proc/{p}/fd/{fd}") for fd in os.listdir(f"/proc/{p}/fd")]
        files += sum(path.startswith(str(logs)) for path in fds)
        maps += Path(f"/proc/{p}/maps").read_text().count(str(logs))
        threads += len(os.listdir(f"/proc/{p}/task"))
    return {"RSS MB": rss_mb(pids, "VmRSS"), "threads": threads, "log files open": files, "log files mapped": maps}


def idle(cluster):
    before = cpu_seconds(cluster.pids())
    time.sleep(IDLE_SECONDS)
    return {"CPU %": (cpu_seconds(cluster.pids()) - before) * 100 / IDLE_SECONDS}


def signal_all(cluster, number):
    for p in cluster.pids():
        try:
            os.kill(p, number)
        except OSError:
            pass
    cluster.procs[0].wait(600)


def stop(cluster):
    began = time.time()
    signal_all(cluster, signal.SIGTERM)
    return time.time() - began


def kill(cluster):
    """Returns when ZooKeeper has noticed, too."""
    signal_all(cluster, signal.SIGKILL)
    text = "/brokers/ids/1"
    while "/brokers/ids/1" in text:
        time.sleep(0.2)
        with socket.create_connection(("127.0.0.1", cluster.base), 5) as s:
            s.sendall(b"dump")
            text = b"".join(iter(lambda: s.recv(65536), b"")).decode()


def start(cluster, partitions, end):
    began = time.time()
    cluster.start(1)
    port = time.time() - began
    first, every = until_served(cluster, partitions, end, began)
    return {"port s": port, "first served s": first, "all served s": every}


def read_unflushed(logs, partitions, last):
    for topic, p in partitions:
        (logs / f"{topic}-{p}" / f"{last:020}.log").read_bytes()


def flush(logs):
    """Nothing is written behind the back of the start that follows."""
    subprocess.run(["sync", "-f", logs], check=True)


def drop_caches(logs):
    flush(logs)
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError:
        for path in logs.rglob("*.*"):
            with open(path, "rb") as f:
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def say(what):
    print(f"  {time.strftime('%H:%M:%S')} {what} …", file=sys.stderr, flush=True)


def prefixed(prefix, figures):
    return {f"{prefix}: {k}": v for k, v in figures.items()}


def run(cluster, shape, store, cold):
    logs, partitions = cluster.dir / "logs-1", shape.names()
    say(f"making {shape.topics} topics with {shape.partitions} partitions")
    began, topics, wire = time.time(), list(shape.topic_sizes().items()), Wire(cluster.base + 1)
    for at in range(0, len(topics), TOPICS):
        while not wire.create(topics[at:at + TOPICS]):
            time.sleep(0.05)
    figures = {"create: all served s": until_served(cluster, partitions, 0, began)[1]}
    time.sleep(2)
    figures |= prefixed("empty", cost(cluster, logs) | idle(cluster))
    figures["empty: stop s"] = stop(cluster)

    say("filling the logs")
    last, end = fill(logs, shape, store)
    read_unflushed(logs, partitions, last)
    flush(logs)
    say("start after a kill")
    figures |= prefixed("killed", start(cluster, partitions, end))
    time.sleep(2)
    figures |= prefixed("idle", cost(cluster, logs) | idle(cluster))
    say("reading the oldest record of each partition")
    wire = Wire(cluster.base + 1)
    for topic, p in partitions:
        wire.oldest(topic, p)
    figures |= prefixed("each read", cost(cluster, logs))
    say("stop and start")
    figures["clean: stop s"] = stop(cluster)
    figures |= prefixed("clean", start(cluster, partitions, end)) | prefixed("clean", {"RSS MB": cost(cluster, logs)["RSS MB"]})
    if cold:
        kill(cluster)
        fill(logs, shape)
        drop_caches(logs)
        say("cold start after a kill")
        figures |= prefixed("cold", start(cluster, partitions, end))
    kill(cluster)
    take_back(logs, shape, store)
    say("done")
    return figures


def allow_files(count):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard >= count:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
    except (OSError, ValueError):
        sys.exit(f"recovery: at most {hard} files may be open, but {count} are needed: raise `ulimit -n`, or take fewer segments")


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--project"); a.add_argument("--only"); a.add_argument("--json"); a.add_argument("--rounds", type=int, default=1)
    add_shape(a); a.add_argument("--cold", action="store_true"); a.add_argument("--store"); a.add_argument("--port", type=int, default=16500)
    o = a.parse_args()
    project, systems = chosen(o)
    shape = shape_of(o)
    allow_files(shape.partitions * (shape.segments if "kafka" in systems else 1) + 1000)
    results, port = {}, o.port
    store = Path(o.store or tempfile.mkdtemp(prefix="bench-segments-"))
    store.mkdir(exist_ok=True)
    try:
        for r in range(o.rounds):
            for system in systems if r % 2 == 0 else systems[::-1]:
                port += 10
                print(f"round {r + 1} {system}", file=sys.stderr, flush=True)
                with Cluster(system, project, 1, port) as cluster:
                    for k, v in run(cluster, shape, store, o.cold).items():
                        results.setdefault(k, {}).setdefault(system, []).append(v)
    finally:
        if not o.store:
            shutil.rmtree(store, ignore_errors=True)
    print_table({"figure": 30}, [((k,), per) for k, per in results.items()])
    if o.json:
        Path(o.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
