internal import SpindleNode
internal import SpindleWire

// A stranger with rights of its own, who tries every way to where it has none.
extension Simulation {
    func trespass() {
        let box = BulkModel.Place(queue: .box, isDead: false)
        switch random.below(18) {
        case 0...2: publishInBulk(random.pick([.box, .box, .bulk0]), isStrangers: true)
        case 3...5: leaseInBulk(random.pick([box, box, .init(queue: .bulk0, isDead: false)]), isStrangers: true)
        case 6...7: settleInBulk(isStrangers: true)
        case 8: publishToVault()
        case 9: sneak(.publish, "publish to a topic") { self.encodePublish(to: "t0", into: &$0) }
        case 10: declareBox(deadLetterQueue: "vault")
        case 11: declareBox(deadLetterQueue: random.pick(["i.box.dead", "bulk0"]))
        case 12: move(from: "i.box", to: "vault")
        case 13: redriveToVault()
        case 14: settleIntoVault()
        case 15: steal()
        case 16: administrate()
        case _: declareOthers()
        }
    }

    /// What may not be done, and must be refused as a whole.
    private func sneak(_ opcode: Opcode, _ what: String, _ body: (inout WireWriter) -> Void) {
        note("the stranger tries to \(what)")
        ask(stranger, opcode, .trespass(what), body)
    }

    /// A record of the stranger's that must never be seen.
    private func forbiddenRecord(_ home: BulkModel.Queue) -> [UInt8] {
        records.removeAll()
        encodeInBulk(MessageRecord(body: Self.body(BulkModel.firstTag + bulk.model.messages.count, bytes: 4)))
        bulk.model.messages.append(.init(home: home, isStrangers: true))
        return records.array()
    }

    private func encodePublish(to target: String, into writer: inout WireWriter) {
        let record = forbiddenRecord(.box)
        PublishRequest.encodeHead(producerID: 0, firstSequence: 0, queue: target, count: 1, recordsByteCount: record.count, into: &writer)
        writer.bytes(record)
    }

    private func publishToVault() { sneak(.publish, "publish to the vault") { self.encodePublish(to: "vault", into: &$0) } }

    /// Its own queue, whose dead letters may go where it may publish.
    private func declareBox(deadLetterQueue: String) {
        var policy = QueuePolicyFields()
        policy.deadLetterQueue = deadLetterQueue
        note("the stranger declares i.box with the dead-letter queue \(deadLetterQueue)")
        // Refused or not: no message may come where it may not publish.
        bulk.model.mayDie(from: .box, to: deadLetterQueue == "bulk0" ? .bulk0 : nil)
        ask(stranger, .declare, .declare) { DeclareRequest(queue: "i.box", policy: policy).encode(into: &$0) }
    }

    private func move(from: String, to: String) {
        sneak(.bulk, "move \(from) to \(to)") { BulkRequest(.move, queue: from, target: to).encode(into: &$0) }
    }

    private func redriveToVault() {
        sneak(.redrive, "redrive to the vault") { RedriveRequest(queue: "i.box.dead", target: "vault").encode(into: &$0) }
    }

    /// Acknowledges what it holds, and publishes where it may not: the lease must still be its own.
    private func settleIntoVault() {
        guard let held = bulk.strangersTokens.first else { return }
        let isTopic = random.chance(1, in: 2)
        let record = forbiddenRecord(.box)
        sneak(.settle, "settle into \(isTopic ? "a topic" : "the vault")") {
            SettleRequest.encode(acks: [held.token], nacks: [], groupCount: 1, into: &$0)
            SettleRequest.encodeGroup(isTopic ? .topic : .queue, name: isTopic ? "t0" : "vault", count: 1, records: record.span.bytes, into: &$0)
        }
    }

    /// Settles with tokens of others, of queues that it may lease from.
    private func steal() {
        var tokens = bulk.operatorsTokens.filter { $0.place.name == "bulk0" }.map(\.token)
        for worker in workers.indices {
            for token in workers[worker].tokens where oracle.messages[token.tag].queue == 0 && !token.isDead {
                tokens.append(DeliveryToken(messageID: token.id, epoch: token.epoch))
            }
        }
        guard !tokens.isEmpty else { return }
        tokens = Array(tokens.prefix(3))
        note("the stranger tries to settle \(tokens.map(\.messageID)), which others hold")
        let count = tokens.count
        if random.chance(1, in: 2) {
            ask(stranger, .ack, .theft(count: count)) { AckRequest(tokens: tokens).encode(into: &$0) }
        } else {
            ask(stranger, .nack, .theft(count: count)) {
                NackRequest(items: tokens.map { NackItem(token: $0, disposition: .dead, reason: "stolen") }).encode(into: &$0)
            }
        }
    }

    private func administrate() {
        switch random.below(4) {
        case 0: sneak(.purge, "purge the vault") { PurgeRequest(queue: "vault", ready: true, delayed: true).encode(into: &$0) }
        case 1: sneak(.delete, "delete the vault") { DeleteRequest(queue: "vault", mode: .withMessages).encode(into: &$0) }
        case 2: sneak(.pause, "pause the vault") { PauseRequest(queue: "vault", what: .init(rawValue: 3), reason: "stranger").encode(into: &$0) }
        case _: sneak(.bulk, "cancel what is in the vault") { BulkRequest(.cancel, queue: "vault", reason: "stranger").encode(into: &$0) }
        }
    }

    private func declareOthers() {
        sneak(.declare, "change the vault") { DeclareRequest(queue: "vault", policy: QueuePolicyFields()).encode(into: &$0) }
    }
}
