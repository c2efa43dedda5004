internal import SpindleNode
internal import SpindleWire

extension FuzzTarget {
    /// Log entries that pass their checksums and were written by nobody of ours: raw payloads, and heads that are nearly right. A state
    /// that takes them must survive a checkpoint, and a node must be able to go on from it.
    static let replay = FuzzTarget("replay", inputBytesMax: 2048) { input in
        var bytes = FuzzBytes(input)
        var entries = ForgedEntries()
        var state = NodeShell.base.state
        var taken = 0
        for _ in 0..<100 where !bytes.isAtEnd {
            let payload = entries.next(&bytes)
            let address = entries.address
            entries.address += UInt64(payload.count + 40)
            // A refusal ends a start; here the next entry has its turn, over whatever is there by then.
            guard (try? state.replay(payload: payload.span.bytes, payloadAddress: address)) != nil else { return }
            taken += 1
        }
        guard taken > 0 else { return }
        _ = state.oldestLiveAddress
        try StateCheck.survivesCheckpoint(state)
        StateCheck.serves(state)
    }
}

/// Makes payloads of log entries. Source of the layout: `docs/decisions/0002-transactions.md`.
private struct ForgedEntries {
    var address: UInt64 = 1 << 20
    private var ids: [UInt64] = []

    private mutating func id(_ bytes: inout FuzzBytes) -> UInt64 {
        let choice = Int(bytes.u8())
        return choice < 0xF0 && !ids.isEmpty ? ids[choice % ids.count] : bytes.number()
    }

    mutating func next(_ bytes: inout FuzzBytes) -> [UInt8] {
        let shape = bytes.u8()
        if shape & 0xF0 == 0xF0 { return bytes.take(Int(bytes.u8())) }
        var head = WireWriter()
        var records = WireWriter()
        head.u32(0)
        head.u64(shape & 0x80 == 0 ? 1_000_000 + UInt64(bytes.u8()) * 1000 : bytes.number())
        for _ in 0..<(1 + Int(shape & 3)) { operation(&bytes, &head, &records) }
        head.patch(u32: UInt32(head.count), at: 0)
        // The ids of what is published follow from where its records lie; later entries name them.
        var start = address + UInt64(head.count)
        var offset = 0
        while let length = try? RecordView.length(in: records.span, at: offset) {
            ids.append(start)
            start += UInt64(length)
            offset += length
        }
        head.bytes(records.span)
        return head.array()
    }

    private mutating func operation(_ bytes: inout FuzzBytes, _ head: inout WireWriter, _ records: inout WireWriter) {
        let kind = bytes.u8()
        head.u8(kind & 0x1F)
        let small = UInt32(kind >> 5)
        switch kind & 0x1F {
        case 1, 8: publish(small, &bytes, &head, &records)
        case 2:
            head.u32(small)
            head.u64(bytes.number())
            head.string("h")
            list(small, &bytes, &head)
        case 3: list(small, &bytes, &head)
        case 4:
            head.u64(id(&bytes))
            head.u8(UInt8(small))
            head.u8(bytes.u8() & 7)
            head.u64(bytes.number())
            head.string("r")
        case 5:
            head.u64(bytes.number())
            list(small, &bytes, &head)
        case 6:
            head.u32(bytes.u32())
            head.string("q\(small)")
            head.u32(0)
        case 7:
            head.u32(UInt32(bytes.u8()))
            head.string("t\(small)")
        default: head.bytes(bytes.take(Int(bytes.u8() & 0x3F)))
        }
    }

    private mutating func list(_ count: UInt32, _ bytes: inout FuzzBytes, _ head: inout WireWriter) {
        head.u32(count)
        for _ in 0..<count { head.u64(id(&bytes)) }
    }

    private mutating func publish(_ target: UInt32, _ bytes: inout FuzzBytes, _ head: inout WireWriter, _ records: inout WireWriter) {
        let shape = bytes.u8()
        let start = records.count
        var count = 0
        for _ in 0..<(shape & 3) {
            var record = MessageRecord(body: [shape])
            if shape & 4 != 0 { record.delayMilliseconds = min(bytes.number(), WireLimits.durationMillisecondsMax) }
            if shape & 8 != 0 { record.deduplicationKey = "k" }
            if shape & 16 != 0 { record.priority = 9 }
            if shape & 32 != 0 { record.group = "g\(bytes.u8() & 1)" }
            if (try? record.encode(into: &records)) != nil { count += 1 }
        }
        head.u32(target)
        head.u64(UInt64(bytes.u8() & 3))
        head.u64(bytes.number())
        head.u32(shape & 0x40 == 0 ? UInt32(count) : bytes.u32())
        // Two operations that name the same records, and ones that name others than their own.
        head.u32(shape & 0x80 == 0 ? UInt32(start) : UInt32(bytes.u8()))
        head.u32(UInt32(records.count - start))
    }
}
