"""Frames that must be refused, each with the error and what it spoils."""

import struct

import wire
from wire import Fields

PLAIN = {"bodyText": "{}"}
MIB = 1024 * 1024
TEN_YEARS = 315_576_000_000


def entry(name, hex, error, cap=4 * MIB, item=None, radius=None, direction="request", judge=None):
    """`judge`: the frame can be read, and only the broker's state refuses it."""
    radius = radius or wire.ERRORS[wire.CODES[error]][1]
    whole = {"name": name, "frameBytesMax": cap, "hex": hex, "error": wire.CODES[error], "errorName": error, "blastRadius": radius}
    whole["direction"] = direction
    if item is not None:
        whole["item"] = item
    if judge:
        whole["judge"] = judge
    return whole


def request(name, opcode, body, error, direction="request", header={}, **more):
    """In the open state only this request is spoilt; HELLO and AUTH spoil the connection, and so does what a client can't read."""
    if "item" not in more and "radius" not in more:
        more["radius"] = "request" if direction == "request" and opcode not in ("HELLO", "AUTH") else "connection"
    return entry(name, wire.frame(opcode, direction, body, **header).hex, error, direction=direction, **more)


def publish(record, count=1, queue="q", byte_count=None, tail=b""):
    data = record.data if isinstance(record, Fields) else record
    body = Fields().u64(0).u64(0).string(queue).u32(count).u32(len(data) if byte_count is None else byte_count)
    return body.raw(data).raw(tail)


def bad_record(name, record, error="RECORD_INVALID", item=0, **more):
    """Behind a good one, where `item` is 1: only the bad one is spoilt."""
    data = wire.record(PLAIN).data * item + record.data
    return request(name, "PUBLISH", publish(data, count=item + 1), error, item=item, **more)


def hello(**more):
    m = {"versionMin": 1, "versionMax": 1, "capabilities": [], "clientName": "c", "clientVersion": "1", "labels": []}
    m.update(more)
    return wire.hello(m)


def cut(fields, count):
    return Fields().raw(fields.data[:-count])


def mechanism(data, name="test-reverse"):
    body = Fields().u8(2).string(name)
    return body if data is None else body.tag(1, data)


def lease(messages=1, queue="q"):
    return wire.lease({"queue": queue, "messagesMax": messages, "bytesMax": 1, "leaseMs": 0, "waitMs": 0})


def nack(disposition=0, delay=0, reason=""):
    return Fields().u32(1).token(1, 1).u8(disposition).u64(delay).string(reason)


def settle(groups, group=None):
    body = Fields().u32(0).u32(0).u16(groups)
    return body.add(group) if group else body


def group(kind=0, name="q", count=1, byte_count=None):
    data = wire.record(PLAIN).data
    return Fields().u8(kind).string(name).u32(count).u32(len(data) if byte_count is None else byte_count).raw(data)


def declare(queue="q"):
    return Fields().string(queue)


def filter(fields):
    return Fields().u32(len(fields.data)).add(fields)


def browse(fields=None, max=1, length=None):
    body = Fields().string("q").u64(0).u32(max).u32(0).u8(0)
    if length is not None:
        return body.u32(length)
    return body.add(filter(fields or Fields()))


def u64(value):
    return struct.pack("<Q", value)


def text_pair(name, text):
    return Fields().string(name).string(text).data


def results(*items):
    """The bytes of ACK's tag 1."""
    return b"".join(struct.pack("<II", index, len(data)) + data for index, data in items)


def ack(count=1, field=b""):
    body = Fields().u32(count)
    for _ in range(count):
        body.token(1, 1)
    return body.tag(1, field, critical=True)


def note(first, count, text="t"):
    return Fields().u32(first).u32(count).u32(0).string(text)


def noted(items, *ranges, text="t"):
    """The reply to an ACK of so many lost leases, with notes on these items."""
    return Fields().u32(1).u16(33).u32(items).tag(0x7F02, b"".join(note(first, count, text).data for first, count in ranges))


def bulk(action=0, job=0, target="", delay=0):
    return Fields().u8(action).u64(job).string("q").string(target).u64(delay).u32(0).u32(0).string("").u32(0)


def control(action=0, label=""):
    return Fields().u64(0).string(label).string("").u8(action).u32(0).string("")


def retention(tag, data, critical=False):
    return Fields().string("*").tag(tag, data, critical=critical)


REJECTED = [
    # Not this protocol at all.
    entry("an HTTP request", b"GET / HTTP/1.1\r\nHost: spindle\r\n\r\n".hex(), "FRAME_TOO_LARGE", cap=4096),
    entry("a TLS client hello on the plain port", "16030102000100 01fc0303aa55aa55", "FRAME_TOO_LARGE", cap=4096),
    entry("zeros", "00" * 16, "MALFORMED_FRAME", cap=4096),
    # The header.
    entry("length smaller than a header", wire.frame("PING", "request", Fields(), length=11).hex, "MALFORMED_FRAME"),
    entry("length one byte over the cap", wire.frame("PING", "request", Fields(), length=4 * MIB + 1).hex, "FRAME_TOO_LARGE"),
    entry("length 4 GiB", wire.frame("PING", "request", Fields(), length=2**32 - 1).hex, "FRAME_TOO_LARGE"),
    entry("5 KiB before authentication", wire.frame("HELLO", "request", Fields(), length=5120).hex, "FRAME_TOO_LARGE", cap=4096),
    entry("an unknown opcode", wire.frame(0x7777, "request", Fields()).hex, "UNSUPPORTED"),
    entry("the reserved opcode LOCATE", wire.frame(0x0043, "request", Fields()).hex, "UNSUPPORTED"),
    request("version 2 of an opcode that has version 1", "LEASE", lease(), "UNSUPPORTED", header={"version": 2}),
    request("version 0 of an opcode", "PING", Fields(), "UNSUPPORTED", header={"version": 0}),
    request("version 2 of HELLO", "HELLO", hello(), "UNSUPPORTED", header={"version": 2}),
    request("correlation id 0", "LEASE", lease(), "MALFORMED_FRAME", header={"correlation": 0}, radius="connection"),
    request("a request with the flag push", "LEASE", lease(), "MALFORMED_FRAME", header={"flags": 4}),
    request("a request with the flag error", "LEASE", lease(), "MALFORMED_FRAME", header={"flags": 2}),
    request("a request with the flag reply", "LEASE", lease(), "MALFORMED_FRAME", header={"flags": 1}),
    request("HELLO with the flag push", "HELLO", hello(), "MALFORMED_FRAME", header={"flags": 4}),
    request("ping with a byte too many", "PING", Fields().u8(0), "MALFORMED_FRAME"),
    request("ping with an unknown critical tag", "PING", Fields().tag(1, b"", critical=True), "UNKNOWN_CRITICAL_TAG"),
    request("ping for another, critical", "PING", Fields().tag(0x7F01, b"anna", critical=True), "UNKNOWN_CRITICAL_TAG"),
    request("HELLO for another, critical", "HELLO", hello().tag(0x7F01, b"anna", critical=True), "UNKNOWN_CRITICAL_TAG"),
    request("AUTH for another, critical", "AUTH", Fields().u8(0).string("t").tag(0x7F01, b"anna", critical=True), "UNKNOWN_CRITICAL_TAG"),
    # HELLO and AUTH.
    request("wrong magic", "HELLO", Fields().raw(b"SPINDLE9").raw(hello().data[8:]), "HELLO_REQUIRED"),
    request("hello cut in its magic", "HELLO", Fields().raw(b"SPIND"), "MALFORMED_FRAME"),
    request("hello cut in its labels", "HELLO", cut(hello(labels=[{"name": "host", "value": "a"}]), 1), "MALFORMED_FRAME"),
    request("hello with 33 labels", "HELLO", hello(labels=[{"name": "n", "value": "v"}] * 33), "MALFORMED_FRAME"),
    request("hello with 65,535 labels announced", "HELLO", cut(hello(), 2).u16(65535), "MALFORMED_FRAME"),
    request("hello with an unknown critical tag", "HELLO", hello().tag(9, b"x", critical=True), "UNKNOWN_CRITICAL_TAG"),
    request("hello with a name of 256 bytes", "HELLO", hello(clientName="n" * 256), "INVALID_ARGUMENT"),
    request("unknown authentication method", "AUTH", Fields().u8(3).string("x"), "AUTHENTICATION_FAILED"),
    request("mechanism without its bytes", "AUTH", mechanism(None), "MALFORMED_FRAME"),
    request("mechanism with 65,537 bytes", "AUTH", mechanism(bytes(65537)), "INVALID_ARGUMENT"),
    request("mechanism of 4 GiB", "AUTH", mechanism(None).raw(struct.pack("<HI", 1, 2**32 - 1)), "MALFORMED_FRAME"),
    request("mechanism without a name", "AUTH", mechanism(b"x", name=""), "INVALID_ARGUMENT"),
    request("mechanism with a space in its name", "AUTH", mechanism(b"x", name="my login"), "INVALID_ARGUMENT"),
    request("mechanism with an unknown critical tag", "AUTH", mechanism(b"x").tag(2, b"", critical=True), "UNKNOWN_CRITICAL_TAG"),
    request("mechanism that this broker does not have", "AUTH", mechanism(b"x"), "AUTHENTICATION_FAILED", judge="broker"),
    request("token with the critical tag of mechanisms", "AUTH", Fields().u8(0).string("t").tag(1, b"x", critical=True), "UNKNOWN_CRITICAL_TAG"),
    entry("AUTH of 69,633 bytes", wire.frame("AUTH", "request", Fields(), length=69633).hex, "FRAME_TOO_LARGE", cap=69632),
    request("credential that is no UTF-8", "AUTH", Fields().u8(0).string(b"\xff\xfe"), "MALFORMED_FRAME"),
    request("credential cut", "AUTH", Fields().u8(0).u16(9).raw(b"short"), "MALFORMED_FRAME"),
    # PUBLISH around its records.
    request("publish with an empty body", "PUBLISH", Fields(), "MALFORMED_FRAME"),
    request("publish of garbage", "PUBLISH", Fields().raw(bytes(range(200, 250))), "MALFORMED_FRAME"),
    request("queue name that is no UTF-8", "PUBLISH", publish(wire.record(PLAIN), queue=b"\xc3\x28"), "MALFORMED_FRAME"),
    request("queue name with an overlong encoding", "PUBLISH", publish(wire.record(PLAIN), queue=b"\xc0\xaf"), "MALFORMED_FRAME"),
    request("queue name with a surrogate", "PUBLISH", publish(wire.record(PLAIN), queue=b"\xed\xa0\x80"), "MALFORMED_FRAME"),
    request("queue name empty", "PUBLISH", publish(wire.record(PLAIN), queue=""), "INVALID_ARGUMENT"),
    request("queue name with a star", "PUBLISH", publish(wire.record(PLAIN), queue="a*"), "INVALID_ARGUMENT"),
    request("queue name with a line feed", "PUBLISH", publish(wire.record(PLAIN), queue="a\nb"), "INVALID_ARGUMENT"),
    request("queue name in Korean", "PUBLISH", publish(wire.record(PLAIN), queue="대기열"), "INVALID_ARGUMENT"),
    request("queue name of 256 bytes", "PUBLISH", publish(wire.record(PLAIN), queue="q" * 256), "INVALID_ARGUMENT"),
    request("no records", "PUBLISH", publish(b"", count=0), "INVALID_ARGUMENT"),
    request("4 billion records announced", "PUBLISH", publish(wire.record(PLAIN), count=2**32 - 1), "MALFORMED_FRAME"),
    request("4 GiB of records announced", "PUBLISH", publish(wire.record(PLAIN), byte_count=2**32 - 1), "MALFORMED_FRAME"),
    request("fewer records than announced", "PUBLISH", publish(wire.record({"bodyText": "x" * 30}), count=2), "MALFORMED_FRAME"),
    request("more records than announced", "PUBLISH", publish(wire.record(PLAIN).data * 2, count=1), "MALFORMED_FRAME"),
    request("record length 0", "PUBLISH", publish(wire.record(PLAIN, length=0)), "MALFORMED_FRAME"),
    request("record length 19", "PUBLISH", publish(wire.record(PLAIN, length=19)), "MALFORMED_FRAME"),
    request("record longer than the frame", "PUBLISH", publish(wire.record(PLAIN, length=2**31)), "MALFORMED_FRAME"),
    request("publish with an unknown critical tag", "PUBLISH",
            publish(wire.record(PLAIN), tail=Fields().tag(3, b"", critical=True).data), "UNKNOWN_CRITICAL_TAG"),
    request("publish with a cut tail", "PUBLISH", publish(wire.record(PLAIN), tail=b"\x01\x00\x05\x00\x00"), "MALFORMED_FRAME"),
    request("publish with a tag longer than the frame", "PUBLISH",
            publish(wire.record(PLAIN), tail=struct.pack("<HI", 1, 2**32 - 1)), "MALFORMED_FRAME"),
    # Records: only the item is spoilt.
    bad_record("wrong checksum", wire.record(PLAIN, crc=0x12345678), "RECORD_CORRUPT"),
    bad_record("wrong checksum behind a good record", wire.record(PLAIN, crc=0), "RECORD_CORRUPT", item=1),
    bad_record("priority 10", wire.record({**PLAIN, "priority": 10})),
    bad_record("priority 255 behind a good record", wire.record({**PLAIN, "priority": 255}), item=1),
    bad_record("record version 2", wire.record(PLAIN, version=2)),
    bad_record("a stand-in, which only a broker makes", wire.stand_in(24)),
    bad_record("a withheld record, which only a broker makes", wire.record({"expandedBytes": 64, "flags": ["withheld"], "bodyHex": "00" * 20})),
    bad_record("withheld without being a stand-in", wire.record(PLAIN, flags=0x40)),
    bad_record("LZ4 from a client that declined it", wire.record({**PLAIN, "flags": ["lz4"], "expandedBytes": 64}), "RECORD_COMPRESSED", item=1,
               judge="broker"),
    bad_record("unknown record flag", wire.record(PLAIN, flags=2)),
    bad_record("header bytes past the record", wire.record(PLAIN, header_bytes=500)),
    bad_record("body bytes past the record", wire.record(PLAIN, body_bytes=2**32 - 1)),
    bad_record("header and body don't add up", wire.record(PLAIN, body_bytes=1)),
    bad_record("unknown critical header", wire.record(PLAIN, extra=wire.header(128, "x").data)),
    bad_record("header cut", wire.record(PLAIN, extra=b"\x01\x05\x00ab")),
    bad_record("header head cut", wire.record(PLAIN, extra=b"\x01\x05")),
    bad_record("header that is no UTF-8", wire.record(PLAIN, extra=wire.header(1, b"\xff").data)),
    bad_record("group of 256 bytes", wire.record({**PLAIN, "group": "g" * 256})),
    bad_record("delay of seven bytes", wire.record(PLAIN, extra=wire.header(6, b"1234567").data)),
    bad_record("delay over ten years", wire.record({**PLAIN, "delayMs": TEN_YEARS + 1})),
    bad_record("time to live of 2^64 - 1", wire.record({**PLAIN, "ttlMs": 2**64 - 1})),
    bad_record("empty user header", wire.record(PLAIN, extra=wire.header(32, b"").data)),
    bad_record("user header without a name", wire.record(PLAIN, extra=wire.header(32, b"\x00value").data)),
    bad_record("user header name past its end", wire.record(PLAIN, extra=wire.header(32, b"\x09name").data)),
    bad_record("user header value that is no UTF-8", wire.record(PLAIN, extra=wire.header(32, b"\x01a\xff").data)),
    bad_record("LZ4 without its expanded size", wire.record({**PLAIN, "flags": ["lz4"]})),
    bad_record("LZ4 expanding to nothing", wire.record({**PLAIN, "flags": ["lz4"], "expandedBytes": 0})),
    bad_record("LZ4 bomb", wire.record({**PLAIN, "flags": ["lz4"], "expandedBytes": 64 * MIB + 1})),
    # Leases.
    request("lease of nothing", "LEASE", lease(0), "INVALID_ARGUMENT"),
    request("lease of 65,537", "LEASE", lease(65537), "INVALID_ARGUMENT"),
    request("lease cut", "LEASE", cut(lease(), 1), "MALFORMED_FRAME"),
    request("lease with a byte too many", "LEASE", lease().u8(0), "MALFORMED_FRAME"),
    request("4 billion acks announced", "ACK", Fields().u32(2**32 - 1).token(1, 1), "MALFORMED_FRAME"),
    request("ack cut", "ACK", Fields().u32(1).u64(1), "MALFORMED_FRAME"),
    request("ack with an unknown critical tag", "ACK", Fields().u32(1).token(1, 1).tag(77, b"", critical=True), "UNKNOWN_CRITICAL_TAG"),
    request("nack disposition 3", "NACK", nack(disposition=3), "INVALID_ARGUMENT"),
    request("nack delay of 2^64 - 2", "NACK", nack(delay=2**64 - 2), "INVALID_ARGUMENT"),
    request("nack reason of 2,049 bytes", "NACK", nack(reason="r" * 2049), "INVALID_ARGUMENT"),
    request("4 billion nacks announced", "NACK", Fields().u32(2**32 - 1).add(nack()), "MALFORMED_FRAME"),
    request("progress of 101 %", "EXTEND", Fields().u32(0).u32(1).token(1, 1).u8(101).string(""), "INVALID_ARGUMENT"),
    request("extend cut", "EXTEND", Fields().u32(0).u32(1).token(1, 1).u8(0), "MALFORMED_FRAME"),
    request("settle of 65 groups", "SETTLE", settle(65, Fields().raw(group().data * 65)), "INVALID_ARGUMENT"),
    request("65 settle groups announced", "SETTLE", settle(65), "MALFORMED_FRAME"),
    request("settle group kind 2", "SETTLE", settle(1, group(kind=2)), "INVALID_ARGUMENT"),
    request("settle group without records", "SETTLE", settle(1, group(count=0)), "INVALID_ARGUMENT"),
    request("settle group of 4 GiB", "SETTLE", settle(1, group(byte_count=2**32 - 1)), "MALFORMED_FRAME"),
    request("settle group missing", "SETTLE", settle(2, group()), "MALFORMED_FRAME"),
    # Queues and topics.
    request("policy value of four bytes", "DECLARE", declare().tag(1, b"1234"), "MALFORMED_FRAME"),
    request("policy value of nine bytes", "DECLARE", declare().tag(1, b"123456789"), "MALFORMED_FRAME"),
    request("unknown critical policy", "DECLARE", declare().tag(99, bytes(8), critical=True), "UNKNOWN_CRITICAL_TAG"),
    request("lease over ten years", "DECLARE", declare().tag(1, struct.pack("<Q", TEN_YEARS + 1)), "INVALID_ARGUMENT"),
    request("back-off kind 2", "DECLARE", declare().tag(4, struct.pack("<Q", 2)), "INVALID_ARGUMENT"),
    request("jitter of 101 %", "DECLARE", declare().tag(7, struct.pack("<Q", 101)), "INVALID_ARGUMENT"),
    request("length of 2^53", "DECLARE", declare().tag(11, struct.pack("<Q", 2**53)), "INVALID_ARGUMENT"),
    request("dead-letter queue with a comma", "DECLARE", declare().tag(8, b"a,b"), "INVALID_ARGUMENT"),
    request("declare without a name", "DECLARE", declare(""), "INVALID_ARGUMENT"),
    request("stats of nothing", "STATS", Fields().string("*").string("").u32(0), "INVALID_ARGUMENT"),
    request("topics' stats of nothing", "TOPIC_STATS", Fields().string("*").string("").u32(0), "INVALID_ARGUMENT"),
    request("rate of 1,000,001", "DECLARE", declare().tag(17, u64(1_000_001)), "INVALID_ARGUMENT", judge="broker"),
    request("lease setting of 0", "DECLARE", declare().tag(1, u64(0)), "INVALID_ARGUMENT", judge="broker"),
    request("stats cut", "STATS", Fields().string("*").string(""), "MALFORMED_FRAME"),
    request("event for a topic without a name", "TOPIC_PUBLISH", publish(wire.record(PLAIN), queue=""), "INVALID_ARGUMENT"),
    request("event cut", "TOPIC_PUBLISH", cut(publish(wire.record(PLAIN)), 1), "MALFORMED_FRAME"),
    request("unsubscribe cut", "TOPIC_UNSUBSCRIBE", Fields().u16(1), "MALFORMED_FRAME"),
    request("unsubscribe from what is not there", "TOPIC_UNSUBSCRIBE", Fields().u32(9), "INVALID_ARGUMENT", judge="broker"),
    request("subscribe from 3", "TOPIC_SUBSCRIBE", Fields().u32(1).string("*").u8(3).u64(0).u64(0).u32(1), "INVALID_ARGUMENT"),
    request("credit cut", "TOPIC_CREDIT", Fields().u32(1), "MALFORMED_FRAME"),
    request("fair groups 2", "DECLARE", declare().tag(20, u64(2)), "INVALID_ARGUMENT"),
    request("rate per group of 2^32", "DECLARE", declare().tag(21, u64(2**32)), "INVALID_ARGUMENT"),
    # Several queues, and SETTLEs that name themselves.
    request("lease from a queue twice", "LEASE", lease().tag(1, Fields().string("r").string("q").data, critical=True), "INVALID_ARGUMENT"),
    request("lease from 65 queues", "LEASE", lease().tag(1, b"".join(Fields().string("r%d" % i).data for i in range(64)), critical=True), "INVALID_ARGUMENT"),
    request("lease from a queue without a name", "LEASE", lease().tag(1, Fields().string("").data, critical=True), "INVALID_ARGUMENT"),
    request("lease with a further queue cut", "LEASE", lease().tag(1, b"\x05\x00r", critical=True), "MALFORMED_FRAME"),
    request("settler id 0", "SETTLE", settle(1, group()).tag(2, bytes(16)), "INVALID_ARGUMENT"),
    request("settle identity of 15 bytes", "SETTLE", settle(1, group()).tag(2, b"\x01" * 15), "MALFORMED_FRAME"),
    request("settle identity of 17 bytes", "SETTLE", settle(1, group()).tag(2, b"\x01" * 17), "MALFORMED_FRAME"),
    # Results and AWAIT.
    request("result of 4,097 bytes", "ACK", ack(1, results((0, bytes(4097)))), "INVALID_ARGUMENT"),
    request("results of 65,537 bytes", "ACK", ack(17, results(*[(i, bytes(4096)) for i in range(16)], (16, b"x"))), "INVALID_ARGUMENT"),
    request("result for an ack that is not there", "ACK", ack(1, results((1, b"x"))), "INVALID_ARGUMENT"),
    request("two results for one ack", "ACK", ack(2, results((0, b"x"), (0, b"y"))), "INVALID_ARGUMENT"),
    request("results out of order", "ACK", ack(2, results((1, b"x"), (0, b"y"))), "INVALID_ARGUMENT"),
    request("result cut", "ACK", ack(1, results((0, b"xyz"))[:-1]), "MALFORMED_FRAME"),
    request("result of 4 GiB", "ACK", ack(1, struct.pack("<II", 0, 2**32 - 1)), "MALFORMED_FRAME"),
    request("settle with a result for a nack", "SETTLE", Fields().u32(0).add(nack()).u16(0).tag(1, results((0, b"x")), critical=True), "INVALID_ARGUMENT"),
    request("await nothing", "AWAIT", Fields().string("q").u32(0).u32(0), "INVALID_ARGUMENT"),
    request("await 1,001", "AWAIT", Fields().string("q").u32(1001).raw(bytes(8008)).u32(0), "INVALID_ARGUMENT"),
    request("await 4 billion", "AWAIT", Fields().string("q").u32(2**32 - 1).u64(1).u32(0), "MALFORMED_FRAME"),
    request("withdraw cut", "WITHDRAW", Fields().u16(7), "MALFORMED_FRAME"),
    request("withdraw with an unknown critical tag", "WITHDRAW", Fields().u32(7).tag(9, b"", critical=True), "UNKNOWN_CRITICAL_TAG"),
    # Queue operations.
    request("delete mode 2", "DELETE", Fields().string("q").u8(2), "INVALID_ARGUMENT"),
    request("delete without a name", "DELETE", Fields().string("").u8(0), "INVALID_ARGUMENT"),
    request("delete cut", "DELETE", Fields().string("q"), "MALFORMED_FRAME"),
    request("purge nothing", "PURGE", Fields().string("q").u8(0), "INVALID_ARGUMENT"),
    request("purge what is leased", "PURGE", Fields().string("q").u8(4), "INVALID_ARGUMENT"),
    request("pause nothing", "PAUSE", Fields().string("q").u8(0).string(""), "INVALID_ARGUMENT"),
    request("pause 4", "PAUSE", Fields().string("q").u8(4).string(""), "INVALID_ARGUMENT"),
    request("pause with a reason of 2,049 bytes", "PAUSE", Fields().string("q").u8(1).string("r" * 2049), "INVALID_ARGUMENT"),
    request("resume with an unknown critical tag", "RESUME", Fields().string("q").tag(9, b"", critical=True), "UNKNOWN_CRITICAL_TAG"),
    request("browse nothing", "BROWSE", browse(max=0), "INVALID_ARGUMENT"),
    request("browse 65,537", "BROWSE", browse(max=65537), "INVALID_ARGUMENT"),
    request("filter of 4 GiB", "BROWSE", browse(length=2**32 - 1), "MALFORMED_FRAME"),
    request("filter with a cut field", "BROWSE", browse(Fields().raw(b"\x01\x00\x08\x00\x00\x00\x01")), "MALFORMED_FRAME"),
    request("filter with an unknown field", "BROWSE", browse(Fields().tag(12, b"x")), "UNKNOWN_CRITICAL_TAG"),
    request("filter with an unknown critical field", "REDRIVE", Fields().string("q").string("").u32(0).u32(0)
            .add(filter(Fields().tag(99, b"", critical=True))), "UNKNOWN_CRITICAL_TAG"),
    request("filter without a state", "BROWSE", browse(Fields().tag(1, u64(0))), "INVALID_ARGUMENT"),
    request("filter with an unknown state", "BROWSE", browse(Fields().tag(1, u64(8))), "INVALID_ARGUMENT"),
    request("filter's age of four bytes", "BROWSE", browse(Fields().tag(2, b"1234")), "MALFORMED_FRAME"),
    request("filter's age of nine bytes", "BROWSE", browse(Fields().tag(3, b"123456789")), "MALFORMED_FRAME"),
    request("filter's group of 256 bytes", "BROWSE", browse(Fields().tag(6, b"g" * 256)), "INVALID_ARGUMENT"),
    request("filter's group that is no UTF-8", "BROWSE", browse(Fields().tag(6, b"\xff")), "MALFORMED_FRAME"),
    request("filter's header without a name", "BROWSE", browse(Fields().tag(7, text_pair("", "x"))), "INVALID_ARGUMENT"),
    request("filter's header cut", "BROWSE", browse(Fields().tag(7, text_pair("a", "x")[:-1])), "MALFORMED_FRAME"),
    request("filter's header with a byte too many", "BROWSE", browse(Fields().tag(8, text_pair("a", "x") + b"y")), "MALFORMED_FRAME"),
    request("filter with 33 headers", "BROWSE",
            browse(Fields().raw(Fields().tag(7, text_pair("a", "x")).tag(8, text_pair("", "x")).data * 17)), "INVALID_ARGUMENT"),
    request("filter's reason of 2,049 bytes", "BROWSE", browse(Fields().tag(10, b"r" * 2049)), "INVALID_ARGUMENT"),
    request("filter without an id", "BROWSE", browse(Fields().tag(11, b"")), "INVALID_ARGUMENT"),
    request("filter's ids of nine bytes", "BROWSE", browse(Fields().tag(11, bytes(9))), "MALFORMED_FRAME"),
    request("why cut", "WHY", Fields().string("q").u32(1), "MALFORMED_FRAME"),
    request("why without a queue", "WHY", Fields().string("").u64(1), "INVALID_ARGUMENT"),
    request("get cut", "GET", Fields().string("q").u64(1), "MALFORMED_FRAME"),
    request("cancel nothing", "CANCEL", Fields().string("q").string("").u32(0), "INVALID_ARGUMENT"),
    request("cancel 4 billion", "CANCEL", Fields().string("q").string("").u32(2**32 - 1).u64(1), "MALFORMED_FRAME"),
    request("reschedule by over ten years", "RESCHEDULE", Fields().string("q").u64(TEN_YEARS + 1).u32(1).u64(1), "INVALID_ARGUMENT"),
    request("reschedule nothing", "RESCHEDULE", Fields().string("q").u64(0).u32(0), "INVALID_ARGUMENT"),
    request("redrive to a name with a star", "REDRIVE", Fields().string("q").string("a*").u32(0).u32(0).u32(0), "INVALID_ARGUMENT"),
    request("bulk action 6", "BULK", bulk(action=6), "INVALID_ARGUMENT"),
    request("bulk cancel of a job", "BULK", bulk(action=0, job=1), "INVALID_ARGUMENT"),
    request("look at no job", "BULK", bulk(action=4), "INVALID_ARGUMENT"),
    request("move to nowhere", "BULK", bulk(action=2), "INVALID_ARGUMENT"),
    request("bulk reschedule by over ten years", "BULK", bulk(action=3, delay=TEN_YEARS + 1), "INVALID_ARGUMENT"),
    # Topics and workers.
    request("retention of every topic but none", "TOPIC_DECLARE", Fields().string(""), "INVALID_ARGUMENT"),
    request("retention over ten years", "TOPIC_DECLARE", retention(1, u64(TEN_YEARS + 1)), "INVALID_ARGUMENT"),
    request("retention of 2^53 bytes", "TOPIC_DECLARE", retention(2, u64(2**53)), "INVALID_ARGUMENT"),
    request("retention of four bytes", "TOPIC_DECLARE", retention(3, b"1234"), "MALFORMED_FRAME"),
    request("unknown critical retention", "TOPIC_DECLARE", retention(4, u64(1), critical=True), "UNKNOWN_CRITICAL_TAG"),
    request("no workers asked for", "WORKERS", Fields().string("*").u64(0).u32(0).u8(0), "INVALID_ARGUMENT"),
    request("worker action 3", "WORKER_CONTROL", control(action=3), "INVALID_ARGUMENT"),
    request("worker label of 256 bytes", "WORKER_CONTROL", control(label="l" * 256), "INVALID_ARGUMENT"),
    # What a client must refuse.
    request("4 billion leased messages announced", "LEASE", Fields().u32(2**32 - 1).u32(0), "MALFORMED_FRAME", direction="reply"),
    request("4 billion runs announced", "PUBLISH", Fields().u32(2**32 - 1).u16(0), "MALFORMED_FRAME", direction="reply"),
    request("note on more items than there are", "ACK", noted(1, (0, 2)), "MALFORMED_FRAME", direction="reply"),
    request("note on no item", "ACK", noted(1, (0, 0)), "MALFORMED_FRAME", direction="reply"),
    request("note that begins at 2^32 - 1", "ACK", noted(1, (2**32 - 1, 2**32 - 1)), "MALFORMED_FRAME", direction="reply"),
    request("two notes on one item", "ACK", noted(2, (0, 2), (1, 1)), "MALFORMED_FRAME", direction="reply"),
    request("notes out of order", "ACK", noted(2, (1, 1), (0, 1)), "MALFORMED_FRAME", direction="reply"),
    request("note of 2,049 bytes", "ACK", noted(1, (0, 1), text="t" * 2049), "INVALID_ARGUMENT", direction="reply"),
    request("note cut", "ACK", Fields().u32(1).u16(0).u32(1).tag(0x7F02, bytes(13)), "MALFORMED_FRAME", direction="reply"),
    request("note on a message that was not published", "PUBLISH", Fields().u32(1).u16(27).u32(3).u64(0).tag(0x7F02, note(3, 1).data), "MALFORMED_FRAME",
            direction="reply"),
    request("4 billion queues announced", "STATS", Fields().u32(2**32 - 1).raw(bytes(64)), "MALFORMED_FRAME", direction="reply"),
    request("4 billion events announced", "TOPIC_EVENTS", Fields().u32(1).u64(1).u32(2**32 - 1), "MALFORMED_FRAME", direction="push"),
    request("4 billion browsed messages announced", "BROWSE", Fields().u64(0).u32(2**32 - 1).raw(bytes(64)), "MALFORMED_FRAME", direction="reply"),
    request("4 billion awaited results announced", "AWAIT", Fields().u32(2**32 - 1).raw(bytes(64)), "MALFORMED_FRAME", direction="reply"),
    request("awaited result of 4 GiB", "AWAIT", Fields().u32(1).u16(0).u8(2).u64(1).u32(2**32 - 1), "MALFORMED_FRAME", direction="reply"),
    request("pause's reason for a queue that is not there", "STATS", Fields().u32(0).u8(0).tag(1, struct.pack("<IH", 0, 0)), "MALFORMED_FRAME",
            direction="reply"),
    request("4 billion topics announced", "TOPIC_STATS", Fields().u64(1).u64(1).u64(1).u32(2**32 - 1).raw(bytes(64)), "MALFORMED_FRAME",
            direction="reply"),
    request("4 billion sessions announced", "WORKERS", Fields().u32(2**32 - 1).raw(bytes(64)), "MALFORMED_FRAME", direction="reply"),
    request("4 billion leases announced", "WORKERS", Fields().u32(1).u64(1).raw(bytes(8 + 16 + 1 + 4)).u16(0).u32(2**32 - 1), "MALFORMED_FRAME",
            direction="reply"),
    request("session with 33 labels", "WORKERS", Fields().u32(1).u64(1).raw(bytes(8 + 16 + 1 + 4)).u16(33).raw(bytes(256)), "MALFORMED_FRAME",
            direction="reply"),
    request("4 billion cancelled messages announced", "CANCELLED", Fields().u32(2**32 - 1).token(1, 1), "MALFORMED_FRAME", direction="push"),
    request("quiet cut", "QUIET", Fields().u8(0).u32(0), "MALFORMED_FRAME", direction="push"),
    request("65,535 first ids announced", "SETTLE", Fields().u16(65535).u64(1), "MALFORMED_FRAME", direction="reply"),
    request("leased with an unknown critical tag", "LEASE", Fields().u32(0).u32(0).tag(0x7000, b"", critical=True), "UNKNOWN_CRITICAL_TAG",
            direction="reply"),
    request("auth reply without principal and challenge", "AUTH", Fields().string(""), "MALFORMED_FRAME", direction="reply"),
    request("challenge of 65,537 bytes", "AUTH", Fields().string("").tag(1, bytes(65537)), "INVALID_ARGUMENT", direction="reply"),
    request("error reply cut", "PUBLISH", Fields().u16(16).u8(2), "MALFORMED_FRAME", direction="error"),
]
