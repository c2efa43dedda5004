internal import SpindleLog
internal import SpindleSimulator
internal import SpindleWire

/// Does to a log's files what an input says.
struct LogDamage {
    private(set) var disk: SimulatedDiskState
    /// Checksums were put right over changed bytes: false entries are to be expected.
    private(set) var isForged = false

    init(_ disk: SimulatedDiskState) { self.disk = disk }

    private func file(_ bytes: inout FuzzBytes) -> LogFileName? {
        let names = disk.names.keys.sorted { "\($0)" < "\($1)" }
        return names.isEmpty ? nil : names[bytes.choice(names.count)]
    }

    /// A place in the file: where an entry begins, or anywhere.
    private func place(_ bytes: inout FuzzBytes, in content: [UInt8]) -> Int {
        let code = Int(bytes.u16())
        guard code & 1 == 1 else { return content.isEmpty ? 0 : (code >> 1) % content.count }
        var starts = [0]
        var offset = SegmentHeader.bytes
        while offset + EntryHeader.bytes <= content.count, starts.count < 64 {
            let length = Self.u32(content, offset)
            guard length == ~Self.u32(content, offset + 4), Int(length) <= content.count - offset - EntryHeader.bytes else { break }
            starts.append(offset)
            offset += EntryHeader.entryBytes(payloadCount: Int(length))
        }
        starts.append(min(offset, max(0, content.count - 1)))
        return starts[(code >> 1) % starts.count]
    }

    mutating func apply(_ bytes: inout FuzzBytes) {
        guard let name = file(&bytes), var content = disk[name] else { return }
        let kind = bytes.u8() % 14
        let at = place(&bytes, in: content)
        switch kind {
        case 0: if at < content.count { content[at] ^= 1 << (bytes.u8() & 7) }
        case 1: Self.overwrite(&content, at, bytes.take(Int(bytes.u8() & 0x3F)))
        case 2: content.removeLast(content.count - at)
        case 3: content += [UInt8](repeating: bytes.u8(), count: min(Int(bytes.u16()), 20_000))
        case 4:
            disk[name] = nil
            return
        case 5: content = file(&bytes).flatMap { disk[$0] } ?? content
        case 6:
            // A piece of one of the files at another place: whole entries where they do not belong.
            let other = file(&bytes).flatMap { disk[$0] } ?? []
            let from = place(&bytes, in: other)
            Self.overwrite(&content, at & ~7, Array(other[from..<min(other.count, from + Int(bytes.u16()))]))
        case 7: Self.overwrite(&content, at, [UInt8](repeating: 0, count: Int(bytes.u16())))
        case 8: resealEntry(&content, at, name)
        case 9: resealSegment(&content)
        case 10: resealCheckpoint(&content)
        case 11: forgeEntry(&content, at, name, &bytes)
        case 12:
            rename(name, &bytes)
            return
        default:
            // A field of an entry's or a file's header, by a number that lies at a border.
            let value = bytes.number()
            Self.overwrite(&content, at + 8 * Int(bytes.u8() & 7), (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
        }
        disk[name] = content
    }

    private mutating func rename(_ name: LogFileName, _ bytes: inout FuzzBytes) {
        let content = disk[name]
        let number = bytes.number()
        let names: [LogFileName] = [
            .segment(number), .prepared(number), .preparing, .spent(number), .checkpoint(LSN(rawValue: number)), .checkpointing,
            .quarantined("x"),
        ]
        disk[name] = nil
        let newName = names[bytes.choice(names.count)]
        // A file that calls itself spent or prepared is used again, and its bytes are taken for those of an earlier segment.
        switch newName {
        case .spent, .prepared: isForged = true
        case _: break
        }
        disk[newName] = content
    }

    // MARK: Forging

    private static func u32(_ bytes: [UInt8], _ at: Int) -> UInt32 {
        guard at + 4 <= bytes.count else { return 0 }
        return (0..<4).reduce(0) { $0 | UInt32(bytes[at + $1]) << (8 * UInt32($1)) }
    }

    private static func put(_ value: UInt32, _ bytes: inout [UInt8], _ at: Int) {
        overwrite(&bytes, at, (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
    }

    private static func overwrite(_ content: inout [UInt8], _ at: Int, _ piece: [UInt8]) {
        for (index, byte) in piece.enumerated() where at + index < content.count { content[at + index] = byte }
    }

    private static func crc(_ start: UInt32, _ bytes: [UInt8], _ range: Range<Int>) -> UInt32 {
        CRC32C.extend(start, with: bytes.span.bytes.extracting(range))
    }

    private func seed(_ name: LogFileName) -> UInt32 {
        guard case .segment(let number) = name else { return 0 }
        var writer = WireWriter()
        writer.u64(LogSample.id.high)
        writer.u64(LogSample.id.low)
        writer.u64(number)
        return CRC32C.extend(with: writer.span)
    }

    private mutating func resealEntry(_ content: inout [UInt8], _ at: Int, _ name: LogFileName) {
        guard at + EntryHeader.bytes <= content.count else { return }
        isForged = true
        let length = Self.u32(content, at)
        Self.put(~length, &content, at + 4)
        let header = Self.crc(seed(name), content, at..<(at + 32))
        Self.put(header, &content, at + 32)
        let end = at + EntryHeader.bytes + Int(length)
        Self.put(end <= content.count ? Self.crc(header, content, (at + EntryHeader.bytes)..<end) : header, &content, at + 36)
    }

    private mutating func forgeEntry(_ content: inout [UInt8], _ at: Int, _ name: LogFileName, _ bytes: inout FuzzBytes) {
        guard case .segment(let number) = name else { return }
        let shape = bytes.u8()
        var writer = WireWriter()
        writer.u32(UInt32(shape & 0x3F))
        writer.u32(0)
        writer.u64(shape & 0x40 == 0 ? number &* LogSample.segmentBytes &+ UInt64(at) : bytes.number())
        writer.u64(shape & 0x80 == 0 ? 0 : bytes.number())
        writer.u16([7, 0xFFFE, 0xFFFF, 0xFFF1][bytes.choice(4)])
        writer.u16(0)
        writer.u32(previous(in: content, before: at))
        Self.overwrite(&content, at, writer.array())
        resealEntry(&content, at, name)
    }

    /// The checksum of the entry before the one at `at`.
    private func previous(in content: [UInt8], before at: Int) -> UInt32 {
        var offset = SegmentHeader.bytes
        while offset + EntryHeader.bytes <= min(at, content.count) {
            let next = offset + EntryHeader.entryBytes(payloadCount: Int(Self.u32(content, offset)))
            if next == at { return Self.u32(content, offset + 36) }
            guard next > offset else { return 0 }
            offset = next
        }
        return 0
    }

    private mutating func resealSegment(_ content: inout [UInt8]) {
        guard content.count >= SegmentHeader.bytes else { return }
        isForged = true
        let checksum = Self.crc(Self.crc(0, content, 0..<60), content, 64..<SegmentHeader.bytes)
        Self.put(checksum, &content, 60)
    }

    private mutating func resealCheckpoint(_ content: inout [UInt8]) {
        let headerBytes = 64
        guard content.count >= headerBytes else { return }
        isForged = true
        Self.put(UInt32(content.count - headerBytes), &content, 48)
        Self.put(Self.crc(0, content, headerBytes..<content.count), &content, 56)
        Self.put(Self.crc(0, content, 0..<60), &content, 60)
    }
}
