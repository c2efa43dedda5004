"""The wire format in Python, written from protocol/*.md alone: a second implementation to hold the first one to.

Everything here only encodes. Each field becomes one piece of hexadecimal, so that the vectors can be read beside the diagrams.
"""

import struct

OPCODES = {
    "HELLO": 0x0001, "AUTH": 0x0002, "PING": 0x0003, "GOING_AWAY": 0x0004, "QUIET": 0x0005,
    "PUBLISH": 0x0010, "LEASE": 0x0011, "ACK": 0x0012, "NACK": 0x0013, "EXTEND": 0x0014, "SETTLE": 0x0015,
    "AWAIT": 0x0016, "CANCELLED": 0x0017, "WITHDRAW": 0x0018,
    "DECLARE": 0x0020, "DELETE": 0x0021, "PURGE": 0x0022, "PAUSE": 0x0023, "RESUME": 0x0024, "STATS": 0x0025,
    "BROWSE": 0x0026, "GET": 0x0027, "CANCEL": 0x0028, "RESCHEDULE": 0x0029, "REDRIVE": 0x002A, "BULK": 0x002B,
    "TOPIC_PUBLISH": 0x0030, "TOPIC_SUBSCRIBE": 0x0031, "TOPIC_UNSUBSCRIBE": 0x0032, "TOPIC_CREDIT": 0x0033,
    "TOPIC_EVENTS": 0x0034, "TOPIC_GAP": 0x0035, "TOPIC_DECLARE": 0x0036, "TOPIC_STATS": 0x0037,
    "WORKERS": 0x0040, "WORKER_CONTROL": 0x0041, "WHY": 0x0042,
}

# code: (name, blast radius, retryable)
ERRORS = {
    16: ("MALFORMED_FRAME", "connection", False), 17: ("FRAME_TOO_LARGE", "connection", False),
    18: ("UNSUPPORTED_VERSION", "connection", False), 19: ("UNSUPPORTED", "request", False),
    20: ("HELLO_REQUIRED", "connection", False), 21: ("NOT_AUTHENTICATED", "connection", False),
    22: ("AUTHENTICATION_FAILED", "connection", False), 23: ("PERMISSION_DENIED", "request", False),
    24: ("INVALID_ARGUMENT", "request", False), 25: ("UNKNOWN_CRITICAL_TAG", "request", False),
    26: ("NO_SUCH_QUEUE", "request", False), 27: ("QUEUE_FULL", "item", True), 28: ("NO_SPACE", "request", True),
    29: ("TOO_MANY_IN_FLIGHT", "request", True), 30: ("RECORD_CORRUPT", "item", False),
    31: ("RECORD_INVALID", "item", False), 32: ("RECORD_TOO_LARGE", "item", False), 33: ("LEASE_LOST", "item", False),
    34: ("NO_SUCH_MESSAGE", "item", False), 35: ("GOING_AWAY", "request", True),
    36: ("SEQUENCE_OUT_OF_ORDER", "item", False), 37: ("QUEUE_PAUSED", "request", True),
    38: ("NO_SUCH_TOPIC", "request", False), 39: ("INTERNAL_ERROR", "request", True),
    40: ("HEARTBEAT_MISSED", "connection", True), 41: ("SLOW_READER", "connection", True),
    42: ("TOO_MANY_CONNECTIONS", "connection", True), 43: ("TIMED_OUT", "request", True),
    44: ("CANCELLED", "item", False), 45: ("CONFLICT", "request", False), 46: ("NOT_OWNER", "request", True),
    47: ("RECORD_DAMAGED", "item", False), 48: ("RECORD_COMPRESSED", "item", False),
}
CODES = {name: code for code, (name, _, _) in ERRORS.items()}
RADII = {"item": 0, "request": 1, "connection": 2}
DELAY_BY_POLICY = 2**64 - 1
NO_PERCENT = 255


def _table():
    table = []
    for index in range(256):
        value = index
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def crc32c(data, crc=0):
    """CRC-32C as in RFC 3720 appendix B.4: reflected, start and end inverted."""
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283
assert crc32c(bytes(32)) == 0x8A9136AA


def lz4_expand(block, size):
    """Expands one raw LZ4 block: only to prove that the block below, made by hand, is one."""
    out = bytearray()
    at = 0
    while at < len(block):
        token = block[at]
        at += 1
        literals = token >> 4
        if literals == 15:
            while True:
                literals += block[at]
                at += 1
                if block[at - 1] != 255:
                    break
        out += block[at:at + literals]
        at += literals
        if at == len(block):
            break
        offset = struct.unpack_from("<H", block, at)[0]
        at += 2
        length = token & 15
        if length == 15:
            while True:
                length += block[at]
                at += 1
                if block[at - 1] != 255:
                    break
        for _ in range(length + 4):
            out.append(out[-offset])
    assert len(out) == size
    return bytes(out)


class Fields:
    """Pieces of bytes, one per field, and which tags are among them."""

    def __init__(self):
        self.pieces = []
        self.tags = []

    def raw(self, data):
        if data:
            self.pieces.append(bytes(data))
        return self

    def u8(self, value):
        return self.raw(struct.pack("<B", value))

    def u16(self, value):
        return self.raw(struct.pack("<H", value))

    def u32(self, value):
        return self.raw(struct.pack("<I", value))

    def u64(self, value):
        return self.raw(struct.pack("<Q", value))

    def string(self, text):
        data = text if isinstance(text, bytes) else text.encode("utf-8")
        return self.u16(len(data)).raw(data)

    def token(self, id, epoch):
        return self.u64(id).u32(epoch)

    def tag(self, number, data, critical=False, kind="tail"):
        self.tags.append(f"{kind} {number}")
        return self.u16(number | (0x8000 if critical else 0)).u32(len(data)).raw(data)

    def figure(self, number, value):
        """A figure of STATS or TOPIC_STATS."""
        self.tags.append(f"figure {number}")
        return self.u16(number).u64(value)

    def add(self, other):
        self.pieces += other.pieces
        self.tags += other.tags
        return self

    @property
    def data(self):
        return b"".join(self.pieces)

    @property
    def hex(self):
        return " ".join(piece.hex() for piece in self.pieces)


def header(id, value):
    data = value if isinstance(value, bytes) else value.encode("utf-8")
    return Fields().u8(id).u16(len(data)).raw(data)


RECORD_FLAGS = {"lz4": 0x01, "withheld": 0xC0}


def record(m, crc=None, length=None, version=1, flags=None, header_bytes=None, body_bytes=None, extra=b""):
    """One message record from its meaning; the keyword arguments put a fault into it."""
    if "standInBytes" in m:
        return stand_in(m["standInBytes"])
    headers = Fields()
    for id, key in ((1, "correlationId"), (2, "contentType"), (3, "taskType"), (4, "group"), (5, "dedupKey")):
        if key in m:
            headers.add(header(id, m[key]))
    for id, key in ((6, "delayMs"), (7, "ttlMs")):
        if key in m:
            headers.add(header(id, struct.pack("<Q", m[key])))
    if "expandedBytes" in m:
        headers.add(header(8, struct.pack("<I", m["expandedBytes"])))
    for user in m.get("headers", []):
        name = user["name"].encode("utf-8")
        headers.add(header(32, bytes([len(name)]) + name + user["value"].encode("utf-8")))
    headers.raw(extra)
    body = bytes.fromhex(m["bodyHex"]) if "bodyHex" in m else m["bodyText"].encode("utf-8")
    rest = Fields()
    rest.u8(version).u8(sum(RECORD_FLAGS[flag] for flag in m.get("flags", [])) if flags is None else flags)
    rest.u8(m.get("priority", 4)).u8(0)
    rest.u16(len(headers.data) if header_bytes is None else header_bytes).u16(0)
    rest.u32(len(body) if body_bytes is None else body_bytes)
    rest.add(headers).raw(body)
    whole = Fields()
    whole.u32(len(rest.data) + 8 if length is None else length)
    whole.u32(crc32c(rest.data) if crc is None else crc)
    return whole.add(rest)


def stand_in(size):
    """What a broker sends in place of a stored record of so many bytes that it cannot read."""
    rest = Fields().u8(1).u8(0x80).u8(0).u8(0).u16(0).u16(0).u32(size - 20).raw(bytes(size - 20))
    return Fields().u32(size).u32(crc32c(rest.data)).add(rest)


FLAGS = {"request": 0, "reply": 1, "error": 3, "push": 4}


def frame(opcode, direction, body, correlation=7, length=None, flags=None, version=1):
    """A whole frame. Pushes have the correlation id 0."""
    number = OPCODES[opcode] if isinstance(opcode, str) else opcode
    whole = Fields()
    whole.u32(12 + len(body.data) if length is None else length).u16(number).u8(version)
    whole.u8(FLAGS[direction] if flags is None else flags)
    whole.u32(0 if direction == "push" else correlation)
    return whole.add(body)


def number(text):
    """Identifiers are 64 bits wide and stand in JSON as hexadecimal text."""
    return int(text, 16)


def records(list):
    whole = Fields()
    for item in list:
        whole.add(record(item))
    return whole


def capabilities(m):
    return sum({"lz4": 1, "settleIdentity": 2}[name] for name in m["capabilities"])


def hello(m):
    body = Fields().raw(b"SPINDLE1").u16(m["versionMin"]).u16(m["versionMax"]).u64(capabilities(m))
    body.string(m["clientName"]).string(m["clientVersion"]).u16(len(m["labels"]))
    for label in m["labels"]:
        body.string(label["name"]).string(label["value"])
    return body


def hello_reply(m):
    body = Fields().u16(m["version"]).u64(capabilities(m)).u32(m["frameBytesMax"])
    body.u32(m["inFlightMax"]).u32(m["heartbeatMs"]).raw(bytes.fromhex(m["serverId"]))
    body.string(m["serverName"]).string(m["serverVersion"]).u16(len(m["opcodes"]))
    for opcode in m["opcodes"]:
        body.u16(OPCODES[opcode["opcode"]]).u8(opcode["min"]).u8(opcode["max"])
    if "outputWindowBytes" in m:
        body.tag(1, struct.pack("<Q", m["outputWindowBytes"]))
    return body


METHODS = {"token": 0, "clientCertificate": 1, "mechanism": 2}


def mechanism_data(body, m):
    """The bytes of a mechanism, in either direction."""
    return body.tag(1, bytes.fromhex(m["dataHex"])) if "dataHex" in m else body


def publish(m, name="queue"):
    data = records(m["records"])
    body = Fields().u64(number(m["producerId"])).u64(m["firstSequence"]).string(m[name])
    return body.u32(len(m["records"])).u32(len(data.data)).add(data)


def notes(body, m):
    """What a reply says of its items beside their statuses."""
    if "notes" in m:
        field = Fields()
        for note in m["notes"]:
            field.u32(note["first"]).u32(note["count"]).u32(note["retryAfterMs"]).string(note["text"])
        body.tag(0x7F02, field.data)
    return body


def publish_reply(m):
    body = Fields().u32(len(m["runs"]))
    for run in m["runs"]:
        body.u16(run["status"]).u32(run["count"]).u64(number(run["firstId"]))
    return notes(body, m)


def lease(m):
    body = Fields().string(m["queue"]).u32(m["messagesMax"]).u32(m["bytesMax"]).u32(m["leaseMs"]).u32(m["waitMs"])
    if "others" in m:
        names = Fields()
        for name in m["others"]:
            names.string(name)
        body.tag(1, names.data, critical=True)
    return body


OUTCOMES = {"nacked": 0, "expired": 1, "disconnected": 2}


def dead_letter(m):
    note = Fields().u32(m["itemIndex"]).string(m["originQueue"]).string(m["reason"]).u64(m["deadAtMs"]).u32(len(m["attempts"]))
    for attempt in m["attempts"]:
        note.u32(attempt["number"]).u64(attempt["leasedAtMs"]).u64(attempt["endedAtMs"])
        note.string(attempt["holder"]).u8(OUTCOMES[attempt["outcome"]]).string(attempt["reason"])
    return note


def lease_reply(m):
    body = Fields().u32(len(m["messages"])).u32(m["leaseMs"])
    for message in m["messages"]:
        body.token(number(message["id"]), message["epoch"]).u32(message["attempt"]).u64(message["storedAtMs"])
        body.u32(len(record(message["record"]).data))
    for message in m["messages"]:
        body.add(record(message["record"]))
    if "deadLetters" in m:
        notes = Fields()
        for note in m["deadLetters"]:
            notes.add(dead_letter(note))
        body.tag(1, notes.data)
    if "queueIndex" in m:
        body.tag(2, struct.pack("<H", m["queueIndex"]))
    return body


def tokens(list):
    body = Fields().u32(len(list))
    for item in list:
        body.token(number(item["id"]), item["epoch"])
    return body


def results(body, m):
    """What acknowledged messages leave behind; critical, so that a broker that would not keep it refuses."""
    if "results" in m:
        field = Fields()
        for result in m["results"]:
            data = bytes.fromhex(result["hex"])
            field.u32(result["itemIndex"]).u32(len(data)).raw(data)
        body.tag(1, field.data, critical=True)
    return body


DISPOSITIONS = {"retry": 0, "dead": 1, "release": 2}


def nacks(list):
    body = Fields().u32(len(list))
    for item in list:
        body.token(number(item["id"]), item["epoch"]).u8(DISPOSITIONS[item["disposition"]])
        body.u64(DELAY_BY_POLICY if item["delayMs"] is None else item["delayMs"]).string(item["reason"])
    return body


def statuses(m):
    body = Fields().u32(len(m["runs"]))
    for run in m["runs"]:
        body.u16(run["status"]).u32(run["count"])
    return notes(body, m)


def extend(m):
    body = Fields().u32(m["leaseMs"]).u32(len(m["items"]))
    for item in m["items"]:
        body.token(number(item["id"]), item["epoch"]).u8(NO_PERCENT if item["percent"] is None else item["percent"]).string(item["note"])
    return body


def extend_reply(m):
    body = Fields().u32(m["leaseMs"]).u32(len(m["items"]))
    for item in m["items"]:
        body.u16(item["status"]).u8(1 if item["cancelled"] else 0)
    return notes(body, m)


def settle(m):
    body = tokens(m["acks"]).add(nacks(m["nacks"])).u16(len(m["groups"]))
    for group in m["groups"]:
        data = records(group["records"])
        body.u8({"queue": 0, "topic": 1}[group["kind"]]).string(group["name"])
        body.u32(len(group["records"])).u32(len(data.data)).add(data)
    results(body, m)
    if "identity" in m:
        identity = m["identity"]
        body.tag(2, struct.pack("<QQ", number(identity["settlerId"]), identity["sequence"]), critical=identity["critical"])
    return body


def settle_reply(m):
    body = Fields().u16(len(m["firstIds"]))
    for id in m["firstIds"]:
        body.u64(number(id))
    return body


POLICY = {
    "leaseMs": 1, "leaseMaxMs": 2, "attemptsMax": 3, "backoffKind": 4, "backoffInitialMs": 5, "backoffCapMs": 6,
    "backoffJitterPercent": 7, "deadLetterQueue": 8, "delayMs": 9, "timeToLiveMs": 10, "lengthMax": 11, "bytesMax": 12,
    "deduplicationWindowMs": 13, "orderedGroups": 14, "concurrency": 15, "concurrencyPerGroup": 16, "ratePerSecond": 17,
    "priorities": 18, "resultRetentionMs": 19, "fairGroups": 20, "ratePerSecondPerGroup": 21,
    "deadLetterTopic": 22,
}


def policy(m):
    """Tags may come in any order; the vectors have the numbers first and the names last."""
    body = Fields()
    for name, tag in POLICY.items():
        if name in m and name not in ("deadLetterQueue", "deadLetterTopic"):
            body.tag(tag, struct.pack("<Q", m[name]), kind="policy")
    for name in ("deadLetterQueue", "deadLetterTopic"):
        if name in m:
            body.tag(POLICY[name], m[name].encode("utf-8"), kind="policy")
    return body


STATS = [
    "ready", "leased", "delayed", "bytes", "oldestAgeMs", "published", "delivered", "acknowledged", "nacked", "expired", "dead",
    "duplicates", "waiters", "paused",
]


def stats_reply(m):
    body = Fields().u32(len(m["queues"]))
    for queue in m["queues"]:
        body.string(queue["name"]).u16(len(STATS))
        for index, name in enumerate(STATS):
            body.figure(index + 1, queue[name])
        settings = policy(queue["policy"])
        body.u32(len(settings.data)).add(settings)
    body.u8(1 if m["moreFollow"] else 0)
    for index, queue in enumerate(m["queues"]):
        if "pauseReason" in queue:
            note = Fields().u32(index).string(queue["pauseReason"])
            body.tag(1, note.data)
    return body


def ids(list):
    body = Fields().u32(len(list))
    for id in list:
        body.u64(number(id))
    return body


STATE_BITS = {"ready": 1, "leased": 2, "delayed": 4}


def filter(m):
    """The filter's fields by number, behind their length."""
    fields = Fields()
    if "states" in m:
        fields.tag(1, struct.pack("<Q", sum(STATE_BITS[state] for state in m["states"])), kind="filter")
    for tag, key in ((2, "ageMsMin"), (3, "ageMsMax"), (4, "attemptsMin"), (5, "attemptsMax")):
        if key in m:
            fields.tag(tag, struct.pack("<Q", m[key]), kind="filter")
    if "group" in m:
        fields.tag(6, m["group"].encode("utf-8"), kind="filter")
    for header in m.get("headersEqual", []):
        fields.tag(7, Fields().string(header["name"]).string(header["text"]).data, kind="filter")
    for header in m.get("headersContaining", []):
        fields.tag(8, Fields().string(header["name"]).string(header["text"]).data, kind="filter")
    for tag, key in ((9, "originQueue"), (10, "lastReasonContains")):
        if key in m:
            fields.tag(tag, m[key].encode("utf-8"), kind="filter")
    if "ids" in m:
        fields.tag(11, b"".join(struct.pack("<Q", number(id)) for id in m["ids"]), kind="filter")
    return Fields().u32(len(fields.data)).add(fields)


PARTS = {"records": 1, "histories": 2}


def parts(list):
    return sum(PARTS[part] for part in list)


def browse(m):
    body = Fields().string(m["queue"]).u64(number(m["after"])).u32(m["messagesMax"]).u32(m["bytesMax"])
    return body.u8(parts(m["parts"])).add(filter(m["filter"]))


MESSAGE_STATES = {"ready": 0, "leased": 1, "delayed": 2, "cancelled": 3}


def browse_reply(m):
    body = Fields().u64(number(m["next"])).u32(len(m["messages"]))
    for message in m["messages"]:
        body.u64(number(message["id"])).u8(MESSAGE_STATES[message["state"]]).u32(message["epoch"]).u32(message["attempts"])
        body.u64(message["storedAtMs"]).u64(message["dueAtMs"]).string(message["holder"])
        body.u8(NO_PERCENT if message["percent"] is None else message["percent"]).string(message["note"])
        body.u32(len(record(message["record"]).data) if "record" in message else 0)
    for message in m["messages"]:
        if "record" in message:
            body.add(record(message["record"]))
    if "histories" in m:
        notes = Fields()
        for note in m["histories"]:
            notes.add(dead_letter(note))
        body.tag(1, notes.data)
    return body


def cancel_reply(m):
    body = Fields().u32(len(m["items"]))
    for item in m["items"]:
        body.u16(item["status"]).u8({"ready": 0, "leased": 1, "delayed": 2}[item["was"]])
    return notes(body, m)


def redrive(m):
    body = Fields().string(m["queue"]).string(m["target"]).u32(m["messagesMax"]).u32(m["ratePerSecond"])
    return body.add(filter(m["filter"]))


ACTIONS = {"cancel": 0, "redrive": 1, "move": 2, "reschedule": 3, "look": 4, "stop": 5}


def bulk(m):
    body = Fields().u8(ACTIONS[m["action"]]).u64(number(m["job"])).string(m["queue"]).string(m["target"]).u64(m["delayMs"])
    return body.u32(m["messagesMax"]).u32(m["ratePerSecond"]).string(m["reason"]).add(filter(m["filter"]))


def job_reply(m):
    body = Fields().u64(number(m["job"])).u64(m["matched"]).u64(m["done"]).u64(m["failed"])
    body.u8({"running": 0, "done": 1, "stopped": 2}[m["state"]])
    if "lastFailure" in m:
        body.tag(1, m["lastFailure"].encode("utf-8"))
    return body


AWAITED = {"unknown": 0, "pending": 1, "acknowledged": 2, "dead": 3, "cancelled": 4}


def await_reply(m):
    body = Fields().u32(len(m["items"]))
    for item in m["items"]:
        data = bytes.fromhex(item["resultHex"])
        body.u16(item["status"]).u8(AWAITED[item["state"]]).u64(item["settledAtMs"]).u32(len(data)).raw(data)
    return body


RETENTION = {"ageMsMax": 1, "bytesMax": 2, "eventsMax": 3}


def topic_declare(m):
    body = Fields().string(m["pattern"])
    for name, tag in RETENTION.items():
        if name in m["retention"]:
            body.tag(tag, struct.pack("<Q", m["retention"][name]), kind="retention")
    return body


TOPIC_STATS = [
    ("events", int), ("bytes", int), ("earliestOffset", number), ("latestOffset", number), ("published", int), ("subscriptions", int),
    ("oldestAgeMs", int),
]


def topic_stats_reply(m):
    body = Fields().u64(number(m["epoch"])).u64(number(m["earliestOffset"])).u64(number(m["latestOffset"])).u32(len(m["topics"]))
    for topic in m["topics"]:
        body.string(topic["name"]).u16(len(TOPIC_STATS))
        for index, (name, value) in enumerate(TOPIC_STATS):
            body.figure(index + 1, value(topic[name]))
    return body.u8(1 if m["moreFollow"] else 0)


def workers_reply(m):
    body = Fields().u32(len(m["sessions"]))
    for session in m["sessions"]:
        body.u64(number(session["id"]))
        for key in ("principal", "clientName", "clientVersion", "address"):
            body.string(session[key])
        body.u64(session["connectedAtMs"]).u64(session["heardAtMs"])
        body.u8((1 if session["quiet"] else 0) | (2 if session["waits"] else 0)).u32(session["held"]).u16(len(session["labels"]))
        for label in session["labels"]:
            body.string(label["name"]).string(label["value"])
        body.u32(len(session["leases"]))
        for held in session["leases"]:
            body.string(held["queue"]).token(number(held["id"]), held["epoch"]).u32(held["attempt"])
            body.u64(held["leasedAtMs"]).u64(held["endsAtMs"])
            body.u8(NO_PERCENT if held["percent"] is None else held["percent"]).string(held["note"])
    return body.u8(1 if m["moreFollow"] else 0)


WISHES = {"quiet": 0, "resume": 1, "terminate": 2}


def worker_control(m):
    body = Fields().u64(number(m["sessionId"])).string(m["label"]).string(m["value"])
    return body.u8(WISHES[m["action"]]).u32(m["graceMs"]).string(m["reason"])


PAUSES = {"deliveries": 1, "publishes": 2}
STARTS = {"latest": 0, "earliest": 1, "after": 2}


def cursor(body, text):
    epoch, offset = text.split(":")
    return body.u64(int(epoch, 16)).u64(int(offset, 16))


def subscribe(m):
    body = Fields().u32(m["subscriptionId"]).string(m["pattern"]).u8(STARTS[m["from"]])
    return cursor(body, m.get("cursor", "0:0")).u32(m["credit"])


def events(m):
    body = Fields().u32(m["subscriptionId"]).u64(number(m["epoch"])).u32(len(m["events"]))
    for event in m["events"]:
        body.u64(number(event["offset"])).u64(event["storedAtMs"]).string(event["topic"]).u32(len(record(event["record"]).data))
    for event in m["events"]:
        body.add(record(event["record"]))
    return body


def error(m):
    body = Fields().u16(m["code"]).u8(RADII[m["blastRadius"]]).u8(1 if m["retryable"] else 0).u32(m["retryAfterMs"]).string(m["message"])
    if "acceptedVersions" in m:
        body.tag(1, struct.pack("<HH", m["acceptedVersions"]["min"], m["acceptedVersions"]["max"]))
    return body


WHY_STATES = ["other", "ready", "leased", "delayed", "cancelled", "acknowledged", "dead", "removed", "elsewhere"]
WHY_CAUSES = [
    "other", "leased", "cancelled", "delayed", "backOff", "paused", "concurrency", "rate", "groupOrder", "groupConcurrency", "groupRate",
    "timeToLiveEnded", "deadLetter", "noConsumer", "consumersBusy", "consumersQuiet", "consumersFull", "behind", "logFull", "next", "ended", "moved"]
WHY_NEXTS = ["none", "leaseEnds", "becomesReady", "rateAllows", "otherLeaseEnds", "otherBecomesReady", "timeToLiveEnds", "forgotten"]


def why_reply(m):
    body = Fields().u8(WHY_STATES.index(m["state"])).u8(WHY_CAUSES.index(m["cause"])).u64(m["sinceMs"])
    body.u8(WHY_NEXTS.index(m["next"])).u64(m["nextAtMs"])
    for tag, key in ((1, "subject"), (2, "reason")):
        if key in m:
            body.tag(tag, m[key].encode("utf-8"))
    for tag, key in ((3, "count"), (4, "limit")):
        if key in m:
            body.tag(tag, struct.pack("<Q", m[key]))
    if "otherId" in m:
        body.tag(5, struct.pack("<Q", number(m["otherId"])))
    return body


ENCODERS = {
    ("HELLO", "request"): hello, ("HELLO", "reply"): hello_reply,
    ("AUTH", "request"): lambda m: mechanism_data(Fields().u8(METHODS[m["method"]]).string(m["credential"]), m),
    ("AUTH", "reply"): lambda m: mechanism_data(Fields().string(m["principal"]), m),
    ("PING", "request"): lambda m: Fields(), ("PING", "reply"): lambda m: Fields(), ("PING", "push"): lambda m: Fields(),
    ("GOING_AWAY", "push"): lambda m: Fields().u32(m["graceMs"]).string(m["reason"]),
    ("QUIET", "push"): lambda m: Fields().u8(WISHES[m["action"]]).u32(m["graceMs"]).string(m["reason"]),
    ("PUBLISH", "request"): publish, ("PUBLISH", "reply"): publish_reply,
    ("LEASE", "request"): lease, ("LEASE", "reply"): lease_reply,
    ("ACK", "request"): lambda m: results(tokens(m["tokens"]), m), ("ACK", "reply"): statuses,
    ("NACK", "request"): lambda m: nacks(m["items"]), ("NACK", "reply"): statuses,
    ("EXTEND", "request"): extend, ("EXTEND", "reply"): extend_reply,
    ("SETTLE", "request"): settle, ("SETTLE", "reply"): settle_reply,
    ("AWAIT", "request"): lambda m: Fields().string(m["queue"]).add(ids(m["ids"])).u32(m["waitMs"]), ("AWAIT", "reply"): await_reply,
    ("WITHDRAW", "request"): lambda m: Fields().u32(m["withdrawn"]),
    ("WITHDRAW", "reply"): lambda m: Fields().u8({"answered": 0, "withdrawn": 1}[m["outcome"]]),
    ("CANCELLED", "push"): lambda m: tokens(m["tokens"]).string(m["reason"]),
    ("DECLARE", "request"): lambda m: Fields().string(m["queue"]).add(policy(m["policy"])),
    ("DECLARE", "reply"): lambda m: Fields().u8({"unchanged": 0, "created": 1, "changed": 2}[m["outcome"]]),
    ("STATS", "request"): lambda m: Fields().string(m["pattern"]).string(m["after"]).u32(m["max"]),
    ("STATS", "reply"): stats_reply,
    ("DELETE", "request"): lambda m: Fields().string(m["queue"]).u8({"ifEmpty": 0, "withMessages": 1}[m["mode"]]),
    ("DELETE", "reply"): lambda m: Fields().u64(m["messagesRemoved"]),
    ("PURGE", "request"): lambda m: Fields().string(m["queue"]).u8(sum({"ready": 1, "delayed": 2}[state] for state in m["states"])),
    ("PURGE", "reply"): lambda m: Fields().u64(m["messagesRemoved"]),
    ("PAUSE", "request"): lambda m: Fields().string(m["queue"]).u8(sum(PAUSES[what] for what in m["what"])).string(m["reason"]),
    ("PAUSE", "reply"): lambda m: Fields(),
    ("RESUME", "request"): lambda m: Fields().string(m["queue"]), ("RESUME", "reply"): lambda m: Fields(),
    ("BROWSE", "request"): browse, ("BROWSE", "reply"): browse_reply,
    ("GET", "request"): lambda m: Fields().string(m["queue"]).u64(number(m["id"])).u8(parts(m["parts"])), ("GET", "reply"): browse_reply,
    ("CANCEL", "request"): lambda m: Fields().string(m["queue"]).string(m["reason"]).add(ids(m["ids"])), ("CANCEL", "reply"): cancel_reply,
    ("RESCHEDULE", "request"): lambda m: Fields().string(m["queue"]).u64(m["delayMs"]).add(ids(m["ids"])), ("RESCHEDULE", "reply"): statuses,
    ("REDRIVE", "request"): redrive, ("REDRIVE", "reply"): job_reply,
    ("BULK", "request"): bulk, ("BULK", "reply"): job_reply,
    ("TOPIC_PUBLISH", "request"): lambda m: publish(m, "topic"),
    ("TOPIC_PUBLISH", "reply"): lambda m: Fields().u64(number(m["epoch"])).add(publish_reply(m)),
    ("TOPIC_SUBSCRIBE", "request"): subscribe,
    ("TOPIC_SUBSCRIBE", "reply"): lambda m: cursor(Fields(), m["cursor"]),
    ("TOPIC_UNSUBSCRIBE", "request"): lambda m: Fields().u32(m["subscriptionId"]),
    ("TOPIC_UNSUBSCRIBE", "reply"): lambda m: Fields(),
    ("TOPIC_CREDIT", "request"): lambda m: Fields().u32(m["subscriptionId"]).u32(m["more"]),
    ("TOPIC_EVENTS", "push"): events,
    ("TOPIC_GAP", "push"): lambda m: cursor(Fields().u32(m["subscriptionId"]), m["cursor"]).string(m["reason"]),
    ("TOPIC_DECLARE", "request"): topic_declare,
    ("TOPIC_DECLARE", "reply"): lambda m: Fields().u8({"unchanged": 0, "created": 1, "changed": 2}[m["outcome"]]),
    ("TOPIC_STATS", "request"): lambda m: Fields().string(m["pattern"]).string(m["after"]).u32(m["max"]),
    ("TOPIC_STATS", "reply"): topic_stats_reply,
    ("WORKERS", "request"): lambda m: Fields().string(m["pattern"]).u64(number(m["after"])).u32(m["max"]).u8(1 if m["withLeases"] else 0),
    ("WORKERS", "reply"): workers_reply,
    ("WORKER_CONTROL", "request"): worker_control,
    ("WORKER_CONTROL", "reply"): lambda m: Fields().u32(m["sessionsReached"]),
    ("WHY", "request"): lambda m: Fields().string(m["queue"]).u64(number(m["id"])),
    ("WHY", "reply"): why_reply,
}


def body(opcode, direction, meaning):
    if direction == "error":
        return error(meaning)
    return ENCODERS[(opcode, direction)](meaning)
