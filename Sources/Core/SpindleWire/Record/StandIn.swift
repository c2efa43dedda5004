/// What a broker sends in place of a stored record that it cannot read, or that its receiver cannot: a record of as many bytes, with
/// ``RecordFlags/standIn``. So the other records of the frame keep their places, and a consumer skips this one alone.
///
/// - Damaged: no headers and a body of zeros; the item's status is ``ErrorCode/recordDamaged``.
/// - Withheld: the record's own headers, and a body of zeros in place of a compressed one; ``ErrorCode/recordCompressed``.
///
/// Source: `protocol/records.md`, "Damaged records", "Compressed bodies".
package enum StandIn {
    /// Writes a stand-in that fills `place`, which a stored record filled.
    package static func write(into place: UnsafeMutableRawBufferPointer) {
        precondition(place.count >= MessageRecord.fixedByteCount, "a stored record has at least its fixed bytes")
        place.initializeMemory(as: UInt8.self, repeating: 0)
        place.storeBytes(of: UInt32(place.count).littleEndian, toByteOffset: 0, as: UInt32.self)
        place[8] = MessageRecord.version
        place[9] = RecordFlags.standIn.rawValue
        place.storeBytes(of: UInt32(place.count - MessageRecord.fixedByteCount).littleEndian, toByteOffset: 16, as: UInt32.self)
        seal(place)
    }

    private static func seal(_ place: UnsafeMutableRawBufferPointer) {
        let crc = CRC32C.extend(with: place.bytes.extracting(8..<place.count))
        place.storeBytes(of: crc.littleEndian, toByteOffset: 4, as: UInt32.self)
    }

    /// Writes a stand-in over the record in `place`, which was checked, where its body is compressed.
    package static func withhold(_ place: UnsafeMutableRawBufferPointer) {
        guard let body = RecordView.compressedBody(of: place.bytes) else { return }
        UnsafeMutableRawBufferPointer(rebasing: place[body]).initializeMemory(as: UInt8.self, repeating: 0)
        place[9] = RecordFlags([.standIn, .withheld]).rawValue
        seal(place)
    }

    /// Has `read` fill `place` with one stored record. Writes a stand-in where it fails, or where what it read is damaged; returns why.
    /// `expands`: the receiver can expand a compressed body.
    package static func fill(
        _ place: UnsafeMutableRawBufferPointer, expands: Bool, by read: (UnsafeMutableRawBufferPointer) throws -> Void
    ) -> (any Error)? {
        do {
            try read(place)
            try RecordView.checkWhole(place.bytes)
            if !expands { withhold(place) }
            return nil
        } catch {
            write(into: place)
            return error
        }
    }

    /// Writes stand-ins over the damaged ones of the records that fill `bytes`, `sizes` bytes each. Returns what is wrong with each of those,
    /// by its place in `sizes`. `expands`: the receiver can expand compressed bodies; else stand-ins take their places too.
    package static func replace(in bytes: UnsafeMutableRawBufferPointer, sizes: [Int], expands: Bool) -> [Int: WireError] {
        var damage: [Int: WireError] = [:]
        var offset = 0
        for index in sizes.indices {
            let size = sizes[index]
            let record = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<(offset + size)])
            offset += size
            do throws(WireError) {
                try RecordView.checkWhole(record.bytes)
                if !expands { withhold(record) }
            } catch {
                damage[index] = error
                write(into: record)
            }
        }
        return damage
    }
}
