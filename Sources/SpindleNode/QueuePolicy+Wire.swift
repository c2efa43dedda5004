internal import SpindleQueue
internal import SpindleWire

extension QueuePolicy {
    /// This policy with the settings that `fields` names, checked. Throws ``ErrorCode/invalidArgument`` naming the setting and
    /// what is allowed, or ``ErrorCode/unsupported``.
    func applying(_ fields: QueuePolicyFields) throws(WireError) -> QueuePolicy {
        var policy = self
        try Self.set(&policy.leaseMillisecondsMax, fields.leaseMillisecondsMax, "leaseDurationMax", 1000...WireLimits.durationMillisecondsMax)
        try Self.set(&policy.leaseMilliseconds, fields.leaseMilliseconds, "leaseDuration", 1...policy.leaseMillisecondsMax)
        try Self.set(&policy.attemptsMax, fields.attemptsMax, "attemptsMax", 0...1_000_000)
        if let kind = fields.backoffKind {
            guard let known = UInt8(exactly: kind).flatMap(BackoffKind.init(rawValue:)) else {
                throw WireError(.invalidArgument, "backoff kind \(kind): 0 (fixed) and 1 (exponential) are known")
            }
            policy.backoffKind = known
        }
        try Self.set(&policy.backoffInitialMilliseconds, fields.backoffInitialMilliseconds, "backoff initial", 0...WireLimits.durationMillisecondsMax)
        try Self.set(&policy.backoffCapMilliseconds, fields.backoffCapMilliseconds, "backoff cap", 0...WireLimits.durationMillisecondsMax)
        try Self.set(&policy.backoffJitterPercent, fields.backoffJitterPercent, "backoff jitter percent", 0...100)
        if let name = fields.deadLetterQueue { policy.deadLetterQueue = name }
        try Self.set(&policy.delayMilliseconds, fields.delayMilliseconds, "delay", 0...WireLimits.durationMillisecondsMax)
        try Self.set(&policy.lengthMax, fields.lengthMax, "lengthMax", 0...WireLimits.policyNumberMax)
        try Self.set(&policy.bytesMax, fields.bytesMax, "bytesMax", 0...WireLimits.policyNumberMax)
        try Self.set(
            &policy.deduplicationWindowMilliseconds, fields.deduplicationWindowMilliseconds, "deduplication window",
            0...WireLimits.durationMillisecondsMax)
        for (name, value) in [
            ("timeToLive", fields.timeToLiveMilliseconds), ("orderedGroups", fields.orderedGroups), ("concurrencyMax", fields.concurrencyMax),
            ("concurrencyPerGroupMax", fields.concurrencyPerGroupMax), ("ratePerSecondMax", fields.ratePerSecondMax),
            ("resultRetention", fields.resultRetentionMilliseconds),
        ] where (value ?? 0) != 0 {
            throw WireError(.unsupported, "the queue setting '\(name)' is not supported by this version; leave it out")
        }
        if fields.priorities == 0 {
            throw WireError(.unsupported, "priorities can't be switched off in this version; leave the setting out")
        }
        return policy
    }

    private static func set(_ value: inout UInt64, _ field: UInt64?, _ name: String, _ allowed: ClosedRange<UInt64>) throws(WireError) {
        guard let field else { return }
        guard allowed.contains(field) else {
            throw WireError(.invalidArgument, "\(name) is \(field): \(allowed.lowerBound) to \(allowed.upperBound) are allowed")
        }
        value = field
    }

    /// All settings, as STATS shows them and the log keeps them.
    var fields: QueuePolicyFields {
        var fields = QueuePolicyFields()
        fields.leaseMilliseconds = leaseMilliseconds
        fields.leaseMillisecondsMax = leaseMillisecondsMax
        fields.attemptsMax = attemptsMax
        fields.backoffKind = UInt64(backoffKind.rawValue)
        fields.backoffInitialMilliseconds = backoffInitialMilliseconds
        fields.backoffCapMilliseconds = backoffCapMilliseconds
        fields.backoffJitterPercent = backoffJitterPercent
        fields.deadLetterQueue = deadLetterQueue
        fields.delayMilliseconds = delayMilliseconds
        fields.lengthMax = lengthMax
        fields.bytesMax = bytesMax
        fields.deduplicationWindowMilliseconds = deduplicationWindowMilliseconds
        return fields
    }
}
