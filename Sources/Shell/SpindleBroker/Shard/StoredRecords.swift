import SpindleWire

/// Stored records as they were read from the log's files.
enum StoredRecords {
    /// Sets damaged records to zero, which no consumer takes for a message: it sends that one to the dead letters, and keeps those
    /// beside it. Returns what is wrong with the first of them; nil when all are whole.
    ///
    /// Behind a damaged length nothing can be found any more, so all that follows is set to zero as well.
    static func blankDamaged(_ bytes: UnsafeMutableRawBufferPointer) -> WireError? {
        var damage: WireError?
        var offset = 0
        while offset < bytes.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[offset...])
            do throws(WireError) {
                let length = try RecordView.length(in: rest.bytes, at: 0)
                offset += length
                let record = UnsafeMutableRawBufferPointer(rebasing: rest[..<length])
                do throws(WireError) {
                    try RecordView.check(record.bytes)
                } catch {
                    damage = damage ?? error
                    record.initializeMemory(as: UInt8.self, repeating: 0)
                }
            } catch {
                damage = damage ?? error
                rest.initializeMemory(as: UInt8.self, repeating: 0)
                return damage
            }
        }
        return damage
    }
}
