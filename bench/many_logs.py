#!/usr/bin/env python3
"""Writes a log directory as `kill -9` leaves it: many partitions with real segments, all but the last one flushed.

    many_logs.py DIR [--topics 1] [--partitions 2000] [--segments 10] [--segment-bytes 1048576] [--store]

The partitions are spread over the topics (`many`, or `many-00000` and so on). Each gets its segments (record batches of 16 records of 1,000 bytes
with right checksums, their indexes, producer snapshots), a leader epoch file, and an entry in the checkpoints of recovery points (the base of the last
segment: what lies behind it was not flushed) and high watermarks. The mark of a clean stop is removed. Directories that are there keep their
partition.metadata, so that a topic made by a broker keeps its id. The content is the same in every partition, since a batch's checksum does not cover its
offset; the files are not shared. A log file that is there already with its full size is kept, so that making a directory "killed" again takes seconds. With --store DIR gets the log files alone, for recovery.py's --store.
"""
import argparse, os, struct
from pathlib import Path
from typing import NamedTuple

RECORDS, VALUE = 16, 1000
INTERVAL = 4096  # index.interval.bytes
BEGIN = 1_700_000_000_000


class Shape(NamedTuple):
    topics: int = 1
    partitions: int = 2000
    segments: int = 10
    segment_bytes: int = 1 << 20

    def topic_sizes(self):
        """How many partitions each topic has, by its name."""
        names = ["many"] if self.topics == 1 else [f"many-{t:05}" for t in range(self.topics)]
        return {name: len(range(t, self.partitions, self.topics)) for t, name in enumerate(names)}

    def names(self):
        """Every partition as topic and number."""
        return [(topic, p) for topic, size in self.topic_sizes().items() for p in range(size)]


def crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


TABLE = crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def varint(n):
    n, out = n << 1 ^ n >> 63, b""
    while n > 0x7F:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def batch(base, timestamp):
    """A version 2 batch of RECORDS records, a millisecond apart."""
    records = b""
    for i in range(RECORDS):
        value = (f"record {base + i} ".encode() * (VALUE // 8))[:VALUE]
        body = b"\0" + varint(i) + varint(i) + varint(-1) + varint(VALUE) + value + varint(0)
        records += varint(len(body)) + body
    last = timestamp + RECORDS - 1
    checked = struct.pack(">hiqqqhii", 0, RECORDS - 1, timestamp, last, -1, -1, -1, RECORDS) + records
    return struct.pack(">qiibI", base, 9 + len(checked), 0, 2, crc32c(checked)) + checked


def segment(base, bytes_max):
    """The files of a segment by suffix, and the offset after it."""
    log, index, times, since, offset, largest = [], b"", b"", 0, base, None
    position = 0
    while True:
        one = batch(offset, BEGIN + offset)
        if position + len(one) > bytes_max:
            break
        last = offset + RECORDS - 1
        if since > INTERVAL:
            index += struct.pack(">II", last - base, position)
            times += struct.pack(">qI", BEGIN + last, last - base)
            since, largest = 0, None
        else:
            largest = struct.pack(">qI", BEGIN + last, last - base)
        log.append(one)
        position += len(one)
        since += len(one)
        offset += RECORDS
    return {"log": b"".join(log), "index": index, "timeindex": times + (largest or b"")}, offset


def put(path, content):
    with open(path, "wb") as f:
        f.write(content)


def put_log(path, content, kept):
    """A log file: the one that is there, or that `kept` has, or a new one."""
    if path.exists() and path.stat().st_size == len(content):
        return
    if kept and kept.exists():
        os.rename(kept, path)
    else:
        put(path, content)


def kept_log(store, number, base):
    return store / f"{number}-{base}.log" if store else None


def fill(directory, shape, store=None):
    """Writes the directory; returns the base of the last segment and the end offset of every partition. Log files that `store` has are moved in."""
    directory, made, base = Path(directory), [], 0
    for _ in range(shape.segments):
        files, end = segment(base, shape.segment_bytes)
        made.append((base, files))
        base = end
    last = made[-1][0]
    snapshot = struct.pack(">hIi", 1, crc32c(struct.pack(">i", 0)), 0)
    for number, (topic, p) in enumerate(shape.names()):
        d = directory / f"{topic}-{p}"
        d.mkdir(parents=True, exist_ok=True)
        small = {"leader-epoch-checkpoint": b"0\n1\n0 0\n"}
        logs = {}
        for base, files in made:
            logs[f"{base:020}.log"] = (base, files["log"])
            small |= {f"{base:020}.{kind}": content for kind, content in files.items() if kind != "log"}
            if base:
                small[f"{base:020}.snapshot"] = snapshot
        for old in os.listdir(d):
            if old not in logs and old not in small and old != "partition.metadata":
                os.unlink(d / old)
        for name, (base, content) in logs.items():
            put_log(d / name, content, kept_log(store, number, base))
        for name, content in small.items():
            put(d / name, content)
    as_if_killed(directory, shape, last, end)
    return last, end


def as_if_killed(directory, shape, last, end):
    """What a kill leaves beside the partitions: recovery points at the last segment, high watermarks, no clean mark."""
    for name, offset in (("recovery-point-offset-checkpoint", last), ("replication-offset-checkpoint", end)):
        lines = "".join(f"{topic} {p} {offset}\n" for topic, p in shape.names())
        (directory / name).write_text(f"0\n{shape.partitions}\n{lines}")
    (directory / "log-start-offset-checkpoint").write_text("0\n0\n")
    (directory / ".kafka_cleanshutdown").unlink(missing_ok=True)


def fill_store(store, shape):
    """Writes the log files alone, for `fill` to take."""
    base = 0
    Path(store).mkdir(exist_ok=True)
    for _ in range(shape.segments):
        files, end = segment(base, shape.segment_bytes)
        for number in range(shape.partitions):
            put_log(kept_log(Path(store), number, base), files["log"], None)
        base = end


def take_back(directory, shape, store):
    """Moves the log files into `store`, for the next who needs them."""
    for number, (topic, p) in enumerate(shape.names()):
        d = Path(directory) / f"{topic}-{p}"
        for name in os.listdir(d):
            if name.endswith(".log"):
                os.rename(d / name, kept_log(store, number, int(name[:-4])))


def add_shape(a):
    for field, default in Shape._field_defaults.items():
        a.add_argument(f"--{field.replace('_', '-')}", type=int, default=default)


def shape_of(o):
    return Shape(*(getattr(o, field) for field in Shape._fields))


if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("dir"); add_shape(a); a.add_argument("--store", action="store_true")
    o = a.parse_args()
    if o.store:
        fill_store(o.dir, shape_of(o))
    else:
        print("log end:", fill(o.dir, shape_of(o))[1])
