internal import NIOCore
internal import SpindleWire

/// One message of a LEASE reply, not yet looked into: its record is decoded by whoever takes it, off the event loop.
struct LeaseGrant: Sendable {
    var token: DeliveryToken
    var attempt: Int
    var storedAtMilliseconds: Int64
    var lease: Duration
    /// A slice of the reply.
    var record: ByteBuffer
    var deadLetter: DeadLetterNote?
    /// Which queue of the request it is of.
    var queueIndex = 0

    static func grants(in body: ByteBuffer) throws(WireError) -> [LeaseGrant] {
        let span = body.readableBytesSpan
        var reader = WireReader(span)
        let head = try LeaseReplyHead(&reader)
        var grants: [LeaseGrant] = []
        grants.reserveCapacity(head.items.count)
        for item in head.items {
            let start = reader.offset
            _ = try reader.span(Int(item.recordByteCount), "record")
            guard let record = body.getSlice(at: body.readerIndex + start, length: Int(item.recordByteCount)) else {
                throw .malformed("a record lies outside its frame")
            }
            grants.append(LeaseGrant(
                token: DeliveryToken(item.token), attempt: Int(item.attempt),
                storedAtMilliseconds: Int64(clamping: item.storedAtMilliseconds), lease: .milliseconds(Int64(head.leaseMilliseconds)),
                record: record))
        }
        let tail = try LeaseReplyTail(&reader)
        for note in tail.deadLetters {
            guard Int(note.itemIndex) < grants.count else { throw .malformed("a dead letter's note for item \(note.itemIndex) of \(grants.count)") }
            grants[Int(note.itemIndex)].deadLetter = DeadLetterNote(note)
        }
        if let index = tail.queueIndex { for item in grants.indices { grants[item].queueIndex = Int(index) } }
        return grants
    }

    /// The delivery; throws where the record is corrupt or does not expand.
    func delivery(queue: String, received: ContinuousClock.Instant, watch: LeaseWatch?) throws(SpindleError) -> Delivery {
        Delivery(
            token: token, message: try RecordCodec.message(in: record.readableBytesSpan), queue: queue, attempt: attempt,
            storedAtMilliseconds: storedAtMilliseconds, leaseDeadline: received + lease, deadLetter: deadLetter, watch: watch)
    }
}

extension NegativeAcknowledgement {
    /// What becomes of a delivery whose record can't be decoded. A record that its producer made so is dead at once: no later attempt would do
    /// better. One that the broker can't read now is tried again, as the disk may do better later; so is one that only a client with LZ4 can
    /// read. At the queue's limit of attempts they are dead.
    init(undecodable token: DeliveryToken, because error: SpindleError) {
        let mayDoBetter = error.code == .recordDamaged || error.code == .recordCompressed
        self.init(token: token, disposition: mayDoBetter ? .retry : .dead, reason: error.description)
    }
}

extension Link {
    /// Hands back what a LEASE reply brought that nobody waits for any more; best effort, the leases end by themselves.
    func release(_ body: ByteBuffer) {
        guard let grants = try? LeaseGrant.grants(in: body), !grants.isEmpty else { return }
        giveBack(grants.map { NegativeAcknowledgement(token: $0.token, disposition: .release, reason: "its receiver was cancelled") })
    }

    /// Gives back a message that can't be decoded, as ``NegativeAcknowledgement/init(undecodable:because:)`` says.
    func refuse(_ token: DeliveryToken, because error: SpindleError) {
        giveBack([NegativeAcknowledgement(undecodable: token, because: error)])
    }

    /// Best effort: whatever is not given back this way comes back when its lease ends.
    func giveBack(_ items: [NegativeAcknowledgement]) {
        var items = items[...]
        while !items.isEmpty {
            var writer = WireWriter()
            let batch = items.prefix(SettlingLimits.sentencesPerFrame)
            NackRequest(items: batch.map(\.wire)).encode(into: &writer)
            items.removeFirst(batch.count)
            submit(Request(
                .nack, .plain(writer.byteBuffer()), afterLoss: .repeated, deadline: .now() + configuration.requestTimeout.timeAmount
            ) { _ in })
        }
    }
}
