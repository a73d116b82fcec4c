#!/usr/bin/env python3
"""Writes a log directory as `kill -9` leaves it: many partitions with real segments, all but the last one flushed.

    many_logs.py DIR [--topic many] [--partitions 2000] [--segments 10] [--segment-bytes 1048576]

Each partition gets its segments (record batches of 16 records of 1,000 bytes with right checksums, their indexes, producer snapshots),
a leader epoch file, and an entry in the checkpoints of recovery points (the base of the last segment: what lies behind it was not flushed) and
high watermarks. The mark of a clean stop is removed. Directories that are there keep their partition.metadata, so that a topic made by
a broker keeps its id. The content is the same in every partition, since a batch's checksum does not cover its offset; the files are not shared.
"""
import argparse, os, struct
from pathlib import Path

RECORDS, VALUE = 16, 1000
INTERVAL = 4096  # index.interval.bytes
BEGIN = 1_700_000_000_000


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


def write(path, content):
    with open(path, "wb") as f:
        f.write(content)


def fill(directory, topic="many", partitions=2000, segments=10, segment_bytes=1 << 20):
    """Writes the directory; returns the end offset of every partition."""
    directory, made, base = Path(directory), [], 0
    for _ in range(segments):
        files, end = segment(base, segment_bytes)
        made.append((base, files))
        base = end
    active = made[-1][0]
    snapshot = struct.pack(">hIi", 1, crc32c(struct.pack(">i", 0)), 0)
    for p in range(partitions):
        d = directory / f"{topic}-{p}"
        d.mkdir(parents=True, exist_ok=True)
        for old in d.iterdir():
            if old.name != "partition.metadata":
                old.unlink()
        for base, files in made:
            for kind, content in files.items():
                write(d / f"{base:020}.{kind}", content)
            if base:
                write(d / f"{base:020}.snapshot", snapshot)
        write(d / "leader-epoch-checkpoint", b"0\n1\n0 0\n")
    as_if_killed(directory, topic, partitions, active, end)
    return end


def as_if_killed(directory, topic, partitions, active, end):
    """What a kill leaves beside the partitions: recovery points at the last segment, high watermarks, no clean mark."""
    for name, offset in (("recovery-point-offset-checkpoint", active), ("replication-offset-checkpoint", end)):
        lines = "".join(f"{topic} {p} {offset}\n" for p in range(partitions))
        (directory / name).write_text(f"0\n{partitions}\n{lines}")
    (directory / "log-start-offset-checkpoint").write_text("0\n0\n")
    (directory / ".kafka_cleanshutdown").unlink(missing_ok=True)


if __name__ == "__main__":
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("dir"); a.add_argument("--topic", default="many"); a.add_argument("--partitions", type=int, default=2000)
    a.add_argument("--segments", type=int, default=10); a.add_argument("--segment-bytes", type=int, default=1 << 20)
    o = a.parse_args()
    print("log end:", fill(o.dir, o.topic, o.partitions, o.segments, o.segment_bytes))
