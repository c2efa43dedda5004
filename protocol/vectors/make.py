#!/usr/bin/env python3
"""Writes the golden vectors beside this file; `--check` only compares them with what is there.

The bytes come from wire.py, which follows the specification and knows nothing of the Swift sources.
"""

import json
import pathlib
import struct
import sys

import wire
from rejected import REJECTED

HERE = pathlib.Path(__file__).resolve().parent

PLAIN = {"bodyText": "{}"}
KOREAN = {
    "priority": 9, "correlationId": "라우팅-17", "contentType": "application/json", "taskType": "EspritGenerationCommand",
    "group": "routing-17", "dedupKey": "승인/17/3", "delayMs": 1500, "ttlMs": 86400000,
    "headers": [{"name": "작성자", "value": "김철수"}, {"name": "empty", "value": ""}],
    "bodyText": "{\"이름\":\"축 가공\"}",
}
LZ4_TEXT = b"spindle " * 8
LZ4_BLOCK = bytes([0x8F]) + b"spindle " + struct.pack("<H", 8) + bytes([32]) + bytes([0x50]) + LZ4_TEXT[59:]
assert wire.lz4_expand(LZ4_BLOCK, len(LZ4_TEXT)) == LZ4_TEXT
COMPRESSED = {"flags": ["lz4"], "expandedBytes": len(LZ4_TEXT), "bodyHex": LZ4_BLOCK.hex()}
EMPTY = {"priority": 0, "bodyText": ""}
BINARY = {"contentType": "application/octet-stream", "bodyHex": "00ff80fe0a0d"}

POLICY = {
    "leaseMs": 30000, "leaseMsMax": 43200000, "attemptsMax": 5, "backoffKind": 1, "backoffInitialMs": 1000, "backoffCapMs": 300000,
    "backoffJitterPercent": 20, "deadLetterQueue": "esprit-gen.dead", "delayMs": 0, "ttlMs": 0, "lengthMax": 1000000,
    "bytesMax": 1099511627776, "dedupWindowMs": 600000, "orderedGroups": 1, "concurrencyMax": 4, "concurrencyPerGroupMax": 1,
    "ratePerSecondMax": 100, "priorities": 1, "resultRetentionMs": 3600000,
}
TOKEN = {"id": "0x10000000020", "epoch": 1}


def failure(name, retry_after=0, message="", radius=None, **more):
    code = wire.CODES[name]
    _, own, retryable = wire.ERRORS[code]
    radius = radius or ("request" if own == "item" else own)
    return {"code": code, "name": name, "blastRadius": radius, "retryable": retryable, "retryAfterMs": retry_after, "message": message, **more}


CONNECTION = [
    ("hello", "HELLO", "request", {"versionMin": 1, "versionMax": 1, "capabilities": ["lz4"], "clientName": "esprit-addin",
     "clientVersion": "4.2.0", "labels": [{"name": "host", "value": "cam-03"}, {"name": "현장", "value": "2공장"}]}),
    ("hello without anything optional", "HELLO", "request", {"versionMin": 1, "versionMax": 7, "capabilities": [], "clientName": "",
     "clientVersion": "", "labels": []}),
    ("hello accepted", "HELLO", "reply", {"version": 1, "capabilities": ["lz4"], "frameBytesMax": 4194304, "inFlightMax": 8192,
     "heartbeatMs": 15000, "serverId": "0123456789abcdeffedcba9876543210", "serverName": "spindle-1", "serverVersion": "1.0.0",
     "opcodes": [{"opcode": "PUBLISH", "min": 1, "max": 1}, {"opcode": "LEASE", "min": 1, "max": 2}]}),
    ("hello refused", "HELLO", "error", failure("UNSUPPORTED_VERSION", message="versions 2 to 3 were offered, 1 is spoken here",
     acceptedVersions={"min": 1, "max": 1})),
    ("hello expected", "PUBLISH", "error", failure("HELLO_REQUIRED", message="say HELLO first")),
    ("auth by token", "AUTH", "request", {"method": "token", "credential": "spt_9f86d081884c7d659a2feaa0c55ad015"}),
    ("auth by certificate", "AUTH", "request", {"method": "clientCertificate", "credential": ""}),
    ("auth accepted", "AUTH", "reply", {"principal": "esprit-addin"}),
    ("auth refused", "AUTH", "error", failure("AUTHENTICATION_FAILED", message="this token is not known")),
    ("ping", "PING", "request", {}),
    ("ping answered", "PING", "reply", {}),
    ("going away", "GOING_AWAY", "push", {"graceMs": 20000, "reason": "점검"}),
]

MESSAGES = [
    ("publish one", "PUBLISH", "request", {"producerId": "0x0", "firstSequence": 0, "queue": "esprit-gen", "records": [PLAIN]}),
    ("publish a batch", "PUBLISH", "request", {"producerId": "0xf123456789abcdef", "firstSequence": 4294967296, "queue": "file-ingest",
     "records": [KOREAN, COMPRESSED, EMPTY]}),
    ("stored", "PUBLISH", "reply", {"runs": [{"status": 0, "count": 3, "firstId": "0x10000000020"}]}),
    ("stored, duplicate and refused", "PUBLISH", "reply", {"runs": [{"status": 0, "count": 2, "firstId": "0x7f00000000000040"},
     {"status": 1, "count": 1, "firstId": "0x20"}, {"status": wire.CODES["RECORD_CORRUPT"], "count": 1, "firstId": "0x0"}]}),
    ("publish refused", "PUBLISH", "error", failure("NO_SPACE", 2000, "the disk is nearly full: acks are taken, publishes are not")),
    ("publish too old to tell", "PUBLISH", "reply", {"runs": [{"status": wire.CODES["SEQUENCE_OUT_OF_ORDER"], "count": 2, "firstId": "0x0"}]}),
    ("lease", "LEASE", "request", {"queue": "esprit-gen", "messagesMax": 16, "bytesMax": 1048576, "leaseMs": 0, "waitMs": 20000}),
    ("leased", "LEASE", "reply", {"leaseMs": 30000, "messages": [
        {"id": "0x10000000020", "epoch": 1, "attempt": 1, "storedAtMs": 1780000000123, "record": PLAIN},
        {"id": "0x10000000040", "epoch": 7, "attempt": 3, "storedAtMs": 1780000000456, "record": KOREAN}]}),
    ("nothing came", "LEASE", "reply", {"leaseMs": 30000, "messages": []}),
    ("leased from a dead-letter queue", "LEASE", "reply", {"leaseMs": 30000, "messages": [
        {"id": "0x10000000080", "epoch": 1, "attempt": 1, "storedAtMs": 1780000900000, "record": BINARY}],
        "deadLetters": [{"itemIndex": 0, "originQueue": "file-ingest", "reason": "attempts used up", "deadAtMs": 1780000900000, "attempts": [
            {"number": 1, "leasedAtMs": 1780000000000, "endedAtMs": 1780000001000, "holder": "worker-1", "outcome": "nacked", "reason": "디스크 오류"},
            {"number": 2, "leasedAtMs": 1780000002000, "endedAtMs": 1780000032000, "holder": "worker-2", "outcome": "expired", "reason": ""},
            {"number": 3, "leasedAtMs": 1780000040000, "endedAtMs": 1780000041000, "holder": "worker-2", "outcome": "disconnected", "reason": ""}]}]}),
    ("lease refused", "LEASE", "error", failure("PERMISSION_DENIED", message="'web' may not lease 'esprit-gen'")),
    ("ack", "ACK", "request", {"tokens": [TOKEN, {"id": "0xffffffffffffffff", "epoch": 4294967295}]}),
    ("acked, one lease lost", "ACK", "reply", {"runs": [{"status": 0, "count": 1}, {"status": wire.CODES["LEASE_LOST"], "count": 1}]}),
    ("nack", "NACK", "request", {"items": [
        {**TOKEN, "disposition": "retry", "delayMs": None, "reason": "W:\\ is not there"},
        {**TOKEN, "disposition": "dead", "delayMs": 0, "reason": "taskType 없음"},
        {**TOKEN, "disposition": "release", "delayMs": 5000, "reason": ""}]}),
    ("nacked", "NACK", "reply", {"runs": [{"status": 0, "count": 3}]}),
    ("extend", "EXTEND", "request", {"leaseMs": 60000, "items": [
        {**TOKEN, "percent": 42, "note": "roughing 3/7"}, {"id": "0x40", "epoch": 2, "percent": None, "note": ""}]}),
    ("extended, one cancelled", "EXTEND", "reply", {"leaseMs": 60000, "items": [
        {"status": 0, "cancelled": True}, {"status": wire.CODES["LEASE_LOST"], "cancelled": False}]}),
    ("settle", "SETTLE", "request", {"acks": [TOKEN], "nacks": [{"id": "0x40", "epoch": 2, "disposition": "retry", "delayMs": 250, "reason": "later"}],
     "groups": [{"kind": "queue", "name": "addin-result", "records": [PLAIN, EMPTY]}, {"kind": "topic", "name": "addin.job.updated", "records": [PLAIN]}]}),
    ("settle acks alone", "SETTLE", "request", {"acks": [TOKEN], "nacks": [], "groups": []}),
    ("settled", "SETTLE", "reply", {"firstIds": ["0x10000000100", "0x10000000180"]}),
    ("settle refused", "SETTLE", "error", failure("LEASE_LOST", message="the lease of message 40 is lost: nothing of this was done")),
]

QUEUES = [
    ("declare with everything", "DECLARE", "request", {"queue": "esprit-gen", "policy": POLICY}),
    ("declare with defaults", "DECLARE", "request", {"queue": "missingParts", "policy": {}}),
    ("declare without dead letters", "DECLARE", "request", {"queue": "storage-retry", "policy": {"deadLetterQueue": "", "attemptsMax": 0}}),
    ("created", "DECLARE", "reply", {"outcome": "created"}),
    ("unchanged", "DECLARE", "reply", {"outcome": "unchanged"}),
    ("changed", "DECLARE", "reply", {"outcome": "changed"}),
    ("declare refused", "DECLARE", "error", failure("INVALID_ARGUMENT", message="the lease is longer than the longest lease")),
    ("stats", "STATS", "request", {"pattern": "esprit-*", "after": "", "max": 100}),
    ("figures", "STATS", "reply", {"queues": [{"name": "esprit-gen", **{name: 10 + i for i, name in enumerate(wire.STATS)},
     "policy": {"leaseMs": 30000, "deadLetterQueue": "esprit-gen.dead"}}], "moreFollow": True}),
    ("no figures", "STATS", "reply", {"queues": [], "moreFollow": False}),
    ("not in this version", "BROWSE", "error", failure("UNSUPPORTED", message="BROWSE is not answered by this version")),
]

TOPICS = [
    ("publish an event", "TOPIC_PUBLISH", "request", {"producerId": "0x11", "firstSequence": 1, "topic": "routing.approval.changed", "records": [KOREAN]}),
    ("event stored", "TOPIC_PUBLISH", "reply", {"epoch": "0x123456789abcdef", "runs": [{"status": 0, "count": 1, "firstId": "0x10000000200"}]}),
    ("subscribe to what comes", "TOPIC_SUBSCRIBE", "request", {"subscriptionId": 1, "pattern": "addin.job.*,notification.alert", "from": "latest", "credit": 256}),
    ("subscribe from the beginning", "TOPIC_SUBSCRIBE", "request", {"subscriptionId": 2, "pattern": "*", "from": "earliest", "credit": 1}),
    ("subscribe behind a cursor", "TOPIC_SUBSCRIBE", "request", {"subscriptionId": 4294967295, "pattern": "conv.12", "from": "after",
     "cursor": "123456789abcdef:10000000200", "credit": 64}),
    ("subscribed", "TOPIC_SUBSCRIBE", "reply", {"cursor": "123456789abcdef:10000000200"}),
    ("subscribe refused", "TOPIC_SUBSCRIBE", "error", failure("PERMISSION_DENIED", message="'addin' may not subscribe to '*'")),
    ("credit", "TOPIC_CREDIT", "request", {"subscriptionId": 1, "more": 128}),
    ("unsubscribe", "TOPIC_UNSUBSCRIBE", "request", {"subscriptionId": 1}),
    ("unsubscribed", "TOPIC_UNSUBSCRIBE", "reply", {}),
    ("events", "TOPIC_EVENTS", "push", {"subscriptionId": 1, "epoch": "0x123456789abcdef", "events": [
        {"offset": "0x10000000200", "storedAtMs": 1780000000123, "topic": "addin.job.created", "record": PLAIN},
        {"offset": "0x10000000300", "storedAtMs": 1780000000124, "topic": "addin.job.updated", "record": COMPRESSED}]}),
    ("gap", "TOPIC_GAP", "push", {"subscriptionId": 1, "cursor": "123456789abcdef:10000000000", "reason": "보존 기간이 지났습니다"}),
]

ERRORS = [
    (f"error {name}", "STATS", "error", failure(name, 250 if retryable else 0, f"{name} in a sentence"))
    for code, (name, _, retryable) in wire.ERRORS.items() if name != "UNSUPPORTED_VERSION"
]

RECORDS = [
    ("plain", PLAIN), ("empty", EMPTY), ("every header, Korean", KOREAN), ("LZ4", COMPRESSED), ("binary body", BINARY),
    ("several user headers of one name", {"headers": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}], "bodyText": "x"}),
]


def vectors(list):
    whole = []
    for name, opcode, direction, meaning in list:
        frame = wire.frame(opcode, direction, wire.body(opcode, direction, meaning))
        whole.append({"name": name, "opcode": opcode, "direction": direction, "hex": frame.hex, "meaning": meaning})
    return whole


def files():
    yield "connection.json", vectors(CONNECTION)
    yield "messages.json", vectors(MESSAGES)
    yield "queues.json", vectors(QUEUES)
    yield "topics.json", vectors(TOPICS)
    yield "errors.json", vectors(ERRORS)
    yield "records.json", [{"name": name, "hex": wire.record(meaning).hex, "meaning": meaning} for name, meaning in RECORDS]
    yield "rejected.json", REJECTED


def main():
    check = sys.argv[1:] == ["--check"]
    stale = []
    for name, content in files():
        text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        path = HERE / name
        if check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(f"not what make.py writes: {', '.join(stale)}. Run python3 protocol/vectors/make.py and look at the difference.")


main()
