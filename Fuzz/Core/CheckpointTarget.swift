internal import SpindleNode
internal import SpindleQueue
internal import SpindleSimulator
internal import SpindleWire

extension FuzzTarget {
    /// A checkpoint's payload. What is taken over must encode to the same bytes, and a node must be able to go on from it.
    static let checkpoint = FuzzTarget("checkpoint", inputBytesMax: 8192, seeds: { samples() + LargeCounts.seeds }) { input in
        if let counts = LargeCounts(input) { return try counts.check() }
        var state = NodeState(configuration: NodeShell.configuration)
        guard (try? state.restore(checkpoint: input)) != nil else { return }
        _ = state.oldestLiveAddress
        try StateCheck.survivesCheckpoint(state)
        StateCheck.serves(state)
    }

    /// States that scripts of the session target lead to.
    private static func samples() -> [[UInt8]] {
        var random = SeededGenerator(seed: 1)
        return (0..<24).map { index in
            let bytes = (0..<(40 * index)).map { _ in UInt8.random(in: 0...255, using: &random) }
            let script = SessionScript(FuzzBytes(bytes.span.bytes))
            try? script.run()
            return NodeShell.encoded(script.shell.node.state)
        }
    }
}

/// A checkpoint with a large count in it, at a limit or beyond, made from few bytes: `magic · u8 kind · u8 limit · i8 more`. Read it must
/// be where the count is within the limit, and refused by name where it is not; with whatever comes after the count.
struct LargeCounts {
    /// No version of a checkpoint begins so.
    private static let magic: [UInt8] = [0xC0, 0xFF]

    enum Kind: UInt8, CaseIterable {
        case queues, topics, keys, groups, heldMessages
    }

    /// Around the limit of frames, and around small ones, by which a reader's own is lowered.
    private static let limits = [65_536, 1, 255, 256, 1000]

    let kind: Kind
    let limit: Int
    let count: Int

    init?(_ input: RawSpan) {
        guard input.byteCount == Self.magic.count + 3 else { return nil }
        let bytes = input.withUnsafeBytes { Array($0) }
        guard Array(bytes.prefix(2)) == Self.magic else { return nil }
        kind = Kind.allCases[Int(bytes[2]) % Kind.allCases.count]
        limit = Self.limits[Int(bytes[3]) % Self.limits.count]
        count = max(0, limit + Int(Int8(bitPattern: bytes[4])))
    }

    static var seeds: [[UInt8]] {
        Kind.allCases.flatMap { kind in
            limits.indices.flatMap { limit in
                [Int8(-1), 0, 1].map { more in magic + [kind.rawValue, UInt8(limit), UInt8(bitPattern: more)] }
            }
        }
    }

    func check() throws {
        var limits = EngineLimits()
        switch kind {
        case .queues: limits.queues = limit
        case .topics: limits.topics = limit
        case .keys: limits.keysPerQueue = limit
        // Number 0, which has no key, is one of those that are counted.
        case .groups: limits.groupsPerQueue = limit - 1
        case .heldMessages: limits.messages = limit
        }
        var configuration = NodeShell.configuration
        configuration.limits = limits
        let bytes = payload()
        var state = NodeState(configuration: configuration)
        do {
            try state.restore(checkpoint: bytes.span.bytes)
        } catch {
            try must(count > limit, "\(count) \(kind) are within \(limit), and refused: \(error)")
            return
        }
        try must(count <= limit, "\(count) \(kind) are beyond \(limit), and read")
        let once = NodeShell.encoded(state)
        var again = NodeState(configuration: configuration)
        do {
            try again.restore(checkpoint: once.span.bytes)
        } catch {
            throw FuzzFailure("\(count) \(kind) are read once, and refused again: \(error)")
        }
        try must(NodeShell.encoded(again) == once, "\(count) \(kind) change by being read")
    }

    /// `u16 version · u64 time · u16 sections × (u16 kind · content)`, as `Checkpoint.swift` says.
    private func payload() -> [UInt8] {
        var writer = WireWriter(capacity: 1 << 16)
        writer.u16(3)
        writer.u64(1_000_000)
        writer.u16(5)
        writer.u16(1)
        let queues = kind == .queues ? count : 1
        writer.u32(UInt32(queues))
        for number in 0..<queues { queue("q\(number)", into: &writer) }
        writer.u16(2)
        writer.u64(kind == .heldMessages ? UInt64(count) : 0)
        if kind == .heldMessages { for number in 0..<count { message(UInt64(number) * 64 + 1, into: &writer) } }
        writer.u16(3)
        writer.u8(0)
        for value in [NodeShell.configuration.topicRetentionMilliseconds, 0, UInt64(NodeShell.configuration.topicEventsMax)] { writer.u64(value) }
        writer.u32(0)
        writer.u32(kind == .topics ? UInt32(count) : 0)
        if kind == .topics {
            for number in 0..<count {
                writer.string("t\(number)")
                writer.u64(0)
                writer.u64(0)
                writer.u32(0)
            }
        }
        for _ in 0..<3 { writer.u64(0) }
        writer.u16(20)
        writer.u64(0)
        writer.u32(0)
        writer.u16(25)
        writer.u64(0)
        return writer.array()
    }

    private func queue(_ name: String, into writer: inout WireWriter) {
        writer.u8(1)
        writer.string(name)
        writer.u32(0) // no setting but the defaults
        writer.u8(0)
        writer.string("")
        writer.u64(0)
        writer.u16(7)
        for _ in 0..<7 { writer.u64(0) }
        let groups = kind == .groups ? max(1, count) : 1
        writer.u64(0)
        writer.u32(0)
        writer.u32(UInt32(groups))
        for number in 0..<groups {
            writer.u32(UInt32(number))
            writer.string(number == 0 ? "" : "g\(number)")
            writer.u64(0)
            writer.u64(0)
            writer.u8(0)
        }
        let keys = kind == .keys ? count : 0
        writer.u32(UInt32(keys))
        for number in 0..<keys {
            writer.string("k\(number)")
            writer.u64(UInt64(number) + 1)
            writer.u64(1_000_000)
        }
        writer.u32(0)
    }

    private func message(_ id: UInt64, into writer: inout WireWriter) {
        writer.u64(id)
        writer.u64(id)
        writer.u32(24)
        writer.u32(0)
        writer.u32(0)
        writer.u64(1)
        writer.u64(1)
        writer.u64(0)
        writer.u8(4)
        writer.u8(0)
        writer.u32(0)
        writer.u32(0)
        writer.u8(0)
        writer.u64(0)
        writer.u8(0)
    }
}
