/// What a broker sends in place of a stored record that it cannot read: a record of as many bytes, with ``RecordFlags/standIn``, no headers and a
/// body of zeros. So the other records of the frame keep their places, and a consumer skips this one alone: its item's status is
/// ``ErrorCode/recordDamaged``. Source: `protocol/records.md`, "Damaged records".
package enum StandIn {
    /// Writes a stand-in that fills `place`, which a stored record filled.
    package static func write(into place: UnsafeMutableRawBufferPointer) {
        precondition(place.count >= MessageRecord.fixedByteCount, "a stored record has at least its fixed bytes")
        place.initializeMemory(as: UInt8.self, repeating: 0)
        place.storeBytes(of: UInt32(place.count).littleEndian, toByteOffset: 0, as: UInt32.self)
        place[8] = MessageRecord.version
        place[9] = RecordFlags.standIn.rawValue
        place.storeBytes(of: UInt32(place.count - MessageRecord.fixedByteCount).littleEndian, toByteOffset: 16, as: UInt32.self)
        let crc = CRC32C.extend(with: place.bytes.extracting(8..<place.count))
        place.storeBytes(of: crc.littleEndian, toByteOffset: 4, as: UInt32.self)
    }

    /// Has `read` fill `place` with one stored record. Writes a stand-in where it fails, or where what it read is damaged; returns why.
    package static func fill(
        _ place: UnsafeMutableRawBufferPointer, by read: (UnsafeMutableRawBufferPointer) throws -> Void
    ) -> (any Error)? {
        do {
            try read(place)
            try RecordView.checkWhole(place.bytes)
            return nil
        } catch {
            write(into: place)
            return error
        }
    }

    /// Writes stand-ins over the damaged ones of the records that fill `bytes`, `sizes` bytes each. Returns what is wrong with each of those,
    /// by its place in `sizes`.
    package static func replaceDamaged(in bytes: UnsafeMutableRawBufferPointer, sizes: [Int]) -> [Int: WireError] {
        var damage: [Int: WireError] = [:]
        var offset = 0
        for index in sizes.indices {
            let size = sizes[index]
            let record = UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<(offset + size)])
            offset += size
            do throws(WireError) {
                try RecordView.checkWhole(record.bytes)
            } catch {
                damage[index] = error
                write(into: record)
            }
        }
        return damage
    }
}
