import SpindleWire

// What the vectors of queue operations mean, as the values of SpindleWire.

extension JSONValue {
    /// The case that a name stands for.
    func named<T>(_ key: String, _ values: [String: T]) throws -> T {
        guard let value = values[try text(key)] else { throw WrongShape(key: key) }
        return value
    }

    /// The texts of a list.
    func texts(_ key: String) throws -> [String] { try array(key).map { try $0.textValue } }

    /// A list of 64-bit identifiers.
    func identifiers(_ key: String) throws -> [UInt64] { try texts(key).map { try Self.identifier($0, key) } }

    /// A member that is an object.
    func object(_ key: String) throws -> JSONValue {
        guard let value = self[key] else { throw WrongShape(key: key) }
        return value
    }
}

extension AckRequest {
    init(_ m: JSONValue) throws {
        self.init(tokens: try m.array("tokens").map { try DeliveryToken($0) }, results: try AckResult.list(m))
    }
}

extension AckResult {
    /// The results of an ACK or SETTLE.
    static func list(_ m: JSONValue) throws -> [AckResult] {
        guard m["results"] != nil else { return [] }
        return try m.array("results").map { AckResult(index: try $0.number("itemIndex"), bytes: try SpindleConformanceTests.bytes($0.text("hex"))) }
    }
}

extension DeleteRequest {
    init(_ m: JSONValue) throws {
        self.init(queue: try m.text("queue"), mode: try m.named("mode", ["ifEmpty": .ifEmpty, "withMessages": .withMessages]))
    }
}

extension PurgeRequest {
    init(_ m: JSONValue) throws {
        let states = try m.texts("states")
        self.init(queue: try m.text("queue"), ready: states.contains("ready"), delayed: states.contains("delayed"))
    }
}

extension PauseRequest {
    init(_ m: JSONValue) throws {
        var what: QueuePause = []
        for name in try m.texts("what") { what.insert(name == "deliveries" ? .deliveries : .publishes) }
        self.init(queue: try m.text("queue"), what: what, reason: try m.text("reason"))
    }
}

extension MessageFilter {
    /// The filter inside a request.
    init(in request: JSONValue) throws {
        let m = try request.object("filter")
        self.init()
        if m["states"] != nil {
            let bits: [String: States] = ["ready": .ready, "leased": .leased, "delayed": .delayed]
            states = States(try m.texts("states").compactMap { bits[$0] })
        }
        ageMillisecondsMin = try m.optionalNumber("ageMsMin")
        ageMillisecondsMax = try m.optionalNumber("ageMsMax")
        attemptsMin = try m.optionalNumber("attemptsMin")
        attemptsMax = try m.optionalNumber("attemptsMax")
        group = try m.optionalText("group")
        headersEqual = try Self.conditions(m, "headersEqual")
        headersContaining = try Self.conditions(m, "headersContaining")
        originQueue = try m.optionalText("originQueue")
        lastReasonContains = try m.optionalText("lastReasonContains")
        if m["ids"] != nil { ids = try m.identifiers("ids") }
    }

    private static func conditions(_ m: JSONValue, _ key: String) throws -> [HeaderCondition] {
        guard m[key] != nil else { return [] }
        return try m.array(key).map { HeaderCondition(name: try $0.text("name"), text: try $0.text("text")) }
    }
}

extension BrowseParts {
    init(_ m: JSONValue) throws {
        self = []
        for name in try m.texts("parts") { insert(name == "records" ? .records : .histories) }
    }
}

extension BrowseRequest {
    init(_ m: JSONValue) throws {
        self.init(
            queue: try m.text("queue"), after: try m.identifier("after"), messagesMax: try m.number("messagesMax"),
            bytesMax: try m.number("bytesMax"), parts: try BrowseParts(m), filter: try MessageFilter(in: m))
    }
}

extension GetRequest {
    init(_ m: JSONValue) throws { self.init(queue: try m.text("queue"), id: try m.identifier("id"), parts: try BrowseParts(m)) }
}

extension WhyRequest {
    init(_ m: JSONValue) throws { self.init(queue: try m.text("queue"), id: try m.identifier("id")) }
}

extension WhyReply {
    init(_ m: JSONValue) throws {
        self.init(
            try m.named("state", Self.names(State.allCases)), try m.named("cause", Self.names(Cause.allCases)),
            sinceMilliseconds: try m.number("sinceMs"))
        next = try m.named("next", Self.names(Next.allCases))
        nextAtMilliseconds = try m.number("nextAtMs")
        if m["subject"] != nil { subject = try m.text("subject") }
        if m["reason"] != nil { reason = try m.text("reason") }
        if m["count"] != nil { count = try m.number("count") }
        if m["limit"] != nil { limit = try m.number("limit") }
        if m["otherId"] != nil { otherID = try m.identifier("otherId") }
    }

    private static func names<Value>(_ values: [Value]) -> [String: Value] {
        Dictionary(uniqueKeysWithValues: values.map { ("\($0)", $0) })
    }
}

extension BrowseReplyHead {
    init(_ m: JSONValue) throws { self.init(next: try m.identifier("next"), items: try m.array("messages").map { try Item($0) }) }
}

extension BrowseReplyHead.Item {
    init(_ m: JSONValue) throws {
        self.init(
            id: try m.identifier("id"),
            state: try m.named("state", ["ready": .ready, "leased": .leased, "delayed": .delayed, "cancelled": .cancelled]),
            epoch: try m.number("epoch"), attempts: try m.number("attempts"), storedAtMilliseconds: try m.number("storedAtMs"))
        dueAtMilliseconds = try m.number("dueAtMs")
        holder = try m.text("holder")
        percent = m.isNull("percent") ? ExtendRequest.Item.noPercent : try m.number("percent")
        note = try m.text("note")
        if m["record"] != nil { recordByteCount = UInt32(try StoredRecord(in: m).bytes.count) }
    }
}

extension CancelRequest {
    init(_ m: JSONValue) throws { self.init(queue: try m.text("queue"), reason: try m.text("reason"), ids: try m.identifiers("ids")) }
}

extension CancelReply {
    init(_ m: JSONValue) throws {
        self.init(items: try m.array("items").map {
            Item(status: ItemStatus(rawValue: try $0.number("status")), was: try $0.named("was", ["ready": .ready, "leased": .leased, "delayed": .delayed]))
        }, notes: try ItemNotes(m))
    }
}

extension RescheduleRequest {
    init(_ m: JSONValue) throws {
        self.init(queue: try m.text("queue"), delayMilliseconds: try m.number("delayMs"), ids: try m.identifiers("ids"))
    }
}

extension RedriveRequest {
    init(_ m: JSONValue) throws {
        self.init(
            queue: try m.text("queue"), target: try m.text("target"), messagesMax: try m.number("messagesMax"),
            ratePerSecond: try m.number("ratePerSecond"), filter: try MessageFilter(in: m))
    }
}

extension BulkRequest {
    init(_ m: JSONValue) throws {
        let actions: [String: Action] = [
            "cancel": .cancel, "redrive": .redrive, "move": .move, "reschedule": .reschedule, "look": .look, "stop": .stop,
        ]
        self.init(
            try m.named("action", actions), job: try m.identifier("job"), queue: try m.text("queue"), target: try m.text("target"),
            delayMilliseconds: try m.number("delayMs"), messagesMax: try m.number("messagesMax"), ratePerSecond: try m.number("ratePerSecond"),
            reason: try m.text("reason"), filter: try MessageFilter(in: m))
    }
}

extension JobReply {
    init(_ m: JSONValue) throws {
        self.init(
            job: try m.identifier("job"), matched: try m.number("matched"), done: try m.number("done"), failed: try m.number("failed"),
            state: try m.named("state", ["running": .running, "done": .done, "stopped": .stopped]), lastFailure: try m.optionalText("lastFailure") ?? "")
    }
}

extension AwaitRequest {
    init(_ m: JSONValue) throws {
        self.init(queue: try m.text("queue"), ids: try m.identifiers("ids"), waitMilliseconds: try m.number("waitMs"))
    }
}

extension AwaitReply {
    init(_ m: JSONValue) throws {
        let states: [String: State] = ["unknown": .unknown, "pending": .pending, "acknowledged": .acknowledged, "dead": .dead, "cancelled": .cancelled]
        self.init(items: try m.array("items").map {
            Item(
                status: ItemStatus(rawValue: try $0.number("status")), state: try $0.named("state", states),
                settledAtMilliseconds: try $0.number("settledAtMs"), result: try bytes($0.text("resultHex")))
        })
    }
}

extension CancelledNotice {
    init(_ m: JSONValue) throws {
        self.init(tokens: try m.array("tokens").map { try DeliveryToken($0) }, reason: try m.text("reason"))
    }
}
