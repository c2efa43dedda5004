import Logging
import SpindleWire

extension Shard {
    /// Logs a line of which there may be very many: one of its kind per interval, with the number of those that were left out.
    func logThrottled(_ level: Logger.Level, _ message: String, code: ErrorCode? = nil, _ metadata: @autoclosure () -> Logger.Metadata) {
        let kind = code.map { "\(message): \($0.name)" } ?? message
        guard let leftOut = throttle.admit(kind, now: now) else { return }
        var metadata = metadata()
        if let code { metadata["code"] = "\(code.name)" }
        if leftOut > 0 { metadata["leftOut"] = "\(leftOut)" }
        logger.log(level: level, "\(message)", metadata: metadata)
    }

    /// Tells of lines that were left out and not followed by another of their kind.
    func logLeftOut() {
        for (kind, count) in throttle.takeLeftOut(now: now) {
            logger.notice("further lines of this kind were left out", metadata: ["kind": "\(kind)", "leftOut": "\(count)"])
        }
    }
}
