internal import SpindleWire

// Operators' requests, and what waits for results, out of an input's bytes.
extension SessionScript {
    func administer(_ kind: Int) throws {
        guard let client = pickClient() else { return }
        let queue = name(NodeShell.queues)
        let reason = "r"
        switch kind {
        case 0: send(client, .delete) { DeleteRequest(queue: queue, mode: input.bool() ? .withMessages : .ifEmpty).encode(into: &$0) }
        case 1:
            let what = input.u8()
            send(client, .purge) { PurgeRequest(queue: queue, ready: what & 1 != 0, delayed: what & 2 != 0).encode(into: &$0) }
        case 2: send(client, .pause) { PauseRequest(queue: queue, what: .init(rawValue: input.u8() & 3), reason: reason).encode(into: &$0) }
        case 3: send(client, .resume) { ResumeRequest(queue: queue).encode(into: &$0) }
        case 4:
            let request = BrowseRequest(
                queue: queue, after: input.bool() ? 0 : id(), messagesMax: UInt32(1 + input.u8() & 7),
                bytesMax: UInt32(truncatingIfNeeded: input.number()), parts: .init(rawValue: input.u8() & 7), filter: filter())
            send(client, .browse) { request.encode(into: &$0) }
        case 5: send(client, .get) { GetRequest(queue: queue, id: id(), parts: .init(rawValue: input.u8() & 7)).encode(into: &$0) }
        case 6: send(client, .cancel) { CancelRequest(queue: queue, reason: reason, ids: ids()).encode(into: &$0) }
        case 7:
            let delay = min(input.number(), WireLimits.durationMillisecondsMax)
            send(client, .reschedule) { RescheduleRequest(queue: queue, delayMilliseconds: delay, ids: ids()).encode(into: &$0) }
        case 8:
            let request = RedriveRequest(
                queue: input.bool() ? "a.dead" : queue, target: input.bool() ? "" : name(NodeShell.queues), messagesMax: UInt32(input.u8()),
                ratePerSecond: UInt32(input.u8()), filter: filter())
            send(client, .redrive) { request.encode(into: &$0) }
        case 9:
            let request = BulkRequest(
                BulkRequest.Action.allCases[input.choice(BulkRequest.Action.allCases.count)], job: UInt64(input.u8() & 7), queue: queue,
                target: name(NodeShell.queues), delayMilliseconds: min(input.number(), WireLimits.durationMillisecondsMax),
                messagesMax: UInt32(input.u8()), ratePerSecond: UInt32(input.u8()), reason: reason, filter: filter())
            send(client, .bulk) { request.encode(into: &$0) }
        case 10:
            let request = AwaitRequest(queue: queue, ids: ids(), waitMilliseconds: UInt32(truncatingIfNeeded: input.number()))
            send(client, .await) { request.encode(into: &$0) }
        case 11:
            let fields = TopicRetentionFields(
                ageMillisecondsMax: input.bool() ? nil : min(input.number(), WireLimits.durationMillisecondsMax),
                bytesMax: input.bool() ? nil : min(input.number(), WireLimits.policyNumberMax),
                eventsMax: input.bool() ? nil : min(input.number(), WireLimits.policyNumberMax))
            send(client, .topicDeclare) { TopicDeclareRequest(pattern: name(NodeShell.topics + ["t.*", "*"]), retention: fields).encode(into: &$0) }
        case 12: send(client, .topicStats) { TopicStatsRequest(pattern: "*", after: "", max: UInt32(input.u8())).encode(into: &$0) }
        case 13:
            let request = WorkersRequest(pattern: "*", after: UInt64(input.u8()), max: UInt32(input.u8()), withLeases: input.bool())
            send(client, .workers) { request.encode(into: &$0) }
        case 14:
            let request = WorkerControlRequest(
                sessionID: UInt64(input.u8() & 7), label: input.bool() ? "" : "host", value: "x",
                action: WorkerAction(rawValue: input.u8() % 3) ?? .quiet, graceMilliseconds: UInt32(input.u8()), reason: reason)
            send(client, .workerControl) { request.encode(into: &$0) }
        default: acknowledgeWithResults(client)
        }
    }

    private func id() -> UInt64 {
        let choice = input.u8()
        guard !tokens.isEmpty, choice < 0xE0 else { return input.number() }
        return tokens[Int(choice) % tokens.count].messageID
    }

    private func ids() -> [UInt64] { (0..<Int(1 + input.u8() & 3)).map { _ in id() } }

    private func filter() -> MessageFilter {
        var filter = MessageFilter()
        let shape = input.u8()
        if shape & 1 != 0 { filter.states = .init(rawValue: UInt64(1 + input.u8() % 7)) }
        if shape & 2 != 0 { filter.ageMillisecondsMin = input.number() }
        if shape & 4 != 0 { filter.ageMillisecondsMax = input.number() }
        if shape & 8 != 0 { filter.attemptsMin = UInt64(input.u8() & 3) }
        if shape & 16 != 0 { filter.group = "g\(input.u8() & 3)" }
        if shape & 32 != 0 { filter.headersContaining = [.init(name: input.bool() ? "" : "n", text: "v")] }
        if shape & 64 != 0 { filter.lastReasonContains = "r" }
        if shape & 128 != 0 { filter.ids = ids() }
        return filter
    }

    private func acknowledgeWithResults(_ client: Int) {
        let tokens = chosenTokens()
        let results = tokens.isEmpty ? [] : [AckResult(index: UInt32(tokens.count - 1), bytes: input.take(Int(input.u8() & 0x0F)))]
        let correlation = send(client, .ack) { AckRequest(tokens: tokens, results: results).encode(into: &$0) }
        note(ack: tokens, of: correlation)
    }
}
