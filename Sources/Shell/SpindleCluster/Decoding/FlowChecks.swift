import SpindleLog
import SpindleWire

extension ConsistencyChecks {
    /// The limits of each broker must work together; the broker's start asks the same rule.
    func checkFlow() {
        for (index, broker) in configuration.brokers.enumerated() {
            let log = LogConfiguration()
            let segment = broker.log.segment.map { UInt64($0) } ?? log.segmentBytes
            let limits = FlowLimits(
                frameBytes: broker.limits.frameBytes, outputWindowBytes: broker.limits.outputBuffer, processBytes: FlowLimits.processBytesDefault,
                entryBytes: min(log.entryBytesMax, EntryHeader.payloadBytesLimit(segmentBytes: segment)))
            guard let contradiction = limits.contradiction else { continue }
            diagnostics.report("found limits that can't work together: \(contradiction)", at: place("brokers", index, "limits"))
        }
    }
}
