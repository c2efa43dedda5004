import SpindleWire

// What a vector means, as the values of SpindleWire.

extension MessageRecord {
    init(_ meaning: JSONValue) throws {
        self.init(body: try meaning["bodyHex"].map { try bytes($0.textValue) } ?? Array(try meaning.text("bodyText").utf8))
        if let flags = meaning["flags"] {
            guard case .array(let names) = flags else { throw JSONValue.WrongShape(key: "flags") }
            for name in names where try name.textValue == "lz4" { self.flags.insert(.lz4) }
        }
        if let priority = try meaning.optionalNumber("priority") { self.priority = UInt8(priority) }
        correlationID = try meaning.optionalText("correlationId")
        contentType = try meaning.optionalText("contentType")
        taskType = try meaning.optionalText("taskType")
        group = try meaning.optionalText("group")
        deduplicationKey = try meaning.optionalText("dedupKey")
        delayMilliseconds = try meaning.optionalNumber("delayMs") ?? 0
        timeToLiveMilliseconds = try meaning.optionalNumber("ttlMs") ?? 0
        expandedByteCount = UInt32(try meaning.optionalNumber("expandedBytes") ?? 0)
        if meaning["headers"] != nil {
            userHeaders = try meaning.array("headers").map { UserHeader(name: try $0.text("name"), value: try $0.text("value")) }
        }
    }

    func encoded() throws -> [UInt8] {
        var writer = WireWriter()
        try encode(into: &writer)
        return writer.array()
    }
}

extension Capabilities {
    init(_ names: [JSONValue]) throws {
        self = []
        for name in names {
            switch try name.textValue {
            case "lz4": insert(.lz4)
            case "settleIdentity": insert(.settleIdentity)
            default: break
            }
        }
    }
}

extension HelloRequest {
    init(_ m: JSONValue) throws {
        self.init(
            versionMin: try m.number("versionMin"), versionMax: try m.number("versionMax"), capabilities: try Capabilities(m.array("capabilities")),
            clientName: try m.text("clientName"), clientVersion: try m.text("clientVersion"),
            labels: try m.array("labels").map { Label(name: try $0.text("name"), value: try $0.text("value")) })
    }
}

extension HelloReply {
    init(_ m: JSONValue) throws {
        self.init(
            version: try m.number("version"), capabilities: try Capabilities(m.array("capabilities")), frameBytesMax: try m.number("frameBytesMax"),
            inFlightMax: try m.number("inFlightMax"), heartbeatMilliseconds: try m.number("heartbeatMs"), serverID: try bytes(m.text("serverId")),
            serverName: try m.text("serverName"), serverVersion: try m.text("serverVersion"),
            opcodes: try m.array("opcodes").map {
                OpcodeVersions(opcode: try opcode(named: $0.text("opcode")).rawValue, versionMin: try $0.number("min"), versionMax: try $0.number("max"))
            }, outputWindowBytes: try m.optionalNumber("outputWindowBytes"))
    }
}

struct UnknownOpcode: Error { var name: String }

func opcode(named name: String) throws -> Opcode {
    guard let opcode = Opcode.allCases.first(where: { $0.name == name }) else { throw UnknownOpcode(name: name) }
    return opcode
}

private func mechanismData(_ m: JSONValue) throws -> [UInt8]? { m.contains("dataHex") ? try bytes(m.text("dataHex")) : nil }

extension AuthReply {
    init(_ m: JSONValue) throws { self.init(principal: try m.text("principal"), data: try mechanismData(m)) }
}

extension AuthRequest {
    init(_ m: JSONValue) throws {
        let method = try m.text("method")
        self.init(method: method == "token" ? .token : method == "mechanism" ? .mechanism : .clientCertificate, credential: try m.text("credential"))
        data = try mechanismData(m)
    }
}

extension GoingAwayNotice {
    init(_ m: JSONValue) throws { self.init(graceMilliseconds: try m.number("graceMs"), reason: try m.text("reason")) }
}

extension ItemNotes {
    init(_ m: JSONValue) throws {
        guard m["notes"] != nil else {
            self.init()
            return
        }
        self.init(try m.array("notes").map {
            Note(
                first: try $0.number("first"), count: try $0.number("count"), retryAfterMilliseconds: try $0.number("retryAfterMs"),
                text: try $0.text("text"))
        })
    }
}

extension PublishReply {
    init(_ m: JSONValue) throws {
        self.init(runs: try m.array("runs").map {
            Run(status: ItemStatus(rawValue: try $0.number("status")), count: try $0.number("count"), firstID: try $0.identifier("firstId"))
        }, notes: try ItemNotes(m))
    }
}

extension DeliveryToken {
    init(_ m: JSONValue) throws { self.init(messageID: try m.identifier("id"), epoch: try m.number("epoch")) }
}

extension LeaseRequest {
    init(_ m: JSONValue) throws {
        self.init(
            queue: try m.text("queue"), messagesMax: try m.number("messagesMax"), bytesMax: try m.number("bytesMax"),
            leaseMilliseconds: try m.number("leaseMs"), waitMilliseconds: try m.number("waitMs"),
            others: m["others"] == nil ? [] : try m.array("others").map { try $0.textValue })
    }
}

extension LeaseReplyHead {
    init(_ m: JSONValue) throws {
        self.init(leaseMilliseconds: try m.number("leaseMs"), items: try m.array("messages").map {
            Item(
                token: try DeliveryToken($0), attempt: try $0.number("attempt"), storedAtMilliseconds: try $0.number("storedAtMs"),
                recordByteCount: UInt32(try StoredRecord(in: $0).bytes.count))
        })
    }
}

/// The record inside a delivery or an event; none where a stand-in takes its place.
struct StoredRecord {
    let record: MessageRecord?
    let bytes: [UInt8]
    /// What a stand-in means.
    var status = ErrorCode.recordDamaged

    init(_ record: MessageRecord) throws {
        self.record = record
        bytes = try record.encoded()
    }

    init(in m: JSONValue) throws {
        guard let meaning = m["record"] else { throw JSONValue.WrongShape(key: "record") }
        guard meaning["standInBytes"] != nil else {
            guard meaning.texts(in: "flags").contains("withheld") else {
                self = try StoredRecord(MessageRecord(meaning))
                return
            }
            record = nil
            bytes = try Self.withheld(meaning)
            status = .recordCompressed
            return
        }
        record = nil
        var place = [UInt8](repeating: 0xFF, count: try meaning.number("standInBytes"))
        place.withUnsafeMutableBytes { StandIn.write(into: $0) }
        bytes = place
    }

    /// What becomes of a record with the same headers and a compressed body of as many bytes, whatever they are.
    private static func withheld(_ meaning: JSONValue) throws -> [UInt8] {
        var record = try MessageRecord(meaning)
        record.flags = .lz4
        record.body = record.body.indices.map { UInt8(truncatingIfNeeded: $0 | 1) }
        var bytes = try record.encoded()
        bytes.withUnsafeMutableBytes { StandIn.withhold($0) }
        return bytes
    }
}

extension DeadLetterNote {
    init(_ m: JSONValue) throws {
        let outcomes: [String: Attempt.Outcome] = ["nacked": .nacked, "expired": .expired, "disconnected": .disconnected]
        self.init(
            itemIndex: try m.number("itemIndex"), originQueue: try m.text("originQueue"), reason: try m.text("reason"),
            deadAtMilliseconds: try m.number("deadAtMs"),
            attempts: try m.array("attempts").map {
                guard let outcome = outcomes[try $0.text("outcome")] else { throw JSONValue.WrongShape(key: "outcome") }
                return Attempt(
                    number: try $0.number("number"), leasedAtMilliseconds: try $0.number("leasedAtMs"), endedAtMilliseconds: try $0.number("endedAtMs"),
                    holder: try $0.text("holder"), outcome: outcome, reason: try $0.text("reason"))
            })
    }
}

extension NackItem {
    init(_ m: JSONValue) throws {
        let dispositions: [String: Disposition] = ["retry": .retry, "dead": .dead, "release": .release]
        guard let disposition = dispositions[try m.text("disposition")] else { throw JSONValue.WrongShape(key: "disposition") }
        self.init(
            token: try DeliveryToken(m), disposition: disposition,
            delayMilliseconds: m.isNull("delayMs") ? Self.delayByPolicy : try m.number("delayMs"), reason: try m.text("reason"))
    }
}

extension StatusReply {
    init(_ m: JSONValue) throws {
        self.init(runs: try m.array("runs").map { Run(status: ItemStatus(rawValue: try $0.number("status")), count: try $0.number("count")) }, notes: try ItemNotes(m))
    }
}

extension ExtendRequest {
    init(_ m: JSONValue) throws {
        self.init(leaseMilliseconds: try m.number("leaseMs"), items: try m.array("items").map {
            Item(token: try DeliveryToken($0), percent: $0.isNull("percent") ? Item.noPercent : try $0.number("percent"), note: try $0.text("note"))
        })
    }
}

extension ExtendReply {
    init(_ m: JSONValue) throws {
        self.init(leaseMilliseconds: try m.number("leaseMs"), items: try m.array("items").map {
            Item(status: ItemStatus(rawValue: try $0.number("status")), isCancelled: try $0.bool("cancelled"))
        }, notes: try ItemNotes(m))
    }
}

extension SettleReply {
    init(_ m: JSONValue) throws { self.init(firstIDs: try m.array("firstIds").map { try JSONValue.identifier($0.textValue, "firstIds") }) }
}

extension QueuePolicyFields {
    init(_ m: JSONValue) throws {
        self.init()
        leaseMilliseconds = try m.optionalNumber("leaseMs")
        leaseMaxMilliseconds = try m.optionalNumber("leaseMaxMs")
        attemptsMax = try m.optionalNumber("attemptsMax")
        backoffKind = try m.optionalNumber("backoffKind")
        backoffInitialMilliseconds = try m.optionalNumber("backoffInitialMs")
        backoffCapMilliseconds = try m.optionalNumber("backoffCapMs")
        backoffJitterPercent = try m.optionalNumber("backoffJitterPercent")
        deadLetterQueue = try m.optionalText("deadLetterQueue")
        deadLetterTopic = try m.optionalText("deadLetterTopic")
        delayMilliseconds = try m.optionalNumber("delayMs")
        timeToLiveMilliseconds = try m.optionalNumber("timeToLiveMs")
        lengthMax = try m.optionalNumber("lengthMax")
        bytesMax = try m.optionalNumber("bytesMax")
        deduplicationWindowMilliseconds = try m.optionalNumber("deduplicationWindowMs")
        orderedGroups = try m.optionalNumber("orderedGroups")
        concurrency = try m.optionalNumber("concurrency")
        concurrencyPerGroup = try m.optionalNumber("concurrencyPerGroup")
        ratePerSecond = try m.optionalNumber("ratePerSecond")
        priorities = try m.optionalNumber("priorities")
        resultRetentionMilliseconds = try m.optionalNumber("resultRetentionMs")
        fairGroups = try m.optionalNumber("fairGroups")
        ratePerSecondPerGroup = try m.optionalNumber("ratePerSecondPerGroup")
    }

    /// The policy inside a declaration or a queue's figures.
    init(in m: JSONValue) throws {
        guard let policy = m["policy"] else { throw JSONValue.WrongShape(key: "policy") }
        try self.init(policy)
    }
}

extension DeclareRequest {
    init(_ m: JSONValue) throws { self.init(queue: try m.text("queue"), policy: try QueuePolicyFields(in: m)) }
}

extension DeclareReply {
    init(_ m: JSONValue) throws {
        let outcomes: [String: Outcome] = ["unchanged": .unchanged, "created": .created, "changed": .changed]
        guard let outcome = outcomes[try m.text("outcome")] else { throw JSONValue.WrongShape(key: "outcome") }
        self.init(outcome: outcome)
    }
}

extension StatsRequest {
    init(_ m: JSONValue) throws { self.init(pattern: try m.text("pattern"), after: try m.text("after"), max: try m.number("max")) }
}

extension StatsReply {
    init(_ m: JSONValue) throws {
        self.init(queues: try m.array("queues").map { try Queue($0) }, moreFollow: try m.bool("moreFollow"))
    }
}

extension StatsReply.Queue {
    init(_ m: JSONValue) throws {
        self.init(name: try m.text("name"))
        ready = try m.number("ready")
        leased = try m.number("leased")
        delayed = try m.number("delayed")
        bytes = try m.number("bytes")
        oldestAgeMilliseconds = try m.number("oldestAgeMs")
        published = try m.number("published")
        delivered = try m.number("delivered")
        acknowledged = try m.number("acknowledged")
        nacked = try m.number("nacked")
        expired = try m.number("expired")
        dead = try m.number("dead")
        duplicates = try m.number("duplicates")
        waiters = try m.number("waiters")
        paused = try m.number("paused")
        policy = try QueuePolicyFields(in: m)
        pauseReason = try m.optionalText("pauseReason") ?? ""
    }
}

extension TopicCursor {
    init(_ m: JSONValue) throws {
        guard let cursor = TopicCursor(try m.text("cursor")) else { throw JSONValue.WrongShape(key: "cursor") }
        self = cursor
    }
}

extension TopicSubscribeRequest {
    init(_ m: JSONValue) throws {
        let start: Start = switch try m.text("from") {
        case "latest": .latest
        case "earliest": .earliest
        default: .after(try TopicCursor(m))
        }
        self.init(subscriptionID: try m.number("subscriptionId"), pattern: try m.text("pattern"), start: start, credit: try m.number("credit"))
    }
}

extension TopicEventsHead {
    init(_ m: JSONValue) throws {
        self.init(subscriptionID: try m.number("subscriptionId"), epoch: try m.identifier("epoch"), items: try m.array("events").map {
            Item(
                offset: try $0.identifier("offset"), storedAtMilliseconds: try $0.number("storedAtMs"), topic: try $0.text("topic"),
                recordByteCount: UInt32(try StoredRecord(in: $0).bytes.count))
        })
    }
}
