internal import NIOCore
internal import SpindleWire

/// The working half of a ``TopicSubscription``. Everything but ``next()`` and ``cancel()`` runs on its link's event loop.
final class TopicStream: @unchecked Sendable {
    /// Given by the link.
    var id: UInt32 = 0
    private let pattern: String
    private let link: Link
    private var machine: SubscriptionMachine
    private let buffer = AsyncBuffer<TopicElement>()
    /// Answered when the broker first accepts; later failures end the sequence.
    private var firstReply: EventLoopPromise<TopicCursor>?
    private var isFinished = false
    /// Counts the connections that it was subscribed on: answers of an earlier one count no more.
    private var attempt = 0

    init(pattern: String, start: SubscriptionStart, credit: Int, link: Link, firstReply: EventLoopPromise<TopicCursor>) {
        self.pattern = pattern
        self.link = link
        self.firstReply = firstReply
        machine = SubscriptionMachine(start: start, creditMax: credit)
    }

    // MARK: The application's side

    func next() async throws -> TopicElement? {
        let element = try await buffer.next()
        if case .event = element { link.eventLoop.execute { self.took() } }
        return element
    }

    func cancel() {
        link.eventLoop.execute { [self] in
            link.remove(self)
            finish(throwing: nil)
        }
    }

    private func took() {
        let more = machine.took()
        if more > 0 { link.grant(more, to: self) }
    }

    // MARK: The link's side

    func connected() {
        let (start, credit) = machine.subscribe(buffered: buffer.count)
        var writer = WireWriter()
        TopicSubscribeRequest(subscriptionID: id, pattern: pattern, start: start.wire, credit: UInt32(clamping: credit)).encode(into: &writer)
        attempt += 1
        let own = attempt
        link.submit(Request(
            .topicSubscribe, .plain(writer.byteBuffer()), afterLoss: .failed,
            deadline: .now() + link.configuration.requestTimeout.timeAmount, isAbandoned: { [self] in own != attempt }
        ) { [self] result in answered(result, attempt: own) })
    }

    /// The link subscribes again when the next connection is ready.
    func connectionEnded() { attempt += 1 }

    /// No connection can be expected with this configuration: whoever waits for the first answer should know now.
    func connectingIsHopeless(_ error: SpindleError) {
        guard firstReply != nil else { return }
        link.remove(self)
        finish(throwing: error)
    }

    private func answered(_ result: Result<Request.Reply, SpindleError>, attempt: Int) {
        guard !isFinished, attempt == self.attempt else { return }
        switch result {
        case .success(let reply):
            do throws(WireError) {
                let cursor = TopicCursor(try TopicSubscribeReply(reply.body.readableBytesSpan).cursor)
                machine.accepted(at: cursor)
                firstReply?.succeed(cursor)
                firstReply = nil
            } catch {
                link.condemn(connectionNumber: reply.connectionNumber, error: SpindleError(error))
            }
        case .failure(let error) where error.code == .connectionLost || error.code == .goingAway:
            break // subscribed again with the next connection
        case .failure(let error):
            link.remove(self)
            finish(throwing: error)
        }
    }

    func received(_ head: TopicEventsHead, records body: ByteBuffer, from start: Int) throws(WireError) {
        guard !isFinished else { return }
        var elements: [TopicElement] = []
        elements.reserveCapacity(head.items.count)
        var offset = start
        for item in head.items {
            let size = Int(item.recordByteCount)
            guard size <= body.readableBytes - offset else { throw .malformed("an event's record of \(size) bytes does not fit its frame") }
            let cursor = TopicCursor(epoch: head.epoch, offset: item.offset)
            guard machine.received(cursor) else { throw .malformed("more events than there was credit for") }
            do {
                let message = try RecordCodec.message(in: body.readableBytesSpan.extracting(offset..<(offset + size)))
                elements.append(.event(TopicEvent(
                    topic: item.topic, cursor: cursor, message: message, storedAtMilliseconds: Int64(clamping: item.storedAtMilliseconds))))
            } catch {
                // One bad record must not stop the others, and its loss must not be silent.
                elements.append(.gap(cursor: cursor, reason: "the event can't be read: \(error.message)"))
                took()
            }
            offset += size
        }
        buffer.push(elements)
    }

    func received(_ notice: TopicGapNotice) {
        let cursor = TopicCursor(notice.cursor)
        machine.gap(at: cursor)
        buffer.push(CollectionOfOne(.gap(cursor: cursor, reason: notice.reason)))
    }

    func finish(throwing error: SpindleError?) {
        guard !isFinished else { return }
        isFinished = true
        firstReply?.fail(error ?? .clientClosed)
        firstReply = nil
        buffer.finish(throwing: error)
    }
}

extension SubscriptionStart {
    var wire: TopicSubscribeRequest.Start {
        switch self {
        case .latest: .latest
        case .earliest: .earliest
        case .after(let cursor): .after(cursor.wire)
        }
    }
}
