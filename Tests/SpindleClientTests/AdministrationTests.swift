import FakeBroker
import SpindleClient
import SpindleWire
import Testing

/// What operators do, against scripted peers: what goes out, and what is made of the answers.
@Suite struct AdministrationTests {
    private static func with<Value>(
        _ script: @escaping FakeServer.Script, _ body: (FakeServer, SpindleClient) async throws -> Value
    ) async throws -> Value {
        let server = try await FakeServer.start(script: script)
        let client = ClientTests.client(server)
        let result: Result<Value, any Error>
        do { result = .success(try await body(server, client)) } catch { result = .failure(error) }
        await client.close()
        await server.stop()
        return try result.get()
    }

    private static func item(_ id: UInt64, _ state: BrowseReplyHead.State = .ready, record: Int = 0) -> BrowseReplyHead.Item {
        var item = BrowseReplyHead.Item(id: id, state: state, epoch: 2, attempts: 3, storedAtMilliseconds: 1000)
        item.recordByteCount = UInt32(record)
        return item
    }

    @Test func browsesPageByPageAndOverEmptyPages() async throws {
        let pages: [(next: UInt64, ids: [UInt64])] = [(20, [10, 20]), (500, []), (510, [505, 510]), (0, [520])]
        let seen = try await Self.with { peer, frame in
            guard let request = try? frame.read({ span throws(WireError) in try BrowseRequest(span) }) else { return peer.close() }
            let page = pages.first { $0.next > request.after || $0.next == 0 } ?? (0, [])
            peer.reply(frame) { BrowseReplyHead(next: page.next, items: page.ids.map { Self.item($0) }).encode(into: &$0) }
        } _: { server, client in
            var filter = ClientFilter()
            filter.states = [.ready, .cancelled]
            filter.olderThan = .seconds(60)
            filter.headers = [.init(name: "taskType", value: "T")]
            var ids: [UInt64] = []
            for try await message in client.browse("q", where: filter, after: MessageID(rawValue: 5), parts: [], pageMax: 7) {
                ids.append(message.id.rawValue)
                #expect(message.message == nil && message.unreadable == nil && message.attempts == 3)
            }
            let requests = try server.frames.all.map { try $0.read { span throws(WireError) in try BrowseRequest(span) } }
            #expect(requests.map(\.after) == [5, 20, 500, 510])
            #expect(requests.allSatisfy { $0.messagesMax == 7 && $0.filter == requests[0].filter })
            #expect(requests[0].filter.states == [.ready, .leased] && requests[0].filter.ageMillisecondsMin == 60_000)
            #expect(requests[0].filter.headersEqual == [.init(name: "taskType", text: "T")])
            return ids
        }
        #expect(seen == [10, 20, 505, 510, 520])
    }

    @Test func aCursorThatDoesNotRiseEndsTheSequence() async throws {
        let count = try await Self.with { peer, frame in
            peer.reply(frame) { BrowseReplyHead(next: 10, items: [Self.item(10)]).encode(into: &$0) }
        } _: { _, client in
            var count = 0
            for try await _ in client.browse("q", parts: []) { count += 1 }
            return count
        }
        #expect(count == 2) // the second page repeats its cursor
    }

    @Test func aMessageComesWithItsHistoryAndWhatCannotBeReadIsSaid() async throws {
        var writer = WireWriter()
        try MessageRecord(body: Array("hello".utf8)).encode(into: &writer)
        let record = writer.array()
        var broken = record
        broken[record.count - 1] ^= 1
        let records = [record, broken]
        let messages = try await Self.with { peer, frame in
            peer.reply(frame) { writer in
                let first = BrowseReplyHead(next: 0, items: [Self.item(1, .leased, record: record.count), Self.item(2, .cancelled, record: record.count)])
                first.encode(into: &writer)
                for record in records { writer.bytes(record) }
                let tail = writer.beginTag(LeaseReplyHead.Tag.deadLetters)
                SpindleWire.DeadLetterNote(itemIndex: 1, originQueue: "o", reason: "r", deadAtMilliseconds: 9, attempts: []).encode(into: &writer)
                writer.endTag(tail)
            }
        } _: { _, client in
            try await client.browsePage("q", parts: [.messages, .histories]).messages
        }
        #expect(messages.map(\.message?.body) == [Array("hello".utf8), nil])
        #expect(messages[1].unreadable?.code == .recordCorrupt)
        #expect(messages.map(\.state) == [.leased, .cancelled])
        #expect(messages.map(\.history?.originQueue) == [nil, "o"])
    }

    @Test func cancellationsAndReschedulingsAreToldOneByOne() async throws {
        try await Self.with { peer, frame in
            switch frame.opcode {
            case .cancel:
                peer.reply(frame) {
                    CancelReply(items: [
                        .init(status: .ok, was: .delayed), .init(status: .ok, was: .leased), .init(status: ItemStatus(.noSuchMessage)),
                        .init(status: ItemStatus(.permissionDenied)),
                    ]).encode(into: &$0)
                }
            default:
                peer.reply(frame) {
                    StatusReply(runs: [.init(status: .ok, count: 2), .init(status: ItemStatus(.conflict), count: 1), .init(status: ItemStatus(.noSuchMessage), count: 1)])
                        .encode(into: &$0)
                }
            }
        } _: { _, client in
            let ids = (1...4).map { MessageID(rawValue: $0) }
            let cancelled = try await client.cancel(ids, in: "q", reason: "gone")
            guard case .removed(.delayed) = cancelled[0], case .flagged = cancelled[1], case .noSuchMessage = cancelled[2], case .failed(let error) = cancelled[3] else {
                Issue.record("\(cancelled)")
                return
            }
            #expect(error.code == .permissionDenied)
            let rescheduled = try await client.reschedule(ids, in: "q", delay: .milliseconds(1500))
            guard case .done = rescheduled[1], case .leased = rescheduled[2], case .noSuchMessage = rescheduled[3] else {
                Issue.record("\(rescheduled)")
                return
            }
        }
    }

    @Test func aJobIsFollowedToItsEnd() async throws {
        let asked = Recorder<Opcode>()
        try await Self.with { peer, frame in
            let request = try? frame.read { span throws(WireError) in try BulkRequest(span) }
            asked.record(frame.opcode)
            let state: JobReply.State = request?.action == .stop ? .stopped : asked.all.count < 4 ? .running : .done
            peer.reply(frame) { JobReply(job: 0x1F, matched: 3, done: 2, failed: 1, state: state, lastFailure: "full").encode(into: &$0) }
        } _: { server, client in
            let job = try await client.redrive("q.dead", ratePerSecond: 5)
            #expect(job.id.description == "1f" && Job.ID("1f") == job.id && Job.ID("0") == nil)
            #expect(job.begun.matched == 3 && job.begun.done == 2 && job.begun.failed == 1 && job.begun.lastFailure == "full")
            #expect(try await job.ended(askingEvery: .milliseconds(1)).state == .done)
            #expect(try await job.stop().state == .stopped)
            let last = try #require(server.frames.all.last)
            let stop = try last.read { span throws(WireError) in try BulkRequest(span) }
            #expect(stop.action == .stop && stop.job == 0x1F && stop.queue == "q.dead" && stop.filter.isEmpty)
        }
    }

    /// A job that may have begun is not begun again by the client.
    @Test func whatIsNotRepeatableIsNotRepeated() async throws {
        try await Self.with { peer, frame in
            if frame.opcode == .stats { peer.reply(frame) { StatsReply(queues: []).encode(into: &$0) } } else { peer.close() }
        } _: { server, client in
            let lost: [(Opcode, () async throws -> Void)] = [
                (.redrive, { _ = try await client.redrive("q.dead") }), (.bulk, { _ = try await client.change(.move(target: "r"), in: "q", where: ClientFilter()) }),
                (.delete, { try await client.delete(queue: "q") }), (.purge, { try await client.purge(queue: "q") }),
            ]
            for (opcode, request) in lost {
                let error = await #expect(throws: SpindleError.self) { try await request() }
                #expect(error?.code == .connectionLost, "\(opcode)")
                _ = try await client.statistics() // over the next connection
            }
            #expect(server.frames.all.map(\.opcode) == lost.flatMap { [$0.0, .stats] })
        }
    }

    @Test func endsOfMessagesAndTheirResults() async throws {
        let ends = try await Self.with { peer, frame in
            peer.reply(frame) {
                AwaitReply(items: [
                    .init(state: .acknowledged, settledAtMilliseconds: 5, result: [1, 2]), .init(state: .acknowledged, settledAtMilliseconds: 6),
                    .init(state: .dead, settledAtMilliseconds: 7, result: Array("why".utf8)), .init(state: .cancelled, settledAtMilliseconds: 8),
                    .init(state: .pending), .init(status: ItemStatus(.noSuchMessage), state: .unknown),
                    .init(status: ItemStatus(.recordTooLarge), state: .acknowledged, settledAtMilliseconds: 9),
                ]).encode(into: &$0)
            }
        } _: { server, client in
            let ends = try await client.results(of: (1...7).map { MessageID(rawValue: $0) }, in: "q", wait: .milliseconds(1200))
            let request = try server.frames.all[0].read { span throws(WireError) in try AwaitRequest(span) }
            #expect(request.waitMilliseconds == 1200 && request.ids == Array(1...7))
            return ends
        }
        #expect(ends == [
            .acknowledged(result: [1, 2], atMilliseconds: 5), .acknowledged(result: nil, atMilliseconds: 6), .dead(reason: "why", atMilliseconds: 7),
            .cancelled(atMilliseconds: 8), .pending, .unknown, .resultLeftOut(atMilliseconds: 9),
        ])
    }

    @Test func acknowledgementsCarryTheirResults() async throws {
        try await Self.with { peer, frame in
            switch frame.opcode {
            case .lease: peer.grant(frame, ["one", "two"], firstID: 5)
            case .settle: peer.reply(frame) { SettleReply(firstIDs: []).encode(into: &$0) }
            default: peer.status(frame, count: 1)
            }
        } _: { server, client in
            let consumer = client.makeConsumer(queue: "q", configuration: .init(inFlightMax: 2, leasesMax: 1))
            var deliveries = consumer.makeAsyncIterator()
            let first = try #require(try await deliveries.next())
            let second = try #require(try await deliveries.next())
            guard case .failed(let error) = await consumer.acknowledge(first, result: [UInt8](repeating: 0, count: 4097)) else {
                Issue.record("a result that is too large was sent")
                return
            }
            #expect(error.code == .invalidArgument)
            #expect(await consumer.acknowledge(first, result: [1, 2, 3]).isDone)
            let ack = try await server.frames.wait(where: { $0.opcode == .ack })[0]
            let request = try ack.read { span throws(WireError) in try AckRequest(span) }
            #expect(request.results == [AckResult(index: 0, bytes: [1, 2, 3])])
            try await consumer.settle(second, result: [9])
            let settle = try await server.frames.wait(where: { $0.opcode == .settle })[0]
            try settle.read { span throws(WireError) in
                let results = try SettleRequest(span).results
                #expect(results == [AckResult(index: 0, bytes: [9])])
            }
            consumer.stop()
        }
    }

    @Test func pushesReachWhomTheyConcern() async throws {
        try await Self.with { peer, frame in
            switch frame.opcode {
            case .lease: peer.grant(frame, ["one", "two"], firstID: 5)
            case .ack:
                // Both are cancelled; the first is being settled already.
                peer.push(.cancelled) { CancelledNotice(tokens: [.init(messageID: 5, epoch: 1), .init(messageID: 6, epoch: 1)], reason: "withdrawn").encode(into: &$0) }
                peer.push(.quiet) { $0.u8(77); $0.u32(0); $0.string("") } // an action of a later version
                peer.push(.quiet) { QuietNotice(action: .terminate, graceMilliseconds: 1500, reason: "update").encode(into: &$0) }
                peer.status(frame, count: 1)
            default: break
            }
        } _: { _, client in
            let wishes = Recorder<WorkerWish>()
            _ = client.onWish { wishes.record($0) }
            let consumer = client.makeConsumer(queue: "q", configuration: .init(inFlightMax: 2, leasesMax: 1))
            var deliveries = consumer.makeAsyncIterator()
            let first = try #require(try await deliveries.next())
            let second = try #require(try await deliveries.next())
            let ended = Recorder<LeaseEnd>()
            second.onEnd { ended.record($0) }
            _ = await consumer.acknowledge(first)
            #expect(try await ended.wait() == [.cancelled])
            #expect(second.isCancelled)
            let wish = try #require(try await wishes.wait().first)
            #expect(wish.action == .terminate && wish.grace == .milliseconds(1500) && wish.reason == "update")
            consumer.stop()
        }
    }

    @Test func sessionsComePageByPage() async throws {
        let sessions = try await Self.with { peer, frame in
            let after = (try? frame.read { span throws(WireError) in try WorkersRequest(span) })?.after
            var gone = WorkersReply.Session(id: 0)
            gone.held = 1
            gone.leases = [.init(queue: "q", token: .init(messageID: 1, epoch: 1), attempt: 1, leasedAtMilliseconds: 1, endsAtMilliseconds: 2)]
            var one = WorkersReply.Session(id: 3)
            one.labels = [.init(name: "host", value: "cam-03")]
            let page = after == 0 ? [gone, one] : [WorkersReply.Session(id: 9)]
            peer.reply(frame) { WorkersReply(sessions: page, moreFollow: after == 0).encode(into: &$0) }
        } _: { _, client in
            try await client.workers()
        }
        #expect(sessions.map(\.id) == [0, 3, 9])
        #expect(sessions[0].leases.map(\.percent) == [nil])
        #expect(sessions[1].labels == [.init(name: "host", value: "cam-03")])
    }

    @Test func controlSaysWhoIsMeant() async throws {
        let requests = try await Self.with { peer, frame in
            peer.reply(frame) { WorkerControlReply(sessionsReached: 2).encode(into: &$0) }
        } _: { server, client in
            #expect(try await client.control(.all, .quiet, grace: .zero, reason: "") == 2)
            _ = try await client.control(.session(7), .resume, grace: .zero, reason: "")
            _ = try await client.control(.label("host", value: "cam-03"), .terminate, grace: .seconds(5), reason: "r")
            for wrong in [WorkerSelection.session(0), .label("", value: "x")] {
                let error = await #expect(throws: SpindleError.self) { try await client.control(wrong, .terminate, reason: "") }
                #expect(error?.code == .invalidArgument, "everybody would be meant")
            }
            return try server.frames.all.map { try $0.read { span throws(WireError) in try WorkerControlRequest(span) } }
        }
        #expect(requests == [
            WorkerControlRequest(action: .quiet, graceMilliseconds: 0, reason: ""),
            WorkerControlRequest(sessionID: 7, action: .resume, graceMilliseconds: 0, reason: ""),
            WorkerControlRequest(label: "host", value: "cam-03", action: .terminate, graceMilliseconds: 5000, reason: "r"),
        ])
    }

    @Test func whyAQueueIsPausedIsShown() async throws {
        let queues = try await Self.with { peer, frame in
            var paused = StatsReply.Queue(name: "b")
            paused.paused = 2
            paused.pauseReason = "W: is full"
            peer.reply(frame) { StatsReply(queues: [StatsReply.Queue(name: "a"), paused]).encode(into: &$0) }
        } _: { _, client in
            try await client.statistics()
        }
        #expect(queues.map(\.isPaused) == [false, true])
        #expect(!queues[1].isDeliveryPaused && queues[1].isPublishPaused && queues[1].pauseReason == "W: is full")
    }
}
