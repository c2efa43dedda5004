import SpindleWire

// What the vectors of topics' and workers' administration mean, as the values of SpindleWire.

extension TopicDeclareRequest {
    init(_ m: JSONValue) throws {
        let retention = try m.object("retention")
        self.init(
            pattern: try m.text("pattern"),
            retention: TopicRetentionFields(
                ageMillisecondsMax: try retention.optionalNumber("ageMsMax"), bytesMax: try retention.optionalNumber("bytesMax"),
                eventsMax: try retention.optionalNumber("eventsMax")))
    }
}

extension TopicStatsReply {
    init(_ m: JSONValue) throws {
        self.init(
            epoch: try m.identifier("epoch"), earliestOffset: try m.identifier("earliestOffset"), latestOffset: try m.identifier("latestOffset"),
            topics: try m.array("topics").map { try Topic($0) }, moreFollow: try m.bool("moreFollow"))
    }
}

extension TopicStatsReply.Topic {
    init(_ m: JSONValue) throws {
        self.init(name: try m.text("name"))
        events = try m.number("events")
        bytes = try m.number("bytes")
        earliestOffset = try m.identifier("earliestOffset")
        latestOffset = try m.identifier("latestOffset")
        published = try m.number("published")
        subscriptions = try m.number("subscriptions")
        oldestAgeMilliseconds = try m.number("oldestAgeMs")
    }
}

private let wishes: [String: WorkerAction] = ["quiet": .quiet, "resume": .resume, "terminate": .terminate]

extension QuietNotice {
    init(_ m: JSONValue) throws {
        self.init(action: try m.named("action", wishes), graceMilliseconds: try m.number("graceMs"), reason: try m.text("reason"))
    }
}

extension WorkerControlRequest {
    init(_ m: JSONValue) throws {
        self.init(
            sessionID: try m.identifier("sessionId"), label: try m.text("label"), value: try m.text("value"), action: try m.named("action", wishes),
            graceMilliseconds: try m.number("graceMs"), reason: try m.text("reason"))
    }
}

extension WorkersRequest {
    init(_ m: JSONValue) throws {
        self.init(pattern: try m.text("pattern"), after: try m.identifier("after"), max: try m.number("max"), withLeases: try m.bool("withLeases"))
    }
}

extension WorkersReply {
    init(_ m: JSONValue) throws {
        self.init(sessions: try m.array("sessions").map { try Session($0) }, moreFollow: try m.bool("moreFollow"))
    }
}

extension WorkersReply.Session {
    init(_ m: JSONValue) throws {
        self.init(id: try m.identifier("id"))
        principal = try m.text("principal")
        clientName = try m.text("clientName")
        clientVersion = try m.text("clientVersion")
        address = try m.text("address")
        connectedAtMilliseconds = try m.number("connectedAtMs")
        heardAtMilliseconds = try m.number("heardAtMs")
        isQuiet = try m.bool("quiet")
        waits = try m.bool("waits")
        held = try m.number("held")
        labels = try m.array("labels").map { HelloRequest.Label(name: try $0.text("name"), value: try $0.text("value")) }
        leases = try m.array("leases").map { try WorkersReply.Lease($0) }
    }
}

extension WorkersReply.Lease {
    init(_ m: JSONValue) throws {
        self.init(
            queue: try m.text("queue"), token: try DeliveryToken(m), attempt: try m.number("attempt"), leasedAtMilliseconds: try m.number("leasedAtMs"),
            endsAtMilliseconds: try m.number("endsAtMs"))
        percent = m.isNull("percent") ? ExtendRequest.Item.noPercent : try m.number("percent")
        note = try m.text("note")
    }
}
