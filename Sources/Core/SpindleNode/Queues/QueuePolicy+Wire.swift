internal import SpindleQueue
internal import SpindleWire

extension QueuePolicy {
    /// This policy with the settings that `fields` names, checked. Throws ``ErrorCode/invalidArgument`` naming the setting and
    /// what is allowed.
    func applying(_ fields: QueuePolicyFields) throws(WireError) -> QueuePolicy {
        var policy = self
        for setting in PolicySetting.allCases {
            guard let value = fields[setting] else { continue }
            try setting.check(value)
            policy[setting] = value
        }
        if let name = fields.deadLetterQueue { policy.deadLetterQueue = name }
        if let name = fields.deadLetterTopic { policy.deadLetterTopic = name }
        // Checked where only the limit was named, too: the log keeps both, and a replay must not refuse what was accepted.
        guard policy.leaseMilliseconds <= policy.leaseMaxMilliseconds else {
            throw WireError(
                .invalidArgument,
                "lease is \(policy.leaseMilliseconds), over leaseMax (\(policy.leaseMaxMilliseconds)): set both together")
        }
        return policy
    }

    /// All settings, as STATS shows them and the log keeps them.
    var fields: QueuePolicyFields {
        var fields = QueuePolicyFields()
        for setting in PolicySetting.allCases { fields[setting] = self[setting] }
        fields.deadLetterQueue = deadLetterQueue
        // Nothing where it is none: earlier versions write the same bytes.
        fields.deadLetterTopic = deadLetterTopic.isEmpty ? nil : deadLetterTopic
        return fields
    }

    /// A setting as the wire's number; 0 for names, which are none.
    private subscript(setting: PolicySetting) -> UInt64 {
        get {
            switch setting {
            case .lease: leaseMilliseconds
            case .leaseMax: leaseMaxMilliseconds
            case .attemptsMax: attemptsMax
            case .backoffKind: UInt64(backoffKind.rawValue)
            case .backoffInitial: backoffInitialMilliseconds
            case .backoffCap: backoffCapMilliseconds
            case .backoffJitter: backoffJitterPercent
            case .deadLetterQueue, .deadLetterTopic: 0
            case .delay: delayMilliseconds
            case .timeToLive: timeToLiveMilliseconds
            case .lengthMax: lengthMax
            case .bytesMax: bytesMax
            case .deduplicationWindow: deduplicationWindowMilliseconds
            case .orderedGroups: orderedGroups ? 1 : 0
            case .concurrency: concurrency
            case .concurrencyPerGroup: concurrencyPerGroup
            case .ratePerSecond: ratePerSecond
            case .priorities: priorities ? 1 : 0
            case .resultRetention: resultRetentionMilliseconds
            case .fairGroups: fairGroups ? 1 : 0
            case .ratePerSecondPerGroup: ratePerSecondPerGroup
            }
        }
        set {
            switch setting {
            case .lease: leaseMilliseconds = newValue
            case .leaseMax: leaseMaxMilliseconds = newValue
            case .attemptsMax: attemptsMax = newValue
            // The table's check has refused other numbers.
            case .backoffKind: backoffKind = UInt8(exactly: newValue).flatMap(BackoffKind.init(rawValue:)) ?? backoffKind
            case .backoffInitial: backoffInitialMilliseconds = newValue
            case .backoffCap: backoffCapMilliseconds = newValue
            case .backoffJitter: backoffJitterPercent = newValue
            case .deadLetterQueue, .deadLetterTopic: break
            case .delay: delayMilliseconds = newValue
            case .timeToLive: timeToLiveMilliseconds = newValue
            case .lengthMax: lengthMax = newValue
            case .bytesMax: bytesMax = newValue
            case .deduplicationWindow: deduplicationWindowMilliseconds = newValue
            case .orderedGroups: orderedGroups = newValue == 1
            case .concurrency: concurrency = newValue
            case .concurrencyPerGroup: concurrencyPerGroup = newValue
            case .ratePerSecond: ratePerSecond = newValue
            case .priorities: priorities = newValue == 1
            case .resultRetention: resultRetentionMilliseconds = newValue
            case .fairGroups: fairGroups = newValue == 1
            case .ratePerSecondPerGroup: ratePerSecondPerGroup = newValue
            }
        }
    }
}
