internal import SpindleLog
internal import SpindleNode
internal import SpindleWire

/// What must hold for a state that was taken over from bytes.
enum StateCheck {
    /// Encodes, takes over, encodes again: the same bytes.
    static func survivesCheckpoint(_ state: NodeState) throws {
        let bytes = NodeShell.encoded(state)
        var again = NodeState(configuration: NodeShell.configuration)
        do {
            try again.restore(checkpoint: bytes.span.bytes)
        } catch {
            throw FuzzFailure("a state's own checkpoint is refused: \(error)")
        }
        try must(NodeShell.encoded(again) == bytes, "a state changes by its own checkpoint")
    }

    /// A node goes on from the state: every queue is leased from and every lease ends, to the end of time, without a trap.
    static func serves(_ state: NodeState) {
        var node = Node(configuration: NodeShell.configuration, state: state, log: NodeShell.base.recovered.makeAppender())
        node.log.notePrepared(through: NodeShell.base.preparedThrough, diskFull: false)
        let session = SessionID(rawValue: 1)
        var now = max(1_000_000, state.time)
        node.connected(session, peer: "fuzz", now: now)
        func send(_ node: inout Node, _ opcode: Opcode, _ body: (inout WireWriter) -> Void) {
            var writer = WireWriter()
            body(&writer)
            let header = FrameHeader(length: UInt32(12 + writer.count), opcode: opcode.rawValue, correlationID: 1)
            node.received(session, header: header, body: writer.span, now: now)
        }
        send(&node, .hello) { HelloRequest(clientName: "c", clientVersion: "1").encode(into: &$0) }
        send(&node, .auth) { AuthRequest(method: .token, credential: "t").encode(into: &$0) }
        node.authenticated(session, principal: NodeShell.principals[0], now: now)
        for step: UInt64 in [0, 1, 60_000, 86_400_000, WireLimits.durationMillisecondsMax] {
            now = now.addingReportingOverflow(step).overflow ? now : now + step
            node.tick(now: now)
            node.endOfTick(now: now)
            for queue in node.queueStatistics(now: now).prefix(4) where !queue.name.isEmpty {
                send(&node, .lease) {
                    LeaseRequest(queue: queue.name, messagesMax: 4, bytesMax: 1 << 20, leaseMilliseconds: 0, waitMilliseconds: 0).encode(into: &$0)
                }
                var record = WireWriter()
                guard (try? MessageRecord(body: [1]).encode(into: &record)) != nil else { continue }
                send(&node, .publish) { writer in
                    PublishRequest.encodeHead(
                        producerID: 1, firstSequence: 1, queue: queue.name, count: 1, recordsByteCount: record.count, into: &writer)
                    writer.bytes(record.span)
                }
            }
            send(&node, .stats) { StatsRequest().encode(into: &$0) }
            send(&node, .topicSubscribe) {
                TopicSubscribeRequest(subscriptionID: UInt32(truncatingIfNeeded: step), pattern: "*", start: .earliest, credit: 10).encode(into: &$0)
            }
            if let batch = node.log.takeBatch() {
                node.logDurable(batch.end, now: now)
                node.log.recycle(batch)
            }
            _ = node.nextDeadline
            node.outbox.removeAll()
        }
    }
}
