"""Frames and records that nobody writes today and every decoder must take: what later versions may send, and what the text leaves free."""

import struct

import wire
from wire import Fields

PLAIN = {"bodyText": "{}"}
TOKEN = {"id": "0x10000000020", "epoch": 1}
UNKNOWN_TAG = 0x7000


def tolerated(name, opcode, direction, meaning, change=None, tail=b"", **header):
    """The frame of `meaning`, its body changed by `change` and followed by `tail`."""
    data = wire.body(opcode, direction, meaning).data
    body = Fields().raw(change(data) if change else data).raw(tail)
    return name, opcode, direction, wire.frame(opcode, direction, body, **header).hex, meaning


def at(offset, byte):
    """Puts one byte into a body; negative offsets count from its end."""
    def change(data):
        changed = bytearray(data)
        changed[offset] = byte
        return bytes(changed)
    return change


def unknown(data=b"later"):
    return Fields().tag(UNKNOWN_TAG, data).data


HELLO = {"versionMin": 1, "versionMax": 1, "capabilities": ["lz4"], "clientName": "c", "clientVersion": "1", "labels": []}
HELLO_REPLY = {"version": 1, "capabilities": ["lz4"], "frameBytesMax": 4194304, "inFlightMax": 8192, "heartbeatMs": 15000,
               "serverId": "0123456789abcdeffedcba9876543210", "serverName": "s", "serverVersion": "1",
               "opcodes": [{"opcode": "PUBLISH", "min": 1, "max": 1}]}
PUBLISH = {"producerId": "0x0", "firstSequence": 0, "queue": "q", "records": [PLAIN]}
LEASE = {"queue": "q", "messagesMax": 1, "bytesMax": 1024, "leaseMs": 0, "waitMs": 0}
LEASED = {"leaseMs": 30000, "messages": [{**TOKEN, "attempt": 1, "storedAtMs": 1780000000123, "record": PLAIN}]}
BROWSED = {"next": "0x0", "messages": [
    {"id": "0x20", "state": "leased", "epoch": 1, "attempts": 1, "storedAtMs": 1, "dueAtMs": 2, "holder": "", "percent": None, "note": ""}]}
JOB = {"job": "0x1", "matched": 3, "done": 0, "failed": 0, "state": "running"}
AWAITED = {"items": [{"status": 0, "state": "unknown", "settledAtMs": 0, "resultHex": ""}]}
DECLARE = {"queue": "q", "policy": {"leaseMs": 2000}}
STATS_REPLY = {"queues": [{"name": "q", **{name: 1 for name in wire.STATS}, "policy": {}}], "moreFollow": False}
WHY = {"state": "other", "cause": "other", "sinceMs": 1780000000000, "next": "none", "nextAtMs": 0}
ERROR = {"code": 24, "name": "INVALID_ARGUMENT", "blastRadius": "request", "retryable": False, "retryAfterMs": 0, "message": "no"}


def extra_figure(data):
    """One more figure in the only queue of a STATS reply, with a number of a later version."""
    place = 4 + 3
    count = struct.unpack_from("<H", data, place)[0]
    end = place + 2 + 10 * count
    return data[:place] + struct.pack("<H", count + 1) + data[place + 2:end] + struct.pack("<HQ", 999, 5) + data[end:]


TOLERATED = [
    # Unknown tags that are not critical, in either direction.
    tolerated("hello with an unknown tag", "HELLO", "request", HELLO, tail=unknown()),
    tolerated("hello reply with an unknown tag", "HELLO", "reply", HELLO_REPLY, tail=unknown()),
    tolerated("auth with an unknown tag", "AUTH", "request", {"method": "token", "credential": "t"}, tail=unknown()),
    tolerated("ping with an unknown tag", "PING", "request", {}, tail=unknown()),
    tolerated("ping answered with an unknown tag", "PING", "reply", {}, tail=unknown()),
    tolerated("the broker's ping with an unknown tag", "PING", "push", {}, tail=unknown()),
    tolerated("publish with an unknown tag", "PUBLISH", "request", PUBLISH, tail=unknown()),
    tolerated("publish with an empty unknown tag", "PUBLISH", "request", PUBLISH, tail=unknown(b"")),
    tolerated("lease with two unknown tags", "LEASE", "request", LEASE, tail=unknown() + unknown(b"x")),
    tolerated("leased with an unknown tag", "LEASE", "reply", LEASED, tail=unknown()),
    tolerated("ack with an unknown tag before its results", "ACK", "request",
              {"tokens": [TOKEN], "results": [{"itemIndex": 0, "hex": "00"}]}, change=lambda data: data[:16] + unknown() + data[16:]),
    tolerated("declare with an unknown setting", "DECLARE", "request", DECLARE, tail=unknown(struct.pack("<Q", 1))),
    tolerated("declare with a reserved setting", "DECLARE", "request", DECLARE, tail=Fields().tag(23, b"deaths").data),
    tolerated("quiet with an unknown tag", "QUIET", "push", {"action": "quiet", "graceMs": 0, "reason": ""}, tail=unknown()),
    tolerated("error with an unknown tag", "LEASE", "error", ERROR, tail=unknown()),
    # Of a tag that comes twice the last counts.
    tolerated("declare with a setting twice", "DECLARE", "request", DECLARE,
              change=lambda data: data[:3] + Fields().tag(1, struct.pack("<Q", 1000)).data + data[3:]),
    # Reserved bits.
    tolerated("lease with reserved flags", "LEASE", "request", LEASE, flags=0xF8),
    tolerated("leased with reserved flags", "LEASE", "reply", LEASED, flags=0xF9),
    tolerated("unknown capabilities", "HELLO", "request", HELLO, change=at(12 + 7, 0x80)),
    tolerated("unknown parts", "BROWSE", "request", {"queue": "q", "after": "0x0", "messagesMax": 1, "bytesMax": 0, "parts": ["records"], "filter": {}},
              change=at(3 + 16, 0xFD)),
    # Values of later brokers.
    tolerated("browsed message in an unknown state", "BROWSE", "reply", BROWSED, change=at(8 + 4 + 8, 9)),
    tolerated("awaited message in an unknown state", "AWAIT", "reply", AWAITED, change=at(4 + 2, 9)),
    tolerated("cancelled message that was something else", "CANCEL", "reply", {"items": [{"status": 0, "was": "leased"}]}, change=at(-1, 9)),
    tolerated("job in an unknown state", "BULK", "reply", JOB, change=at(-1, 9)),
    tolerated("declared with an unknown outcome", "DECLARE", "reply", {"outcome": "changed"}, change=at(0, 9)),
    tolerated("a status that this version does not send", "ACK", "reply", {"runs": [{"status": 44, "count": 1}]}),
    tolerated("a status that is not known", "ACK", "reply", {"runs": [{"status": 999, "count": 1}]}),
    tolerated("an unknown figure", "STATS", "reply", STATS_REPLY, change=extra_figure),
    tolerated("a message in an unknown state", "WHY", "reply", WHY, change=at(0, 99)),
    tolerated("an unknown cause", "WHY", "reply", {**WHY, "state": "ready", "cause": "other"}, change=at(1, 99)),
    tolerated("an unknown event that is next", "WHY", "reply", {**WHY, "nextAtMs": 5}, change=at(10, 99)),
    tolerated("an explanation with an unknown tag", "WHY", "reply", WHY, tail=unknown()),
    tolerated("an unknown blast radius", "LEASE", "error", {**ERROR, "blastRadius": "connection"}, change=at(2, 9)),
]

TOLERATED_RECORDS = [
    ("a header that comes twice: the last counts",
     wire.record(PLAIN, extra=wire.header(4, "first").data + wire.header(4, "last").data).hex, {**PLAIN, "group": "last"}),
    ("headers in another order", wire.record(PLAIN, extra=wire.header(3, "t").data + wire.header(1, "c").data).hex,
     {**PLAIN, "taskType": "t", "correlationId": "c"}),
    ("an unknown header that is not critical", wire.record(PLAIN, extra=wire.header(100, b"\xff\xfe").data).hex, PLAIN),
    ("an expanded size without LZ4", wire.record({**PLAIN, "expandedBytes": 7}).hex, PLAIN),
]
