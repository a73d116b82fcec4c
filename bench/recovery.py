#!/usr/bin/env python3
"""How long a broker takes to serve thousands of partitions again, and what they cost it: Apache Kafka 3.9 and this project in one run.

    recovery.py [--project DIR] [--only kafka|project] [--partitions 2000] [--segments 10] [--segment-bytes 1048576] [--rounds N] [--json FILE]

For each system: a fresh ZooKeeper and broker, a topic of so many partitions, a clean stop; then many_logs.py gives each partition its segments
and the checkpoints that `kill -9` leaves. Measured from the start of the process: until the port answers, until the first partition serves and until all
do (a ListOffsets for each, with the right end); then resident memory, open files and maps, the same after one record was read from the oldest segment of
each partition, the time of a clean stop, and of the start after it. The page cache is as writing left it, unless --cold drops it (root only).
It needs what side_by_side.py needs, and room for the logs: 21 GB by default. Both systems run with their defaults but for the broker's heap of 1 GB.
"""
import argparse, json, os, signal, socket, statistics, struct, sys, time
from pathlib import Path

from many_logs import fill
from side_by_side import PROJECT, Cluster, create, rss_mb, tree, wait_port

TOPIC = "many"


def string(s):
    return struct.pack(">h", len(s)) + s.encode()


class Wire:
    """As much of Kafka's protocol as is needed to see that a partition serves."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 5)
        self.socket.settimeout(60)

    def ask(self, api, version, body):
        frame = struct.pack(">hhi", api, version, 7) + string("bench") + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        return self.read(struct.unpack(">i", self.read(4))[0])[4:]

    def read(self, n):
        data = bytearray()
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                raise OSError("closed")
            data += piece
        return bytes(data)

    def ends(self, partitions):
        """The end offsets of the partitions that answer (ListOffsets version 1)."""
        wanted = b"".join(struct.pack(">iq", p, -1) for p in partitions)
        answer = self.ask(2, 1, struct.pack(">ii", -1, 1) + string(TOPIC) + struct.pack(">i", len(partitions)) + wanted)
        at, found = 4 + 2 + len(TOPIC), {}
        for i in range(struct.unpack_from(">i", answer, at)[0]):
            p, error, _, offset = struct.unpack_from(">ihqq", answer, at + 4 + 22 * i)
            if error == 0:
                found[p] = offset
        return found

    def oldest(self, partition):
        """Fetches the first batch of a partition (Fetch version 4); the bytes of records that came."""
        body = struct.pack(">iiiib", -1, 100, 1, 1 << 20, 0) + struct.pack(">i", 1) + string(TOPIC)
        answer = self.ask(1, 4, body + struct.pack(">iiqi", 1, partition, 0, 4096))
        error, = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(TOPIC) + 4 + 4)
        if error:
            raise RuntimeError(f"fetch: error {error}")
        return len(answer)


def until_served(cluster, partitions, end, began):
    """Seconds until the first and until all partitions serve."""
    first, open_ones, deadline = None, list(range(partitions)), time.time() + 900
    wire = None
    while open_ones:
        if time.time() > deadline:
            raise RuntimeError(f"{len(open_ones)} partitions do not serve")
        try:
            wire = wire or Wire(cluster.base + 1)
            found = wire.ends(open_ones)
        except OSError:
            wire, found = None, {}
        wrong = {p: o for p, o in found.items() if o != end}
        if wrong and len(found) == len(open_ones) and first:
            raise RuntimeError(f"ends are not {end}: {list(wrong.items())[:3]}")
        if found and first is None:
            first = time.time() - began
        open_ones = [p for p in open_ones if found.get(p) != end]
        time.sleep(0.02)
    return first, time.time() - began


def cost(cluster, logs):
    """Resident memory, open files and maps of the broker."""
    pids, files, maps = cluster.pids(), 0, 0
    for p in pids:
        fds = [os.path.realpath(f"/proc/{p}/fd/{fd}") for fd in os.listdir(f"/proc/{p}/fd")]
        files += sum(path.startswith(str(logs)) for path in fds)
        maps += Path(f"/proc/{p}/maps").read_text().count(str(logs))
    return {"RSS MB": rss_mb(pids, "VmRSS"), "log files open": files, "log files mapped": maps}


def stop(cluster):
    began = time.time()
    for p in cluster.pids():
        try:
            os.kill(p, signal.SIGTERM)
        except OSError:
            pass
    cluster.procs[0].wait(600)
    return time.time() - began


def start(cluster, partitions, end):
    began = time.time()
    cluster.start(1)
    port = time.time() - began
    first, every = until_served(cluster, partitions, end, began)
    return {"port s": port, "first served s": first, "all served s": every}


def prefixed(prefix, figures):
    return {f"{prefix}: {k}": v for k, v in figures.items()}


def run(cluster, o):
    try:
        create(cluster, TOPIC, o.partitions, 1, "retention.ms=-1")
    except RuntimeError as e:
        print(f"  {e}; the broker goes on with it", file=sys.stderr)
    until_served(cluster, o.partitions, 0, time.time())
    stop(cluster)
    logs = cluster.dir / "logs-1"
    end = fill(logs, TOPIC, o.partitions, o.segments, o.segment_bytes)
    if o.cold:
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
    figures = prefixed("killed", start(cluster, o.partitions, end))
    time.sleep(2)
    figures |= prefixed("idle", cost(cluster, logs))
    wire = Wire(cluster.base + 1)
    for p in range(o.partitions):
        wire.oldest(p)
    figures |= prefixed("each read", cost(cluster, logs))
    figures["clean: stop s"] = stop(cluster)
    return figures | prefixed("clean", start(cluster, o.partitions, end)) | prefixed("clean", {"RSS MB": cost(cluster, logs)["RSS MB"]})


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--project"); a.add_argument("--only"); a.add_argument("--json"); a.add_argument("--rounds", type=int, default=1)
    a.add_argument("--partitions", type=int, default=2000); a.add_argument("--segments", type=int, default=10)
    a.add_argument("--segment-bytes", type=int, default=1 << 20); a.add_argument("--cold", action="store_true"); a.add_argument("--port", type=int, default=16500)
    o = a.parse_args()
    project = Path(o.project).resolve() if o.project else PROJECT
    systems = [o.only] if o.only else ["kafka", "project"]
    if "project" in systems and not (project / "target" / "release" / "ottla").exists():
        sys.exit(f"recovery: nothing built in {project}: type `cargo build --release` there")
    results, port = {}, o.port
    for r in range(o.rounds):
        for system in systems if r % 2 == 0 else systems[::-1]:
            port += 10
            print(f"round {r + 1} {system} …", file=sys.stderr, flush=True)
            with Cluster(system, project, 1, port) as cluster:
                for k, v in run(cluster, o).items():
                    results.setdefault(k, {}).setdefault(system, []).append(v)
    print(f"{'figure':30}{'kafka':>12}{'project':>12}{'ratio':>8}")
    for k, per in results.items():
        med = {s: statistics.median(v) for s, v in per.items()}
        ratio = f"{med['project'] / med['kafka']:.2f}" if {"kafka", "project"} <= med.keys() and med["kafka"] else ""
        cell = lambda s: f"{med[s]:12.2f}" if s in med else " " * 12
        print(f"{k:30}{cell('kafka')}{cell('project')}{ratio:>8}")
    if o.json:
        Path(o.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
