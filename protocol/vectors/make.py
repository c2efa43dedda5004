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
from tolerated import TOLERATED, TOLERATED_RECORDS

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
DAMAGED = {"standInBytes": 52}
# What a client without LZ4 gets in place of a compressed record: its headers, and as many zeros as its body has bytes.
HEADED = {**COMPRESSED, "contentType": "text/plain", "taskType": "report"}
WITHHELD = {**HEADED, "flags": ["withheld"], "bodyHex": bytes(len(LZ4_BLOCK)).hex()}
assert len(wire.record(HEADED).data) == len(wire.record(WITHHELD).data)
EMPTY = {"priority": 0, "bodyText": ""}
BINARY = {"contentType": "application/octet-stream", "bodyHex": "00ff80fe0a0d"}

POLICY = {
    "leaseMs": 30000, "leaseMaxMs": 43200000, "attemptsMax": 5, "backoffKind": 1, "backoffInitialMs": 1000, "backoffCapMs": 300000,
    "backoffJitterPercent": 20, "deadLetterQueue": "esprit-gen.dead", "delayMs": 0, "timeToLiveMs": 0, "lengthMax": 1000000,
    "bytesMax": 1099511627776, "deduplicationWindowMs": 600000, "orderedGroups": 1, "concurrency": 4, "concurrencyPerGroup": 1,
    "ratePerSecond": 100, "priorities": 1, "resultRetentionMs": 3600000, "fairGroups": 1, "ratePerSecondPerGroup": 2,
}
TOKEN = {"id": "0x10000000020", "epoch": 1}
HISTORY = {"itemIndex": 0, "originQueue": "file-ingest", "reason": "attempts used up", "deadAtMs": 1780000900000, "attempts": [
    {"number": 1, "leasedAtMs": 1780000000000, "endedAtMs": 1780000001000, "holder": "worker-1", "outcome": "nacked", "reason": "디스크 오류"},
    {"number": 2, "leasedAtMs": 1780000002000, "endedAtMs": 1780000032000, "holder": "worker-2", "outcome": "expired", "reason": ""},
    {"number": 3, "leasedAtMs": 1780000040000, "endedAtMs": 1780000041000, "holder": "worker-2", "outcome": "disconnected", "reason": ""}]}
FILTER = {
    "states": ["ready", "delayed"], "ageMsMin": 3600000, "ageMsMax": 86400000, "attemptsMin": 3, "attemptsMax": 9, "group": "routing-17",
    "headersEqual": [{"name": "taskType", "text": "EspritGenerationCommand"}, {"name": "작성자", "text": "김철수"}],
    "headersContaining": [{"name": "", "text": "foo"}, {"name": "correlationId", "text": "라우팅"}],
    "originQueue": "esprit-gen", "lastReasonContains": "W:\\", "ids": ["0x10000000020", "0xffffffffffffffff"],
}
BULK = {"job": "0x0", "queue": "esprit-gen", "target": "", "delayMs": 0, "messagesMax": 0, "ratePerSecond": 0, "reason": "", "filter": {}}


def note(first, count, text, retry_after=0):
    return {"first": first, "count": count, "retryAfterMs": retry_after, "text": text}


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
    ("hello with every capability", "HELLO", "request", {"versionMin": 1, "versionMax": 1, "capabilities": ["lz4", "settleIdentity"], "clientName": "c",
     "clientVersion": "1", "labels": []}),
    ("hello accepted", "HELLO", "reply", {"version": 1, "capabilities": ["lz4"], "frameBytesMax": 4194304, "inFlightMax": 8192,
     "heartbeatMs": 15000, "serverId": "0123456789abcdeffedcba9876543210", "serverName": "spindle-1", "serverVersion": "1.0.0",
     "opcodes": [{"opcode": "PUBLISH", "min": 1, "max": 1}, {"opcode": "LEASE", "min": 1, "max": 2}]}),
    ("hello accepted, with the output window", "HELLO", "reply", {"version": 1, "capabilities": [], "frameBytesMax": 16777216,
     "inFlightMax": 1024, "heartbeatMs": 15000, "serverId": "000102030405060708090a0b0c0d0e0f", "serverName": "s", "serverVersion": "2",
     "opcodes": [{"opcode": "PING", "min": 1, "max": 1}], "outputWindowBytes": 8388608}),
    ("hello refused", "HELLO", "error", failure("UNSUPPORTED_VERSION", message="versions 2 to 3 were offered, 1 is spoken here",
     acceptedVersions={"min": 1, "max": 1})),
    ("hello expected", "PUBLISH", "error", failure("HELLO_REQUIRED", message="say HELLO first")),
    ("auth by token", "AUTH", "request", {"method": "token", "credential": "spt_9f86d081884c7d659a2feaa0c55ad015"}),
    ("auth by certificate", "AUTH", "request", {"method": "clientCertificate", "credential": ""}),
    ("auth accepted", "AUTH", "reply", {"principal": "esprit-addin"}),
    ("auth by a mechanism", "AUTH", "request", {"method": "mechanism", "credential": "test-reverse", "dataHex": "01" + b"admin".hex()}),
    ("auth by a mechanism without bytes", "AUTH", "request", {"method": "mechanism", "credential": "a.b-c_9", "dataHex": ""}),
    ("auth challenged", "AUTH", "reply", {"principal": "", "dataHex": "010203"}),
    ("auth accepted by a mechanism", "AUTH", "reply", {"principal": "admin", "dataHex": b"ok".hex()}),
    ("auth by an unknown mechanism", "AUTH", "error", failure("AUTHENTICATION_FAILED", message="unknown mechanism 'kerberos'; this broker has none")),
    ("auth refused", "AUTH", "error", failure("AUTHENTICATION_FAILED", message="this token is not known")),
    ("ping", "PING", "request", {}),
    ("ping answered", "PING", "reply", {}),
    ("the broker's ping", "PING", "push", {}),
    ("going away", "GOING_AWAY", "push", {"graceMs": 20000, "reason": "점검"}),
    ("quiet", "QUIET", "push", {"action": "quiet", "graceMs": 0, "reason": "점검"}),
    ("resume", "QUIET", "push", {"action": "resume", "graceMs": 0, "reason": ""}),
    ("terminate", "QUIET", "push", {"action": "terminate", "graceMs": 30000, "reason": "a new version is rolled out"}),
]

MESSAGES = [
    ("publish one", "PUBLISH", "request", {"producerId": "0x0", "firstSequence": 0, "queue": "esprit-gen", "records": [PLAIN]}),
    ("publish a batch", "PUBLISH", "request", {"producerId": "0xf123456789abcdef", "firstSequence": 4294967296, "queue": "file-ingest",
     "records": [KOREAN, COMPRESSED, EMPTY]}),
    ("stored", "PUBLISH", "reply", {"runs": [{"status": 0, "count": 3, "firstId": "0x10000000020"}]}),
    ("stored, duplicate and refused", "PUBLISH", "reply", {"runs": [{"status": 0, "count": 2, "firstId": "0x7f00000000000040"},
     {"status": 1, "count": 1, "firstId": "0x20"}, {"status": wire.CODES["RECORD_CORRUPT"], "count": 1, "firstId": "0x0"}]}),
    ("publish refused", "PUBLISH", "error", failure("NO_SPACE", 2000, "the disk is nearly full: acks are taken, publishes are not")),
    ("each refusal of an item", "PUBLISH", "reply", {"runs": [{"status": wire.CODES[name], "count": 1, "firstId": "0x0"} for name in
     ("RECORD_CORRUPT", "RECORD_INVALID", "RECORD_TOO_LARGE", "QUEUE_FULL", "SEQUENCE_OUT_OF_ORDER", "RECORD_COMPRESSED")]}),
    ("duplicate of a message in the same frame", "PUBLISH", "reply", {"runs": [{"status": 0, "count": 1, "firstId": "0x10000000020"},
     {"status": 1, "count": 1, "firstId": "0x0"}]}),
    ("refused with notes", "PUBLISH", "reply", {"runs": [{"status": 0, "count": 2, "firstId": "0x20"},
     {"status": wire.CODES["RECORD_INVALID"], "count": 1, "firstId": "0x0"}, {"status": wire.CODES["QUEUE_FULL"], "count": 4, "firstId": "0x0"}],
     "notes": [note(2, 1, "priority 10: 0 to 9 are allowed"), note(3, 4, "대기열이 가득 찼습니다", 1000)]}),
    ("publish too old to tell", "PUBLISH", "reply", {"runs": [{"status": wire.CODES["SEQUENCE_OUT_OF_ORDER"], "count": 2, "firstId": "0x0"}]}),
    ("lease", "LEASE", "request", {"queue": "esprit-gen", "messagesMax": 16, "bytesMax": 1048576, "leaseMs": 0, "waitMs": 20000}),
    ("leased", "LEASE", "reply", {"leaseMs": 30000, "messages": [
        {"id": "0x10000000020", "epoch": 1, "attempt": 1, "storedAtMs": 1780000000123, "record": PLAIN},
        {"id": "0x10000000040", "epoch": 7, "attempt": 3, "storedAtMs": 1780000000456, "record": KOREAN}]}),
    ("leased, one damaged", "LEASE", "reply", {"leaseMs": 30000, "messages": [
        {"id": "0x10000000020", "epoch": 1, "attempt": 1, "storedAtMs": 1780000000123, "record": PLAIN},
        {"id": "0x10000000040", "epoch": 2, "attempt": 2, "storedAtMs": 1780000000456, "record": DAMAGED},
        {"id": "0x10000000080", "epoch": 1, "attempt": 1, "storedAtMs": 1780000000789, "record": BINARY}]}),
    ("lease from several queues", "LEASE", "request", {"queue": "urgent", "messagesMax": 1, "bytesMax": 0, "leaseMs": 60000, "waitMs": 20000,
     "others": ["esprit-gen", "storage-retry"]}),
    ("leased from the second of several queues", "LEASE", "reply", {"leaseMs": 60000, "messages": [
        {"id": "0x10000000020", "epoch": 1, "attempt": 1, "storedAtMs": 1780000000123, "record": PLAIN}], "queueIndex": 1}),
    ("leased from a dead-letter queue among several", "LEASE", "reply", {"leaseMs": 30000, "messages": [
        {"id": "0x10000000080", "epoch": 1, "attempt": 1, "storedAtMs": 1780000900000, "record": BINARY}],
        "deadLetters": [HISTORY], "queueIndex": 0}),
    ("leased, one withheld from a client without LZ4", "LEASE", "reply", {"leaseMs": 30000, "messages": [
        {"id": "0x10000000020", "epoch": 1, "attempt": 1, "storedAtMs": 1780000000123, "record": PLAIN},
        {"id": "0x10000000040", "epoch": 2, "attempt": 2, "storedAtMs": 1780000000456, "record": WITHHELD},
        {"id": "0x10000000080", "epoch": 1, "attempt": 1, "storedAtMs": 1780000000789, "record": BINARY}]}),
    ("nothing came", "LEASE", "reply", {"leaseMs": 30000, "messages": []}),
    ("leased from a dead-letter queue", "LEASE", "reply", {"leaseMs": 30000, "messages": [
        {"id": "0x10000000080", "epoch": 1, "attempt": 1, "storedAtMs": 1780000900000, "record": BINARY}],
        "deadLetters": [HISTORY]}),
    ("lease refused", "LEASE", "error", failure("PERMISSION_DENIED", message="'web' may not lease 'esprit-gen'")),
    ("ack", "ACK", "request", {"tokens": [TOKEN, {"id": "0xffffffffffffffff", "epoch": 4294967295}]}),
    ("acked, one lease lost", "ACK", "reply", {"runs": [{"status": 0, "count": 1}, {"status": wire.CODES["LEASE_LOST"], "count": 1}]}),
    ("acked in part: then the disk was full", "ACK", "reply", {"runs": [{"status": 0, "count": 4096},
     {"status": wire.CODES["PERMISSION_DENIED"], "count": 1}, {"status": wire.CODES["NO_SPACE"], "count": 1000}]}),
    ("acked, one lease lost, with a note", "ACK", "reply", {"runs": [{"status": 0, "count": 1}, {"status": wire.CODES["LEASE_LOST"], "count": 1}],
     "notes": [note(1, 1, "the lease of message 40 (epoch 2) expired 1250 ms ago; it waits in 'esprit-gen'")]}),
    ("ack with results", "ACK", "request", {"tokens": [TOKEN, {"id": "0x40", "epoch": 2}, {"id": "0x80", "epoch": 3}],
     "results": [{"itemIndex": 0, "hex": b"{\"id\":17}".hex()}, {"itemIndex": 2, "hex": ""}]}),
    ("nack", "NACK", "request", {"items": [
        {**TOKEN, "disposition": "retry", "delayMs": None, "reason": "W:\\ is not there"},
        {**TOKEN, "disposition": "dead", "delayMs": 0, "reason": "taskType 없음"},
        {**TOKEN, "disposition": "release", "delayMs": 5000, "reason": ""}]}),
    ("nacked", "NACK", "reply", {"runs": [{"status": 0, "count": 3}]}),
    ("nacked in part, with a note", "NACK", "reply", {"runs": [{"status": 0, "count": 1}, {"status": wire.CODES["NO_SPACE"], "count": 2}],
     "notes": [note(1, 2, "the disk is nearly full", 1000)]}),
    ("extend", "EXTEND", "request", {"leaseMs": 60000, "items": [
        {**TOKEN, "percent": 42, "note": "roughing 3/7"}, {"id": "0x40", "epoch": 2, "percent": None, "note": ""}]}),
    ("extended, one cancelled", "EXTEND", "reply", {"leaseMs": 60000, "items": [
        {"status": 0, "cancelled": True}, {"status": wire.CODES["LEASE_LOST"], "cancelled": False},
        {"status": wire.CODES["PERMISSION_DENIED"], "cancelled": False}, {"status": wire.CODES["INVALID_ARGUMENT"], "cancelled": False}]}),
    ("extended in part, with notes", "EXTEND", "reply", {"leaseMs": 60000, "items": [
        {"status": wire.CODES["LEASE_LOST"], "cancelled": False}, {"status": 0, "cancelled": False},
        {"status": wire.CODES["INVALID_ARGUMENT"], "cancelled": False}],
        "notes": [note(0, 1, ""), note(2, 1, "a lease of 60000 ms is longer than the 1000 ms that 'a' allows")]}),
    ("settle", "SETTLE", "request", {"acks": [TOKEN], "nacks": [{"id": "0x40", "epoch": 2, "disposition": "retry", "delayMs": 250, "reason": "later"}],
     "groups": [{"kind": "queue", "name": "addin-result", "records": [PLAIN, EMPTY]}, {"kind": "topic", "name": "addin.job.updated", "records": [PLAIN]}]}),
    ("settle with a result", "SETTLE", "request", {"acks": [TOKEN], "nacks": [], "groups": [{"kind": "queue", "name": "next", "records": [PLAIN]}],
     "results": [{"itemIndex": 0, "hex": "00ff"}]}),
    ("settle that names itself", "SETTLE", "request", {"acks": [TOKEN], "nacks": [], "groups": [{"kind": "queue", "name": "next", "records": [PLAIN]}],
     "results": [{"itemIndex": 0, "hex": "00ff"}], "identity": {"settlerId": "0xf123456789abcdef", "sequence": 17, "critical": False}}),
    ("settle that must be remembered", "SETTLE", "request", {"acks": [], "nacks": [], "groups": [{"kind": "topic", "name": "t", "records": [EMPTY]}],
     "identity": {"settlerId": "0x1", "sequence": 0, "critical": True}}),
    ("settle too old to tell", "SETTLE", "error", failure("SEQUENCE_OUT_OF_ORDER", message="SETTLE 17 is too old to tell whether it was done")),
    ("settle acks alone", "SETTLE", "request", {"acks": [TOKEN], "nacks": [], "groups": []}),
    ("settled", "SETTLE", "reply", {"firstIds": ["0x10000000100", "0x10000000180"]}),
    ("settle refused", "SETTLE", "error", failure("LEASE_LOST", message="the lease of message 40 is lost: nothing of this was done")),
    ("await", "AWAIT", "request", {"queue": "esprit-gen", "ids": ["0x10000000020", "0x40"], "waitMs": 30000}),
    ("awaited", "AWAIT", "reply", {"items": [
        {"status": 0, "state": "acknowledged", "settledAtMs": 1780000000123, "resultHex": b"{\"id\":17}".hex()},
        {"status": wire.CODES["NO_SUCH_MESSAGE"], "state": "unknown", "settledAtMs": 0, "resultHex": ""},
        {"status": 0, "state": "pending", "settledAtMs": 0, "resultHex": ""},
        {"status": 0, "state": "dead", "settledAtMs": 1780000000456, "resultHex": "디스크 오류".encode("utf-8").hex()},
        {"status": 0, "state": "cancelled", "settledAtMs": 1780000000789, "resultHex": ""},
        {"status": wire.CODES["RECORD_TOO_LARGE"], "state": "acknowledged", "settledAtMs": 1780000000999, "resultHex": ""},
        {"status": wire.CODES["RECORD_DAMAGED"], "state": "acknowledged", "settledAtMs": 1780000001111, "resultHex": ""}]}),
    ("await refused", "AWAIT", "error", failure("PERMISSION_DENIED", message="'web' may not publish to 'esprit-gen'")),
    ("withdraw", "WITHDRAW", "request", {"withdrawn": 4294967295}),
    ("withdrawn", "WITHDRAW", "reply", {"outcome": "withdrawn"}),
    ("answered before it was withdrawn", "WITHDRAW", "reply", {"outcome": "answered"}),
    ("the end of what was withdrawn", "LEASE", "error", failure("CANCELLED", message="the LEASE was withdrawn")),
    ("cancelled", "CANCELLED", "push", {"tokens": [TOKEN, {"id": "0x40", "epoch": 2}], "reason": "주문이 취소되었습니다"}),
]

QUEUES = [
    ("declare with everything", "DECLARE", "request", {"queue": "esprit-gen", "policy": POLICY}),
    ("declare with defaults", "DECLARE", "request", {"queue": "missingParts", "policy": {}}),
    ("declare with a dead-letter topic", "DECLARE", "request",
     {"queue": "esprit-gen", "policy": {"deadLetterQueue": "esprit-gen.dead", "deadLetterTopic": "message.dead"}}),
    ("declare without dead letters", "DECLARE", "request", {"queue": "storage-retry", "policy": {"deadLetterQueue": "", "attemptsMax": 0}}),
    ("created", "DECLARE", "reply", {"outcome": "created"}),
    ("unchanged", "DECLARE", "reply", {"outcome": "unchanged"}),
    ("changed", "DECLARE", "reply", {"outcome": "changed"}),
    ("declare refused", "DECLARE", "error", failure("INVALID_ARGUMENT", message="the lease is longer than the longest lease")),
    ("stats", "STATS", "request", {"pattern": "esprit-*", "after": "", "max": 100}),
    ("figures", "STATS", "reply", {"queues": [{"name": "esprit-gen", **{name: 10 + i for i, name in enumerate(wire.STATS)},
     "policy": {"leaseMs": 30000, "deadLetterQueue": "esprit-gen.dead"}}], "moreFollow": True}),
    ("no figures", "STATS", "reply", {"queues": [], "moreFollow": False}),
    ("figures of a paused queue", "STATS", "reply", {"queues": [
        {"name": "a", **dict.fromkeys(wire.STATS, 0), "policy": {}},
        {"name": "b", **dict.fromkeys(wire.STATS, 0), "paused": 3, "policy": {"fairGroups": 1}, "pauseReason": "W: is full"}], "moreFollow": False}),
    ("not in this version", "BULK", "error", failure("UNSUPPORTED", message="BULK is not answered by this version")),
    ("delete if empty", "DELETE", "request", {"queue": "old", "mode": "ifEmpty"}),
    ("delete with its messages", "DELETE", "request", {"queue": "old", "mode": "withMessages"}),
    ("deleted", "DELETE", "reply", {"messagesRemoved": 12}),
    ("delete refused", "DELETE", "error", failure("CONFLICT", message="'old' has 12 messages: delete them too, or let them be worked off")),
    ("purge", "PURGE", "request", {"queue": "esprit-gen", "states": ["ready", "delayed"]}),
    ("purge what is delayed", "PURGE", "request", {"queue": "esprit-gen", "states": ["delayed"]}),
    ("purged", "PURGE", "reply", {"messagesRemoved": 9007199254740991}),
    ("pause deliveries", "PAUSE", "request", {"queue": "esprit-gen", "what": ["deliveries"], "reason": "점검"}),
    ("pause all", "PAUSE", "request", {"queue": "esprit-gen", "what": ["deliveries", "publishes"], "reason": ""}),
    ("paused", "PAUSE", "reply", {}),
    ("resume", "RESUME", "request", {"queue": "esprit-gen"}),
    ("resumed", "RESUME", "reply", {}),
    ("browse all", "BROWSE", "request", {"queue": "esprit-gen.dead", "after": "0x0", "messagesMax": 100, "bytesMax": 1048576,
     "parts": ["records", "histories"], "filter": {}}),
    ("browse with every condition", "BROWSE", "request", {"queue": "esprit-gen", "after": "0x10000000020", "messagesMax": 65536, "bytesMax": 0,
     "parts": [], "filter": FILTER}),
    ("browsed", "BROWSE", "reply", {"next": "0x10000000040", "messages": [
        {"id": "0x10000000020", "state": "ready", "epoch": 0, "attempts": 0, "storedAtMs": 1780000000123, "dueAtMs": 0, "holder": "",
         "percent": None, "note": "", "record": KOREAN},
        {"id": "0x10000000040", "state": "leased", "epoch": 7, "attempts": 3, "storedAtMs": 1780000000456, "dueAtMs": 1780000030456,
         "holder": "worker cam-03", "percent": 42, "note": "황삭 3/7", "record": COMPRESSED}]}),
    ("browsed without records", "BROWSE", "reply", {"next": "0x0", "messages": [
        {"id": "0x10000000060", "state": "delayed", "epoch": 1, "attempts": 1, "storedAtMs": 1780000000789, "dueAtMs": 1780000060789,
         "holder": "", "percent": None, "note": ""},
        {"id": "0x10000000080", "state": "cancelled", "epoch": 2, "attempts": 2, "storedAtMs": 1780000000999, "dueAtMs": 1780000030999,
         "holder": "worker cam-03", "percent": 0, "note": ""}]}),
    ("browsed, one damaged", "BROWSE", "reply", {"next": "0x0", "messages": [
        {"id": "0x10000000020", "state": "ready", "epoch": 0, "attempts": 0, "storedAtMs": 1780000000123, "dueAtMs": 0, "holder": "",
         "percent": None, "note": "", "record": DAMAGED},
        {"id": "0x10000000060", "state": "ready", "epoch": 0, "attempts": 0, "storedAtMs": 1780000000123, "dueAtMs": 0, "holder": "",
         "percent": None, "note": "", "record": EMPTY}]}),
    ("browsed, one withheld from a client without LZ4", "BROWSE", "reply", {"next": "0x0", "messages": [
        {"id": "0x10000000020", "state": "ready", "epoch": 0, "attempts": 0, "storedAtMs": 1780000000123, "dueAtMs": 0, "holder": "",
         "percent": None, "note": "", "record": WITHHELD}]}),
    ("nothing on this page", "BROWSE", "reply", {"next": "0x20000000000", "messages": []}),
    ("get", "GET", "request", {"queue": "esprit-gen.dead", "id": "0x10000000020", "parts": ["records", "histories"]}),
    ("got a dead letter", "GET", "reply", {"next": "0x0", "messages": [
        {"id": "0x10000000020", "state": "ready", "epoch": 3, "attempts": 0, "storedAtMs": 1780000000123, "dueAtMs": 0, "holder": "",
         "percent": None, "note": "", "record": PLAIN}], "histories": [HISTORY]}),
    ("got a damaged one", "GET", "reply", {"next": "0x0", "messages": [
        {"id": "0x10000000020", "state": "leased", "epoch": 3, "attempts": 3, "storedAtMs": 1780000000123, "dueAtMs": 1780000030456,
         "holder": "worker cam-03", "percent": None, "note": "", "record": DAMAGED}]}),
    ("got one that is withheld", "GET", "reply", {"next": "0x0", "messages": [
        {"id": "0x10000000020", "state": "ready", "epoch": 0, "attempts": 0, "storedAtMs": 1780000000123, "dueAtMs": 0, "holder": "",
         "percent": None, "note": "", "record": WITHHELD}]}),
    ("get refused", "GET", "error", failure("NO_SUCH_MESSAGE", message="'esprit-gen' has no message 0x20")),
    ("why", "WHY", "request", {"queue": "esprit-gen", "id": "0x10000000020"}),
    ("why: leased", "WHY", "reply", {"state": "leased", "cause": "leased", "sinceMs": 1780000000000, "next": "leaseEnds", "nextAtMs": 1780000030000, "subject": "worker/cam-03", "count": 2}),
    ("why: cancelled", "WHY", "reply", {"state": "cancelled", "cause": "cancelled", "sinceMs": 1780000000000, "next": "leaseEnds", "nextAtMs": 1780000030000, "subject": "worker/cam-03"}),
    ("why: delayed", "WHY", "reply", {"state": "delayed", "cause": "delayed", "sinceMs": 1780000000000, "next": "becomesReady", "nextAtMs": 1780000030000}),
    ("why: back-off", "WHY", "reply", {"state": "delayed", "cause": "backOff", "sinceMs": 1780000000000, "next": "becomesReady", "nextAtMs": 1780000030000, "count": 3, "reason": "디스크 오류"}),
    ("why: paused", "WHY", "reply", {"state": "ready", "cause": "paused", "sinceMs": 1780000000000, "next": "none", "nextAtMs": 0, "reason": "점검"}),
    ("why: concurrency", "WHY", "reply", {"state": "ready", "cause": "concurrency", "sinceMs": 1780000000000, "next": "otherLeaseEnds", "nextAtMs": 1780000030000, "count": 4, "limit": 4}),
    ("why: rate", "WHY", "reply", {"state": "ready", "cause": "rate", "sinceMs": 1780000000000, "next": "rateAllows", "nextAtMs": 1780000000010, "limit": 100}),
    ("why: an earlier message of the group is delayed", "WHY", "reply", {"state": "ready", "cause": "groupOrder", "sinceMs": 1780000000000, "next": "otherBecomesReady", "nextAtMs": 1780000030000, "subject": "routing-17", "otherId": "0x10000000000"}),
    ("why: a group's leases", "WHY", "reply", {"state": "ready", "cause": "groupConcurrency", "sinceMs": 1780000000000, "next": "otherLeaseEnds", "nextAtMs": 1780000030000, "subject": "고객-7", "count": 4, "limit": 4}),
    ("why: a group's rate", "WHY", "reply", {"state": "ready", "cause": "groupRate", "sinceMs": 1780000000000, "next": "rateAllows", "nextAtMs": 1780000000500, "subject": "고객-7", "limit": 2}),
    ("why: over", "WHY", "reply", {"state": "ready", "cause": "timeToLiveEnded", "sinceMs": 1780000000000, "next": "timeToLiveEnds", "nextAtMs": 1780000000000}),
    ("why: dead letter", "WHY", "reply", {"state": "ready", "cause": "deadLetter", "sinceMs": 1780000000000, "next": "timeToLiveEnds", "nextAtMs": 1780000030000, "subject": "esprit-gen", "reason": "attempts used up"}),
    ("why: nobody takes it", "WHY", "reply", {"state": "ready", "cause": "noConsumer", "sinceMs": 1780000000000, "next": "none", "nextAtMs": 0}),
    ("why: all are busy", "WHY", "reply", {"state": "ready", "cause": "consumersBusy", "sinceMs": 1780000000000, "next": "otherLeaseEnds", "nextAtMs": 1780000030000, "count": 7}),
    ("why: all are quiet", "WHY", "reply", {"state": "ready", "cause": "consumersQuiet", "sinceMs": 1780000000000, "next": "none", "nextAtMs": 0}),
    ("why: no room", "WHY", "reply", {"state": "ready", "cause": "consumersFull", "sinceMs": 1780000000000, "next": "none", "nextAtMs": 0}),
    ("why: behind", "WHY", "reply", {"state": "ready", "cause": "behind", "sinceMs": 1780000000000, "next": "none", "nextAtMs": 0, "otherId": "0x10000000000"}),
    ("why: log full", "WHY", "reply", {"state": "ready", "cause": "logFull", "sinceMs": 1780000000000, "next": "none", "nextAtMs": 0}),
    ("why: next", "WHY", "reply", {"state": "ready", "cause": "next", "sinceMs": 1780000000000, "next": "none", "nextAtMs": 0}),
    ("why: acknowledged", "WHY", "reply", {"state": "acknowledged", "cause": "ended", "sinceMs": 1780000000000, "next": "forgotten", "nextAtMs": 1780000030000}),
    ("why: dead", "WHY", "reply", {"state": "dead", "cause": "ended", "sinceMs": 1780000000000, "next": "forgotten", "nextAtMs": 1780000030000}),
    ("why: removed", "WHY", "reply", {"state": "removed", "cause": "ended", "sinceMs": 1780000000000, "next": "forgotten", "nextAtMs": 1780000030000}),
    ("why: in another queue", "WHY", "reply", {"state": "elsewhere", "cause": "moved", "sinceMs": 1780000000000, "next": "none", "nextAtMs": 0, "subject": "esprit-gen.dead", "reason": "attempts used up"}),
    ("why: of a later broker", "WHY", "reply", {"state": "other", "cause": "other", "sinceMs": 1780000000000, "next": "none", "nextAtMs": 0}),
    ("why refused", "WHY", "error", failure("NO_SUCH_MESSAGE", message="there is no message 20 in 'esprit-gen', and no result of it (any more)")),
    ("cancel", "CANCEL", "request", {"queue": "esprit-gen", "reason": "주문이 취소되었습니다", "ids": ["0x10000000020", "0x40", "0x60", "0x80"]}),
    ("cancelled", "CANCEL", "reply", {"items": [{"status": 0, "was": "ready"}, {"status": 0, "was": "leased"}, {"status": 0, "was": "delayed"},
     {"status": wire.CODES["NO_SUCH_MESSAGE"], "was": "ready"}]}),
    ("cancelled in part, with a note", "CANCEL", "reply", {"items": [{"status": 0, "was": "ready"}, {"status": wire.CODES["NO_SUCH_MESSAGE"], "was": "ready"}],
     "notes": [note(1, 1, "'esprit-gen' has no message 40: it ended, or never was here")]}),
    ("reschedule", "RESCHEDULE", "request", {"queue": "esprit-gen", "delayMs": 315576000000, "ids": ["0x10000000020"]}),
    ("make ready at once", "RESCHEDULE", "request", {"queue": "esprit-gen", "delayMs": 0, "ids": ["0x20", "0x40"]}),
    ("rescheduled", "RESCHEDULE", "reply", {"runs": [{"status": 0, "count": 1}, {"status": wire.CODES["CONFLICT"], "count": 1}]}),
    ("rescheduled in part, with a note", "RESCHEDULE", "reply", {"runs": [{"status": wire.CODES["CONFLICT"], "count": 1}],
     "notes": [note(0, 1, "message 20 is leased by 'w/cam-03' for another 4000 ms; cancel it, or wait", 4000)]}),
    ("redrive all", "REDRIVE", "request", {"queue": "esprit-gen.dead", "target": "", "messagesMax": 0, "ratePerSecond": 0, "filter": {}}),
    ("redrive some", "REDRIVE", "request", {"queue": "esprit-gen.dead", "target": "esprit-gen-2", "messagesMax": 100, "ratePerSecond": 5,
     "filter": FILTER}),
    ("redrive begun", "REDRIVE", "reply", {"job": "0x123456789abcdef", "matched": 3, "done": 0, "failed": 0, "state": "running"}),
    ("bulk cancel", "BULK", "request", {**BULK, "action": "cancel", "reason": "쓸모없음", "filter": {"headersEqual": [{"name": "taskType", "text": "old"}]}}),
    ("bulk redrive", "BULK", "request", {**BULK, "action": "redrive", "queue": "esprit-gen.dead", "ratePerSecond": 10}),
    ("bulk move", "BULK", "request", {**BULK, "action": "move", "target": "esprit-gen-2", "messagesMax": 4294967295}),
    ("bulk reschedule", "BULK", "request", {**BULK, "action": "reschedule", "delayMs": 60000}),
    ("look at a job", "BULK", "request", {**BULK, "action": "look", "job": "0x123456789abcdef"}),
    ("stop a job", "BULK", "request", {**BULK, "action": "stop", "job": "0xffffffffffffffff"}),
    ("job running", "BULK", "reply", {"job": "0x1", "matched": 100000, "done": 40, "failed": 0, "state": "running"}),
    ("job done", "BULK", "reply", {"job": "0x123456789abcdef", "matched": 3, "done": 2, "failed": 1, "state": "done",
     "lastFailure": "'esprit-gen' is full"}),
    ("job stopped", "BULK", "reply", {"job": "0x1", "matched": 100000, "done": 40, "failed": 0, "state": "stopped"}),
]

TOPICS = [
    ("publish an event", "TOPIC_PUBLISH", "request", {"producerId": "0x11", "firstSequence": 1, "topic": "routing.approval.changed", "records": [KOREAN]}),
    ("event stored", "TOPIC_PUBLISH", "reply", {"epoch": "0x123456789abcdef", "runs": [{"status": 0, "count": 1, "firstId": "0x10000000200"}]}),
    ("event refused with a note", "TOPIC_PUBLISH", "reply", {"epoch": "0x123456789abcdef",
     "runs": [{"status": wire.CODES["RECORD_TOO_LARGE"], "count": 1, "firstId": "0x0"}],
     "notes": [note(0, 1, "the record takes 4200000 bytes: at most 4128768 are allowed")]}),
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
    ("events, one damaged", "TOPIC_EVENTS", "push", {"subscriptionId": 1, "epoch": "0x123456789abcdef", "events": [
        {"offset": "0x10000000200", "storedAtMs": 1780000000123, "topic": "addin.job.created", "record": {"standInBytes": 20}},
        {"offset": "0x10000000300", "storedAtMs": 1780000000124, "topic": "addin.job.updated", "record": PLAIN}]}),
    ("events, one withheld from a client without LZ4", "TOPIC_EVENTS", "push", {"subscriptionId": 1, "epoch": "0x123456789abcdef", "events": [
        {"offset": "0x10000000200", "storedAtMs": 1780000000123, "topic": "addin.job.created", "record": WITHHELD},
        {"offset": "0x10000000300", "storedAtMs": 1780000000124, "topic": "addin.job.updated", "record": PLAIN}]}),
    ("gap", "TOPIC_GAP", "push", {"subscriptionId": 1, "cursor": "123456789abcdef:10000000000", "reason": "보존 기간이 지났습니다"}),
    ("declare retention", "TOPIC_DECLARE", "request", {"pattern": "addin.*", "retention": {"ageMsMax": 604800000, "bytesMax": 1073741824, "eventsMax": 100000}}),
    ("declare retention by age", "TOPIC_DECLARE", "request", {"pattern": "*", "retention": {"ageMsMax": 0}}),
    ("retention declared", "TOPIC_DECLARE", "reply", {"outcome": "created"}),
    ("figures of topics", "TOPIC_STATS", "request", {"pattern": "addin.*", "after": "addin.job.created", "max": 100}),
    ("topics' figures", "TOPIC_STATS", "reply", {"epoch": "0x123456789abcdef", "earliestOffset": "0x20", "latestOffset": "0x10000000200", "topics": [
        {"name": "addin.job.updated", "events": 2, "bytes": 512, "earliestOffset": "0x20", "latestOffset": "0x10000000200", "published": 7,
         "subscriptions": 1, "oldestAgeMs": 60000}], "moreFollow": True}),
]

WORKERS = [
    ("workers", "WORKERS", "request", {"pattern": "*", "after": "0x0", "max": 1000, "withLeases": True}),
    ("workers of a name", "WORKERS", "request", {"pattern": "esprit-*", "after": "0x7", "max": 1, "withLeases": False}),
    ("workers and what they hold", "WORKERS", "reply", {"sessions": [
        {"id": "0x0", "principal": "", "clientName": "", "clientVersion": "", "address": "", "connectedAtMs": 0, "heardAtMs": 0, "quiet": False,
         "waits": False, "held": 1, "labels": [], "leases": [{"queue": "file-ingest", "id": "0x40", "epoch": 2, "attempt": 2,
         "leasedAtMs": 1780000000000, "endsAtMs": 1780000030000, "percent": None, "note": ""}]},
        {"id": "0x7", "principal": "esprit-addin", "clientName": "esprit-addin", "clientVersion": "4.2.0", "address": "10.0.0.3",
         "connectedAtMs": 1780000000000, "heardAtMs": 1780000009000, "quiet": True, "waits": True, "held": 2,
         "labels": [{"name": "host", "value": "cam-03"}, {"name": "현장", "value": "2공장"}], "leases": [
            {"queue": "esprit-gen", **TOKEN, "attempt": 1, "leasedAtMs": 1780000001000, "endsAtMs": 1780000061000, "percent": 42, "note": "황삭 3/7"},
            {"queue": "esprit-gen", "id": "0x60", "epoch": 4294967295, "attempt": 9, "leasedAtMs": 1780000002000, "endsAtMs": 1780000062000,
             "percent": 0, "note": ""}]}], "moreFollow": True}),
    ("no workers", "WORKERS", "reply", {"sessions": [], "moreFollow": False}),
    ("quiet one", "WORKER_CONTROL", "request", {"sessionId": "0x7", "label": "", "value": "", "action": "quiet", "graceMs": 0, "reason": "점검"}),
    ("resume all", "WORKER_CONTROL", "request", {"sessionId": "0x0", "label": "", "value": "", "action": "resume", "graceMs": 0, "reason": ""}),
    ("terminate by label", "WORKER_CONTROL", "request", {"sessionId": "0x0", "label": "host", "value": "cam-03", "action": "terminate",
     "graceMs": 30000, "reason": "a new version is rolled out"}),
    ("workers told", "WORKER_CONTROL", "reply", {"sessionsReached": 3}),
    ("control refused", "WORKER_CONTROL", "error", failure("PERMISSION_DENIED", message="'web' may not control workers")),
]

ERRORS = [
    (f"error {name}", "STATS", "error", failure(name, 250 if retryable else 0, f"{name} in a sentence"))
    for code, (name, _, retryable) in wire.ERRORS.items() if name != "UNSUPPORTED_VERSION"
] + [
    ("error MALFORMED_FRAME of one request", "LEASE", "error", failure("MALFORMED_FRAME", message="queue: not valid UTF-8", radius="request")),
    ("error TIMED_OUT without AUTH", "AUTH", "error", failure("TIMED_OUT", message="no AUTH within 5,000 ms", radius="connection")),
    ("error INVALID_ARGUMENT of HELLO", "HELLO", "error", failure("INVALID_ARGUMENT", message="client name: a line feed", radius="connection")),
]

RECORDS = [
    ("plain", PLAIN), ("empty", EMPTY), ("every header, Korean", KOREAN), ("LZ4", COMPRESSED), ("binary body", BINARY),
    ("several user headers of one name", {"headers": [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}], "bodyText": "x"}),
]


def vectors(list):
    whole = []
    for name, opcode, direction, meaning in list:
        frame = wire.frame(opcode, direction, wire.body(opcode, direction, meaning))
        vector = {"name": name, "opcode": opcode, "direction": direction, "hex": frame.hex, "meaning": meaning}
        if frame.tags:
            vector["tags"] = sorted(set(frame.tags), key=lambda tag: (tag.split()[0], int(tag.split()[1])))
        whole.append(vector)
    return whole


class Exchange:
    """A conversation after HELLO was answered: what the client sends, and what the broker must answer."""

    def __init__(self, name):
        self.name = name
        self.steps = []

    def client(self, meaning, opcode="AUTH"):
        self.steps.append({"from": "client", "hex": self._frame(opcode, "request", meaning)})
        return self

    def broker(self, meaning, opcode="AUTH"):
        self.steps.append({"from": "broker", "hex": self._frame(opcode, "reply", meaning)})
        return self

    def refused(self, error, radius="connection"):
        self.steps.append({"from": "broker", "error": error, "blastRadius": radius})
        return self

    def _frame(self, opcode, direction, meaning):
        requests = sum(step["from"] == "client" for step in self.steps) + (direction == "request")
        return wire.frame(opcode, direction, wire.body(opcode, direction, meaning), correlation=requests).hex


def reverse(data, mechanism="test-reverse"):
    return {"method": "mechanism", "credential": mechanism, "dataHex": data}


def begin(challenges, principal="admin"):
    return reverse(bytes([challenges]).hex() + principal.encode().hex())


CHALLENGES = ["010203", "020304", "030405", "040506"]
ANSWERS = ["030201", "040302", "050403", "060504"]
LET_IN = {"principal": "admin", "dataHex": b"ok".hex()}
TOKEN_AUTH = {"method": "token", "credential": "spt_9f86d081884c7d659a2feaa0c55ad015"}


def challenged(name, challenges, answered):
    """Begun, and so many challenges answered."""
    exchange = Exchange(name).client(begin(challenges))
    for challenge, answer in zip(CHALLENGES[:answered], ANSWERS):
        exchange.broker({"principal": "", "dataHex": challenge}).client(reverse(answer))
    return exchange


EXCHANGES = [
    challenged("let in at once", 0, 0).broker(LET_IN).client({}, "PING").broker({}, "PING"),
    challenged("let in after one challenge", 1, 1).broker(LET_IN).client({}, "PING").broker({}, "PING"),
    challenged("let in after four rounds", 3, 3).broker(LET_IN).client({}, "PING").broker({}, "PING"),
    challenged("a fifth round", 4, 3).refused("AUTHENTICATION_FAILED"),
    challenged("a wrong answer", 2, 1).broker({"principal": "", "dataHex": CHALLENGES[1]}).client(reverse("00")).refused("AUTHENTICATION_FAILED"),
    Exchange("a principal that the broker does not have").client(begin(0, "nobody")).refused("AUTHENTICATION_FAILED"),
    Exchange("an unknown mechanism").client(reverse("00", "kerberos")).refused("AUTHENTICATION_FAILED"),
    Exchange("another mechanism in the second round").client(begin(1)).broker({"principal": "", "dataHex": CHALLENGES[0]})
    .client(reverse(ANSWERS[0], "kerberos")).refused("AUTHENTICATION_FAILED"),
    Exchange("a token in the second round").client(begin(1)).broker({"principal": "", "dataHex": CHALLENGES[0]}).client(TOKEN_AUTH)
    .refused("AUTHENTICATION_FAILED"),
    Exchange("another opcode between rounds").client(begin(1)).broker({"principal": "", "dataHex": CHALLENGES[0]}).client({}, "PING")
    .refused("NOT_AUTHENTICATED"),
    challenged("a mechanism after success", 0, 0).broker(LET_IN).client(begin(0)).refused("INVALID_ARGUMENT", "request")
    .client({}, "PING").broker({}, "PING"),
]


ACTOR_TAG = 0x7F01


def actors():
    """The first vector of every request that may say for whom it is made, with that in its tail."""
    whole, seen = [], set()
    for name, opcode, direction, meaning in CONNECTION + MESSAGES + QUEUES + TOPICS + WORKERS:
        if direction != "request" or opcode in ("HELLO", "AUTH", "PING") or opcode in seen:
            continue
        seen.add(opcode)
        actor = ["anna", "김 철수"][len(seen) % 2]
        tag = ACTOR_TAG | (0x8000 if len(seen) % 3 == 0 else 0)
        plain = bytes.fromhex(wire.frame(opcode, direction, wire.body(opcode, direction, meaning)).hex.replace(" ", ""))
        text = actor.encode()
        tail = struct.pack("<HI", tag, len(text)) + text
        frame = struct.pack("<I", len(plain) + len(tail)) + plain[4:] + tail
        whole.append({"name": name, "opcode": opcode, "actor": actor, "isCritical": tag >= 0x8000, "plain": plain.hex(), "hex": frame.hex()})
    return whole


def files():
    yield "connection.json", vectors(CONNECTION)
    yield "messages.json", vectors(MESSAGES)
    yield "queues.json", vectors(QUEUES)
    yield "topics.json", vectors(TOPICS)
    yield "workers.json", vectors(WORKERS)
    yield "errors.json", vectors(ERRORS)
    yield "records.json", [{"name": name, "hex": wire.record(meaning).hex, "meaning": meaning} for name, meaning in RECORDS]
    yield "rejected.json", REJECTED
    yield "tolerated.json", [{"name": name, "opcode": opcode, "direction": direction, "hex": hex, "meaning": meaning}
                             for name, opcode, direction, hex, meaning in TOLERATED]
    yield "tolerated-records.json", [{"name": name, "hex": hex, "meaning": meaning} for name, hex, meaning in TOLERATED_RECORDS]
    yield "actors.json", actors()
    yield "exchanges.json", [{"name": exchange.name, "steps": exchange.steps} for exchange in EXCHANGES]


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
