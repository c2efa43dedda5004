/// One thing that takes bytes from strangers, and what must hold whatever the bytes are.
///
/// `run` returns where all is well (the bytes may have been refused), throws ``FuzzFailure`` where an invariant is broken, and must
/// never trap, hang, or hold memory that the input's own size does not account for.
package struct FuzzTarget: Sendable {
    package let name: String
    /// Longer inputs bring nothing new, bytes.
    package let inputBytesMax: Int
    /// Inputs to begin with that chance would not find, made anew each time: they follow their format's changes by themselves.
    package let seeds: @Sendable () -> [[UInt8]]
    package let run: @Sendable (RawSpan) throws -> Void

    package init(
        _ name: String, inputBytesMax: Int, seeds: @escaping @Sendable () -> [[UInt8]] = { [] },
        run: @escaping @Sendable (RawSpan) throws -> Void
    ) {
        self.name = name
        self.inputBytesMax = inputBytesMax
        self.seeds = seeds
        self.run = run
    }

    /// Those that need only the deterministic core.
    package static let core: [FuzzTarget] = [.frames, .record, .session, .log, .replay, .checkpoint, .pattern, .policy, .filter]
}

/// A broken invariant, in a sentence.
package struct FuzzFailure: Error, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Throws ``FuzzFailure`` unless `holds`.
package func must(_ holds: Bool, _ sentence: @autoclosure () -> String) throws(FuzzFailure) {
    if !holds { throw FuzzFailure(sentence()) }
}

/// Reads choices out of an input. Behind its end everything is zero, so that every input means something.
package struct FuzzBytes {
    private let bytes: [UInt8]
    package private(set) var offset = 0

    package init(_ input: RawSpan) { bytes = input.withUnsafeBytes { [UInt8]($0) } }

    package var isAtEnd: Bool { offset >= bytes.count }

    package mutating func u8() -> UInt8 {
        guard offset < bytes.count else { return 0 }
        offset += 1
        return bytes[offset - 1]
    }

    package mutating func u16() -> UInt16 { UInt16(u8()) | UInt16(u8()) << 8 }
    package mutating func u32() -> UInt32 { UInt32(u16()) | UInt32(u16()) << 16 }
    package mutating func u64() -> UInt64 { UInt64(u32()) | UInt64(u32()) << 32 }

    /// Small, or around a power of two: where borders are.
    package mutating func number() -> UInt64 {
        let byte = u8()
        guard byte >= 0x80 else { return UInt64(byte) }
        return (UInt64(1) << UInt64(byte & 63)) &+ (byte & 0x40 == 0 ? 0 : UInt64.max)
    }

    /// Below `bound`, which is over 0.
    package mutating func choice(_ bound: Int) -> Int { Int(u8()) % bound }

    package mutating func bool() -> Bool { u8() & 1 == 1 }

    /// Up to `count` bytes, fewer at the end.
    package mutating func take(_ count: Int) -> [UInt8] {
        let end = min(bytes.count, offset + max(0, count))
        defer { offset = end }
        return Array(bytes[min(offset, end)..<end])
    }

    package mutating func rest() -> [UInt8] { take(bytes.count) }
}
