import SpindleWire
import Testing

@Suite struct FrameTests {
    @Test(arguments: [
        (0, 4096, .malformedFrame), (11, 4096, .malformedFrame), (12, 4096, nil), (4096, 4096, nil), (4097, 4096, .frameTooLarge),
        (UInt32.max, 16 << 20, .frameTooLarge), (12, 12, nil), (13, 12, .frameTooLarge),
    ] as [(UInt32, Int, ErrorCode?)]) func lengths(length: UInt32, cap: Int, expected: ErrorCode?) {
        let bytes = written { FrameHeader(length: length, opcode: 1, correlationID: 9).encode(into: &$0) }
        #expect(refusal { () throws(WireError) in _ = try FrameHeader(bytes.span.bytes, frameBytesMax: cap) } == expected)
    }

    @Test func framesSayTheirLength() throws {
        let bytes = written {
            $0.u8(0xEE)
            let start = $0.beginFrame(.publish, flags: [.reply, .error], correlationID: 0xFFFF_FFFF)
            $0.u32(1)
            $0.endFrame(start, following: 100)
        }
        let header = try FrameHeader(bytes.span.bytes.extracting(1..<bytes.count), frameBytesMax: 4096)
        #expect(header == FrameHeader(length: 116, opcode: 0x0010, flags: [.reply, .error], correlationID: 0xFFFF_FFFF))
    }

    /// Tags 5 and 6 are known. `(raw tag, bytes)…` → the numbers that were understood, or the error.
    @Test(arguments: [
        ([], [], nil), ([(5, [1])], [5], nil), ([(9, [1, 2]), (6, [])], [6], nil), ([(0x8005, [1])], [5], nil), ([(0x8009, [])], [], .unknownCriticalTag),
    ] as [([(UInt16, [UInt8])], [UInt16], ErrorCode?)]) func tails(fields: [(UInt16, [UInt8])], understood: [UInt16], expected: ErrorCode?) {
        let bytes = written {
            for (tag, content) in fields {
                $0.u16(tag)
                $0.u32(UInt32(content.count))
                $0.bytes(content)
            }
        }
        var read: [UInt16] = []
        let code = refusal { () throws(WireError) in read = try TaggedTail.fields(in: bytes.span.bytes, known: [5, 6]).map(\.tag) }
        #expect(code == expected)
        #expect(read == understood)
    }

    @Test(arguments: [[1], [1, 0, 1, 0, 0], [1, 0, 1, 0, 0, 0], [1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3]] as [[UInt8]])
    func cutTailsAreMalformed(bytes: [UInt8]) {
        #expect(refusal { () throws(WireError) in _ = try TaggedTail.fields(in: bytes.span.bytes) } == .malformedFrame)
    }

    @Test func namesAndNumbersAreUnique() {
        #expect(Set(Opcode.allCases.map(\.name)).count == Opcode.allCases.count)
        #expect(Set(ErrorCode.allCases.map(\.name)).count == ErrorCode.allCases.count)
        #expect(ErrorCode.allCases.allSatisfy { $0.rawValue >= 16 }, "below 16 are successes")
    }

    /// An error of an item, sent as a reply, ends the request; codes of later versions survive a client.
    @Test func errorReplies() throws {
        for code in ErrorCode.allCases {
            let reply = ErrorReply(WireError(code, "문장", retryAfterMilliseconds: 7))
            #expect(reply.blastRadius == (code.blastRadius == .item ? .request : code.blastRadius))
            #expect((reply.acceptedVersions != nil) == (code == .unsupportedVersion))
            let bytes = written { reply.encode(into: &$0) }
            #expect(try ErrorReply(bytes.span.bytes) == reply)
        }
        let later = written {
            $0.u16(9999)
            $0.u8(77)
            $0.u8(1)
            $0.u32(5)
            $0.string("later")
            $0.tag(44, u64: 1)
        }
        let reply = try ErrorReply(later.span.bytes)
        #expect(reply.code == 9999)
        #expect(reply.blastRadius == .connection, "what is not understood is taken for the worst")
    }

    @Test(arguments: [
        ("0:0", TopicCursor(epoch: 0, offset: 0)), ("a:ff", TopicCursor(epoch: 10, offset: 255)), ("A:FF", TopicCursor(epoch: 10, offset: 255)),
        ("ffffffffffffffff:ffffffffffffffff", TopicCursor(epoch: .max, offset: .max)), ("", nil), (":", nil), ("1", nil), ("1:", nil), (":1", nil),
        ("1:2:3", nil), ("g:1", nil), ("+1:2", nil), ("-1:2", nil), ("1 :2", nil), ("10000000000000000:0", nil), ("0x1:2", nil), ("１:2", nil),
    ] as [(String, TopicCursor?)]) func cursors(text: String, expected: TopicCursor?) {
        let cursor = TopicCursor(text)
        #expect(cursor == expected)
        if let cursor { #expect(cursor.description == text.lowercased()) }
    }

    @Test func statusesGoInRuns() throws {
        var reply = StatusReply()
        for status in [ItemStatus.ok, .ok, ItemStatus(.leaseLost), .ok] { reply.append(status) }
        #expect(reply.runs.map(\.count) == [2, 1, 1])
        #expect(try reply.statuses(expected: 4) == [.ok, .ok, ItemStatus(.leaseLost), .ok])
        for wrong in [0, 3, 5] { #expect(refusal { () throws(WireError) in _ = try reply.statuses(expected: wrong) } == .malformedFrame) }
        let bomb = StatusReply(runs: [.init(status: .ok, count: .max)])
        #expect(refusal { () throws(WireError) in _ = try bomb.statuses(expected: 10) } == .malformedFrame)
    }

    /// A SETTLE's records count together, not group by group.
    @Test func settleCountsOverItsGroups() {
        let records = [UInt8](repeating: 0, count: 40_000 * MessageRecord.fixedByteCount)
        let bytes = written {
            SettleRequest.encode(acks: [], nacks: [], groupCount: 2, into: &$0)
            for _ in 0..<2 { SettleRequest.encodeGroup(.queue, name: "q", count: 40_000, records: records.span.bytes, into: &$0) }
        }
        #expect(refusal { () throws(WireError) in _ = try SettleRequest(bytes.span.bytes) } == .invalidArgument)
    }

    @Test func policiesKeepWhatIsNotSaid() throws {
        #expect(try QueuePolicyFields([UInt8]().span.bytes) == QueuePolicyFields())
        let critical = written {
            $0.tag(0x8003, u64: 5)
            $0.tag(4000, text: "of a later version")
        }
        #expect(try QueuePolicyFields(critical.span.bytes).attemptsMax == 5)
    }
}
