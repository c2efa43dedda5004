internal import SpindleWire

// Requests that make sense, out of an input's bytes.
extension SessionScript {
    func request(_ kind: Int) throws {
        guard let client = pickClient() else { return }
        switch kind {
        case 0, 1: publish(client, .publish)
        case 2, 3: lease(client)
        case 4: acknowledge(client)
        case 5: nack(client)
        case 6: extend(client)
        case 7: settle(client)
        case 8: declare(client)
        case 9: publish(client, .topicPublish)
        case 10: subscribe(client)
        case 11: credit(client)
        case 12: send(client, .topicUnsubscribe) { TopicUnsubscribeRequest(subscriptionID: UInt32(input.u8() & 3)).encode(into: &$0) }
        case 13: stats(client)
        case 14: send(client, .ping) { _ in }
        default: try turn()
        }
    }

    func name(_ names: [String]) -> String {
        let choice = input.choice(names.count + 2)
        if choice < names.count { return names[choice] }
        return choice == names.count ? "a.dead" : "new.\(input.u8() & 7)"
    }

    private func publish(_ client: Int, _ opcode: Opcode) {
        let queue = name(opcode == .publish ? NodeShell.queues : NodeShell.topics)
        let count = 1 + input.choice(4)
        let producer = UInt64(input.u8() & 3)
        let sequence = producer == 0 ? 0 : input.number()
        var records = WireWriter()
        for _ in 0..<count { record(into: &records) }
        send(client, opcode) { writer in
            PublishRequest.encodeHead(
                producerID: producer, firstSequence: sequence, queue: queue, count: count, recordsByteCount: records.count, into: &writer)
            writer.bytes(records.span)
        }
    }

    private func record(into writer: inout WireWriter) {
        let shape = input.u8()
        var record = MessageRecord(body: [])
        switch shape & 3 {
        case 0, 1: record.body = input.take(Int(shape >> 6))
        case 2: record.body = [UInt8](repeating: shape, count: 1000)
        default: record.body = [UInt8](repeating: shape, count: 30_000)
        }
        if shape & 4 != 0 { record.priority = input.u8() % 10 }
        if shape & 8 != 0 { record.delayMilliseconds = min(input.number(), WireLimits.durationMillisecondsMax) }
        if shape & 16 != 0 { record.deduplicationKey = "k\(input.u8() & 3)" }
        if shape & 32 != 0 {
            let more = input.u8()
            if more & 1 != 0 { record.group = "g\(more >> 6)" }
            if more & 2 != 0 { record.timeToLiveMilliseconds = min(input.number(), WireLimits.durationMillisecondsMax) }
            if more & 4 != 0 { record.userHeaders = [.init(name: "n", value: "v\(more >> 6)")] }
        }
        let start = writer.count
        guard (try? record.encode(into: &writer)) != nil else { return }
        // A record that was changed on its way.
        if shape == 0xFF { writer.patch(u32: 0, at: start + 4) }
    }

    private func lease(_ client: Int) {
        let queue = name(NodeShell.queues)
        let request = LeaseRequest(
            queue: queue, messagesMax: UInt32(1 + input.u8() % 8), bytesMax: UInt32(truncatingIfNeeded: input.number()),
            leaseMilliseconds: UInt32(truncatingIfNeeded: input.number()), waitMilliseconds: UInt32(truncatingIfNeeded: input.number()))
        send(client, .lease) { request.encode(into: &$0) }
    }

    /// Tokens of leases that there are or were, some of them not quite right.
    func chosenTokens() -> [DeliveryToken] {
        let count = Int(input.u8() & 7)
        return (0..<count).map { _ in
            let choice = input.u8()
            guard !tokens.isEmpty else { return DeliveryToken(messageID: UInt64(choice), epoch: 1) }
            var token = tokens[max(0, tokens.count - 1 - Int(choice & 0x1F) % tokens.count)]
            switch choice >> 5 {
            case 6: token.epoch &-= 1
            case 7: token.messageID &+= 1
            default: break
            }
            return token
        }
    }

    private func acknowledge(_ client: Int) {
        let tokens = chosenTokens()
        note(ack: tokens, of: send(client, .ack) { AckRequest(tokens: tokens).encode(into: &$0) })
    }

    private func nackItems() -> [NackItem] {
        chosenTokens().map { token in
            let shape = input.u8()
            return NackItem(
                token: token, disposition: .init(rawValue: shape % 3) ?? .retry,
                delayMilliseconds: shape & 0x40 == 0 ? NackItem.delayByPolicy : min(input.number(), WireLimits.durationMillisecondsMax),
                reason: String(repeating: "r", count: Int(shape >> 7) * 2048))
        }
    }

    private func nack(_ client: Int) {
        let items = nackItems()
        send(client, .nack) { NackRequest(items: items).encode(into: &$0) }
    }

    private func extend(_ client: Int) {
        let milliseconds = UInt32(truncatingIfNeeded: input.number())
        let items = chosenTokens().map { ExtendRequest.Item(token: $0, percent: 255, note: "") }
        send(client, .extend) { ExtendRequest(leaseMilliseconds: milliseconds, items: items).encode(into: &$0) }
    }

    private func settle(_ client: Int) {
        let acks = chosenTokens()
        let nacks = nackItems()
        let groups = Int(input.u8() & 3)
        send(client, .settle) { writer in
            SettleRequest.encode(acks: acks, nacks: nacks, groupCount: groups, into: &writer)
            for _ in 0..<groups {
                let toTopic = input.bool()
                let target = name(toTopic ? NodeShell.topics : NodeShell.queues)
                let count = 1 + input.choice(3)
                var records = WireWriter()
                for _ in 0..<count { record(into: &records) }
                SettleRequest.encodeGroup(toTopic ? .topic : .queue, name: target, count: count, records: records.span, into: &writer)
            }
        }
    }

    private func declare(_ client: Int) {
        let queue = name(NodeShell.queues)
        let count = Int(input.u8() & 7)
        send(client, .declare) { writer in
            writer.string(queue)
            for _ in 0..<count {
                let tag = UInt16(input.u8() & 0x1F)
                if tag == 8 {
                    writer.tag(tag, text: name(NodeShell.queues))
                } else {
                    writer.tag(tag, u64: input.number())
                }
            }
        }
    }

    private func subscribe(_ client: Int) {
        let shape = input.u8()
        let pattern = ["*", "t.*", "t.a", "t.a,u", "u*,t.b", ""][Int(shape >> 4) % 6]
        let start: TopicSubscribeRequest.Start
        switch shape & 3 {
        case 0: start = .latest
        case 1: start = .earliest
        default: start = .after(TopicCursor(epoch: shape & 4 == 0 ? 0x0102_0304_0506_0708 : input.number(), offset: input.number()))
        }
        let id = UInt32(input.u8() & 3)
        send(client, .topicSubscribe) {
            TopicSubscribeRequest(subscriptionID: id, pattern: pattern, start: start, credit: UInt32(input.u8())).encode(into: &$0)
        }
    }

    private func credit(_ client: Int) {
        let request = TopicCreditRequest(subscriptionID: UInt32(input.u8() & 3), more: UInt32(truncatingIfNeeded: input.number()))
        send(client, .topicCredit) { request.encode(into: &$0) }
    }

    private func stats(_ client: Int) {
        let pattern = ["*", "a*", "", "b"][Int(input.u8() & 3)]
        send(client, .stats) { StatsRequest(pattern: pattern, after: "", max: UInt32(input.u8())).encode(into: &$0) }
    }
}
