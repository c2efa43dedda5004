internal import SpindleWire

extension SpindleClient {
    /// Looks at the messages of a queue, in the order of ids, without any effect on them.
    ///
    /// The sequence asks the broker for one page after the other as it is read. A message that comes while it runs is seen, one that
    /// goes is not; none is seen twice. Permission: read.
    /// - Parameters:
    ///   - after: only messages with greater ids; nil: from the first.
    ///   - parts: what is fetched besides each message's state.
    ///   - pageMax: messages asked for at once, 1 to 65,536.
    /// - Returns: a sequence that throws ``SpindleError``, `NO_SUCH_QUEUE` and `PERMISSION_DENIED` among them.
    public func browse(
        _ queue: String, where filter: MessageFilter = MessageFilter(), after: MessageID? = nil, parts: BrowseParts = [.messages],
        pageMax: Int = 100
    ) -> BrowseSequence {
        BrowseSequence(client: self, queue: queue, filter: filter, after: after, parts: parts, pageMax: pageMax)
    }

    /// One page of ``browse(_:where:after:parts:pageMax:)``.
    ///
    /// - Parameter bytesMax: of records on one page; one message comes in any case.
    /// - Throws: ``SpindleError``.
    public func browsePage(
        _ queue: String, where filter: MessageFilter = MessageFilter(), after: MessageID? = nil, parts: BrowseParts = [.messages],
        max: Int = 100, bytesMax: Int = 1024 * 1024
    ) async throws -> BrowsePage {
        let request = BrowseRequest(
            queue: queue, after: after?.rawValue ?? 0, messagesMax: UInt32(Swift.min(Swift.max(1, max), WireLimits.messagesPerFrameMax)),
            bytesMax: UInt32(clamping: bytesMax), parts: parts.wire, filter: filter.wire)
        return try await page(.browse, queue: queue, parts: parts) { request.encode(into: &$0) }
    }

    /// One message of a queue, whatever its state. Permission: read.
    ///
    /// - Throws: ``SpindleError``: `NO_SUCH_MESSAGE` where it is not (or no longer) in this queue.
    public func message(
        _ id: MessageID, in queue: String, parts: BrowseParts = [.messages, .histories]
    ) async throws -> StoredMessage {
        let page = try await page(.get, queue: queue, parts: parts) {
            GetRequest(queue: queue, id: id.rawValue, parts: parts.wire).encode(into: &$0)
        }
        guard let message = page.messages.first else {
            throw SpindleError(code: .noSuchMessage, message: "'\(queue)' has no message \(id)", blastRadius: .item)
        }
        return message
    }

    private func page(_ opcode: Opcode, queue: String, parts: BrowseParts, encode: (inout WireWriter) -> Void) async throws -> BrowsePage {
        let link = link(for: queue)
        var writer = WireWriter()
        encode(&writer)
        let reply = try await send(opcode, .plain(writer.byteBuffer()), on: link, afterLoss: .repeated)
        return try read(reply, opcode, on: link) { _ throws(WireError) in try BrowsePage(reply.body, parts: parts) }
    }
}

/// The messages of a queue that a filter chooses, page by page. Each iterator begins anew.
public struct BrowseSequence: AsyncSequence, Sendable {
    public typealias Element = StoredMessage

    let client: SpindleClient
    let queue: String
    let filter: MessageFilter
    let after: MessageID?
    let parts: BrowseParts
    let pageMax: Int

    public struct AsyncIterator: AsyncIteratorProtocol {
        private let sequence: BrowseSequence
        private var messages: ArraySlice<StoredMessage> = []
        private var next: MessageID?
        private var isAtEnd = false

        init(_ sequence: BrowseSequence) {
            self.sequence = sequence
            next = sequence.after
        }

        /// The next message; nil behind the last. Throws ``SpindleError``.
        public mutating func next() async throws -> StoredMessage? {
            while messages.isEmpty, !isAtEnd {
                let page = try await sequence.client.browsePage(
                    sequence.queue, where: sequence.filter, after: next, parts: sequence.parts, max: sequence.pageMax)
                messages = page.messages[...]
                // A cursor that does not rise would be asked for again and again.
                isAtEnd = page.next.map { $0 <= (next ?? MessageID(rawValue: 0)) } ?? true
                next = page.next
            }
            return messages.popFirst()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}
