/// Names a SETTLE, so that it takes effect once however often it is sent. Tail tag 2 of SETTLE: `u64 settler id · u64 sequence`
///
/// The settler's id is 64 random bits, not 0; its sequences rise.
package struct SettleIdentity: Equatable, Sendable {
    package static let tag: UInt16 = 2

    package var settler: UInt64
    package var sequence: UInt64

    package init(settler: UInt64, sequence: UInt64) {
        self.settler = settler
        self.sequence = sequence
    }

    /// Appends the field to a SETTLE's body.
    package func encode(into writer: inout WireWriter, isCritical: Bool = false) {
        let start = writer.beginTag(isCritical ? Self.tag | TaggedTail.criticalBit : Self.tag)
        writer.u64(settler)
        writer.u64(sequence)
        writer.endTag(start)
    }

    init(_ field: RawSpan) throws(WireError) {
        var reader = WireReader(field)
        settler = try reader.u64("settler id")
        sequence = try reader.u64("sequence")
        try reader.expectEnd("settle identity")
        guard settler != 0 else { throw WireError(.invalidArgument, "settler id 0: take a random one, or leave the field out") }
    }
}
