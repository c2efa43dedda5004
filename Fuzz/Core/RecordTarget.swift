internal import SpindleWire

extension FuzzTarget {
    /// One message record. The first byte says whether length and checksum are put right first, so that what lies behind them is reached.
    static let record = FuzzTarget("record", inputBytesMax: 2048) { input in
        var bytes = FuzzBytes(input)
        let isResealed = bytes.u8() & 1 == 0
        var record = bytes.rest()
        if isResealed { reseal(&record) }
        let span = record.span.bytes

        let attributes = try? RecordView.attributes(of: span)
        let unchecked = try? RecordView.attributes(of: span, checksumIsKnown: true)
        let message = try? RecordView.decode(span)
        guard let attributes else {
            try must(message == nil, "a consumer takes a record that the broker refuses")
            return
        }
        // Whatever a broker stores, its replay and every consumer can read, and they see the same.
        try must(attributes == unchecked, "a record means something else at replay: \(attributes), \(String(describing: unchecked))")
        guard var message else { throw FuzzFailure("the broker takes a record that no consumer can decode") }
        try must(
            message.priority == attributes.priority && said(message.group) == attributes.group
                && said(message.deduplicationKey) == attributes.deduplicationKey && message.delayMilliseconds == attributes.delayMilliseconds
                && message.timeToLiveMilliseconds == attributes.timeToLiveMilliseconds, "broker and consumer read different headers")
        // Said of a body that isn't compressed it means nothing, and is not written.
        if !message.flags.contains(.lz4) { message.expandedByteCount = 0 }
        var writer = WireWriter()
        guard (try? message.encode(into: &writer)) != nil else { return }
        let again = try? RecordView.decode(writer.span)
        try must(again == message, "a record changes when it is encoded again: \(message), \(String(describing: again))")
    }

    /// An empty key or group is none to the broker.
    private static func said(_ text: String?) -> String? { text == "" ? nil : text }

    /// Gives `record` the length and the checksum of its bytes.
    static func reseal(_ record: inout [UInt8]) {
        guard record.count >= MessageRecord.fixedByteCount else { return }
        let crc = CRC32C.extend(with: record.span.bytes.extracting(8..<record.count))
        for (index, value) in [UInt32(record.count), crc].enumerated() {
            for byte in 0..<4 { record[4 * index + byte] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(byte))) }
        }
    }
}
