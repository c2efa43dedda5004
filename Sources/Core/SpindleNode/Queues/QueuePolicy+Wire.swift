internal import SpindleQueue
internal import SpindleWire

extension QueuePolicy {
    /// This policy with the settings that `fields` names, checked. Throws ``ErrorCode/invalidArgument`` naming the setting and
    /// what is allowed.
    func applying(_ fields: QueuePolicyFields) throws(WireError) -> QueuePolicy {
        var policy = self
        try Self.set(&policy.leaseMillisecondsMax, fields.leaseMillisecondsMax, "leaseDurationMax", 1000...WireLimits.durationMillisecondsMax)
        try Self.set(&policy.leaseMilliseconds, fields.leaseMilliseconds, "leaseDuration", 1...policy.leaseMillisecondsMax)
        // Checked where only the limit was named, too: the log keeps both, and a replay must not refuse what was accepted.
        guard policy.leaseMilliseconds <= policy.leaseMillisecondsMax else {
            throw WireError(
                .invalidArgument,
                "leaseDuration is \(policy.leaseMilliseconds), over leaseDurationMax (\(policy.leaseMillisecondsMax)): set both together")
        }
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
        try Self.set(&policy.timeToLiveMilliseconds, fields.timeToLiveMilliseconds, "timeToLive", 0...WireLimits.durationMillisecondsMax)
        try Self.set(&policy.orderedGroups, fields.orderedGroups, "orderedGroups")
        try Self.set(&policy.fairGroups, fields.fairGroups, "fairGroups")
        try Self.set(&policy.priorities, fields.priorities, "priorities")
        try Self.set(&policy.concurrencyMax, fields.concurrencyMax, "concurrencyMax", 0...WireLimits.policyNumberMax)
        try Self.set(
            &policy.concurrencyPerGroupMax, fields.concurrencyPerGroupMax, "concurrencyPerGroupMax", 0...WireLimits.policyNumberMax)
        try Self.set(&policy.ratePerSecondMax, fields.ratePerSecondMax, "ratePerSecondMax", 0...Self.ratePerSecondLimit)
        try Self.set(&policy.ratePerGroupMax, fields.ratePerSecondPerGroupMax, "ratePerSecondPerGroupMax", 0...Self.ratePerSecondLimit)
        try Self.set(
            &policy.resultRetentionMilliseconds, fields.resultRetentionMilliseconds, "resultRetention", 0...WireLimits.durationMillisecondsMax)
        return policy
    }

    /// Highest rate that can be asked for, deliveries a second.
    static let ratePerSecondLimit: UInt64 = 1_000_000

    private static func set(_ value: inout Bool, _ field: UInt64?, _ name: String) throws(WireError) {
        guard let field else { return }
        guard field <= 1 else { throw WireError(.invalidArgument, "\(name) is \(field): 0 (no) and 1 (yes) are allowed") }
        value = field == 1
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
        fields.timeToLiveMilliseconds = timeToLiveMilliseconds
        fields.orderedGroups = orderedGroups ? 1 : 0
        fields.fairGroups = fairGroups ? 1 : 0
        fields.concurrencyMax = concurrencyMax
        fields.concurrencyPerGroupMax = concurrencyPerGroupMax
        fields.ratePerSecondMax = ratePerSecondMax
        fields.ratePerSecondPerGroupMax = ratePerGroupMax
        fields.priorities = priorities ? 1 : 0
        fields.resultRetentionMilliseconds = resultRetentionMilliseconds
        return fields
    }
}
