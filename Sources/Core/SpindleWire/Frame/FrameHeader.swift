/// The twelve bytes before every frame's body.
///
/// ```
///  0       4        6         7       8               12
///  +-------+--------+---------+-------+----------------+
///  | u32   | u16    | u8      | u8    | u32            |
///  | length| opcode | version | flags | correlation id |
///  +-------+--------+---------+-------+----------------+
/// ```
/// `length` counts the whole frame, these twelve bytes included. Source: `protocol/README.md`, "Frame".
package struct FrameHeader: Equatable, Sendable {
    package static let byteCount = 12

    package var length: UInt32
    package var opcode: UInt16
    package var version: UInt8
    package var flags: FrameFlags
    package var correlationID: UInt32

    package init(length: UInt32, opcode: UInt16, version: UInt8 = 1, flags: FrameFlags = [], correlationID: UInt32) {
        self.length = length
        self.opcode = opcode
        self.version = version
        self.flags = flags
        self.correlationID = correlationID
    }

    /// Reads a header from the first twelve bytes of `bytes`; checks `length` against `frameBytesMax` and nothing else.
    package init(_ bytes: RawSpan, frameBytesMax: Int) throws(WireError) {
        var reader = WireReader(bytes)
        length = try reader.u32("length")
        guard length >= UInt32(Self.byteCount) else {
            throw .malformed("frame length \(length): a frame has at least \(Self.byteCount) bytes")
        }
        guard Int(length) <= frameBytesMax else {
            if let other = ForeignProtocol(firstBytes: length) { throw WireError(.frameTooLarge, other.sentence) }
            throw WireError(.frameTooLarge, "frame length \(length): at most \(frameBytesMax) bytes are accepted here")
        }
        opcode = try reader.u16("opcode")
        version = try reader.u8("opcode version")
        flags = FrameFlags(rawValue: try reader.u8("flags"))
        correlationID = try reader.u32("correlation id")
    }

    /// Checks flags and version of a request. Reserved flags are ignored; those that say that it is no request are not.
    package func checkIsRequest(of opcode: Opcode) throws(WireError) {
        guard flags.isDisjoint(with: [.reply, .error, .push]) else {
            throw .malformed("\(opcode.name): a request has no flags, these are \(flags.rawValue)")
        }
        guard version == 1 else {
            throw WireError(.unsupported, "\(opcode.name) version \(version): this broker speaks version 1")
        }
    }

    /// Checks that a request which gets a reply has a correlation id.
    package func checkCorrelationID() throws(WireError) {
        guard correlationID == 0, !flags.contains(.reply), opcode != Opcode.topicCredit.rawValue else { return }
        throw .malformed("correlation id 0: a request has one of its own, but for TOPIC_CREDIT, which has no reply")
    }

    package func encode(into writer: inout WireWriter) {
        writer.u32(length)
        writer.u16(opcode)
        writer.u8(version)
        writer.u8(flags.rawValue)
        writer.u32(correlationID)
    }
}

/// Bits of the header's flags byte. The others are written 0 and ignored, so that later versions may give them a meaning.
package struct FrameFlags: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// The frame answers the request with the same correlation id.
    package static let reply = FrameFlags(rawValue: 1)
    /// With `reply`: the request failed as a whole; the body is a ``ErrorReply``.
    package static let error = FrameFlags(rawValue: 2)
    /// Sent by the broker without a request; the correlation id is 0.
    package static let push = FrameFlags(rawValue: 4)
}

extension WireWriter {
    /// Begins a frame; returns what ``endFrame(_:)`` needs.
    package mutating func beginFrame(_ opcode: Opcode, version: UInt8 = 1, flags: FrameFlags = [], correlationID: UInt32) -> Int {
        let start = count
        FrameHeader(length: 0, opcode: opcode.rawValue, version: version, flags: flags, correlationID: correlationID).encode(into: &self)
        return start
    }

    /// Writes the length of the frame begun at `start`; `following` counts bytes that go out right behind the buffer.
    package mutating func endFrame(_ start: Int, following: Int = 0) {
        patch(u32: UInt32(count - start + following), at: start)
    }
}
