import SpindleText

/// Reads queues and their policies.
enum QueueDecoder {
    /// Stands for the queue's own name in `deadLetterQueue`.
    static let nameMark = "{queue}"

    struct Defaults {
        /// `deadLetterQueue` may still hold the mark.
        var queue: QueuePolicyConfiguration
        var deadLetter: QueuePolicyConfiguration
    }

    static func defaults(_ reader: MappingReader?) -> Defaults {
        guard let queueReader = reader?.mapping("queue", shape: "queuePolicyDefaults", required: true) else {
            return Defaults(queue: placeholder, deadLetter: placeholder)
        }
        let queue = policy(queueReader, inherited: nil)
        var deadLetter = queue
        // A dead letter is delivered only to who asks for it, and must not wander on by itself.
        deadLetter.deadLetterQueue = nil
        if let deadReader = reader?.mapping("deadLetterQueue", shape: "queuePolicy", required: false) {
            deadLetter = policy(deadReader, inherited: deadLetter)
        }
        return Defaults(queue: queue, deadLetter: deadLetter)
    }

    static func queue(_ node: ConfigNode, _ defaults: QueuePolicyConfiguration, _ diagnostics: Diagnostics) -> QueueConfiguration {
        let reader = MappingReader(node, shape: "queue", diagnostics)
        defer { reader.finish() }
        let name = reader.declaredName(as: .queue)
        let policyReader = reader.mapping("policy", shape: "queuePolicy", required: false)
        var policy = policyReader.map { self.policy($0, inherited: defaults) } ?? defaults
        if let target = policy.deadLetterQueue {
            let place = policyReader?.place(of: "deadLetterQueue") ?? reader.location
            let resolved = target.replacing(nameMark, with: name)
            policy.deadLetterQueue = resolved
            if resolved == name {
                diagnostics.report("found the queue itself as its dead-letter queue, expected another queue, or none", at: place)
            } else if target.contains(nameMark) {
                diagnostics.imply(.queue, resolved)
            } else {
                diagnostics.refer(to: .queue, resolved, at: place)
            }
        }
        return QueueConfiguration(name: name, policy: policy, isImpliedDeadLetterQueue: false)
    }

    /// The dead-letter queues that policies name and the file does not declare, in the order of their first mention.
    static func impliedDeadLetterQueues(of declared: [QueueConfiguration], _ policy: QueuePolicyConfiguration) -> [QueueConfiguration] {
        var names = declared.map(\.name)
        var implied: [QueueConfiguration] = []
        for name in declared.compactMap(\.policy.deadLetterQueue) where !names.contains(name) {
            names.append(name)
            implied.append(QueueConfiguration(name: name, policy: policy, isImpliedDeadLetterQueue: true))
        }
        return implied
    }

    /// - Parameter inherited: what is taken for the keys that are left out. Nil: every key must be there.
    static func policy(_ reader: MappingReader, inherited: QueuePolicyConfiguration?) -> QueuePolicyConfiguration {
        defer { reader.finish() }
        let some = Duration.milliseconds(1)...Units.durationMax
        let any = Duration.zero...Units.durationMax
        let policy = QueuePolicyConfiguration(
            leaseDuration: reader.value("leaseDuration", .duration(.milliseconds(100)...Units.durationMax), inherited: inherited?.leaseDuration),
            leaseDurationMax: reader.value("leaseDurationMax", .duration(.milliseconds(100)...Units.durationMax), inherited: inherited?.leaseDurationMax),
            attemptsMax: reader.value("attemptsMax", .number(1...1_000_000), inherited: inherited?.attemptsMax),
            backoff: backoff(reader, inherited: inherited?.backoff),
            deadLetterQueue: reader.valueOrNone("deadLetterQueue", deadLetterName, inherited: inherited.map(\.deadLetterQueue)),
            delay: reader.value("delay", .duration(any), inherited: inherited?.delay),
            timeToLive: reader.valueOrNone("timeToLive", .duration(some), inherited: inherited.map(\.timeToLive)),
            lengthMax: reader.valueOrNone("lengthMax", .number(1...Int(UInt32.max)), inherited: inherited.map(\.lengthMax)),
            bytesMax: reader.valueOrNone("bytesMax", .bytes(4096...(1 << 50)), inherited: inherited.map(\.bytesMax)),
            dedupWindow: reader.valueOrNone("dedupWindow", .duration(some), inherited: inherited.map(\.dedupWindow)),
            orderedGroups: reader.value("orderedGroups", .bool, inherited: inherited?.orderedGroups),
            priorities: reader.value("priorities", .bool, inherited: inherited?.priorities),
            fairGroups: reader.value("fairGroups", .bool, inherited: inherited?.fairGroups),
            concurrency: reader.valueOrNone("concurrency", .number(1...1_000_000), inherited: inherited.map(\.concurrency)),
            concurrencyPerKey: reader.valueOrNone("concurrencyPerKey", .number(1...1_000_000), inherited: inherited.map(\.concurrencyPerKey)),
            ratePerSecond: reader.valueOrNone("ratePerSecond", .number(1...1_000_000), inherited: inherited.map(\.ratePerSecond)),
            ratePerSecondPerKey: reader.valueOrNone("ratePerSecondPerKey", .number(1...1_000_000), inherited: inherited.map(\.ratePerSecondPerKey)),
            resultRetention: reader.valueOrNone("resultRetention", .duration(some), inherited: inherited.map(\.resultRetention)))
        if reader.mayCompare("leaseDuration", "leaseDurationMax"), policy.leaseDuration > policy.leaseDurationMax {
            reader.diagnostics.report(
                "found leaseDuration \(Units.text(policy.leaseDuration)), expected at most leaseDurationMax, which is \(Units.text(policy.leaseDurationMax))",
                at: reader.place(of: "leaseDuration"))
        }
        return policy
    }

    private static func backoff(_ policy: MappingReader, inherited: BackoffConfiguration?) -> BackoffConfiguration {
        guard let reader = policy.mapping("backoff", shape: "backoff", required: inherited == nil) else {
            return inherited ?? placeholder.backoff
        }
        defer { reader.finish() }
        let delays = Duration.zero...Units.durationMax
        let backoff = BackoffConfiguration(
            kind: reader.required("kind", .oneOf(.exponential)), initial: reader.required("initial", .duration(delays)),
            cap: reader.required("cap", .duration(delays)), jitter: reader.required("jitter", .fraction()))
        if reader.mayCompare("initial", "cap"), backoff.initial > backoff.cap {
            reader.diagnostics.report(
                "found initial \(Units.text(backoff.initial)), expected at most cap, which is \(Units.text(backoff.cap))",
                at: reader.place(of: "initial"))
        }
        return backoff
    }

    private static let deadLetterName = ScalarType.text("a queue's name, in which \(nameMark) stands for this queue's own") { text in
        Name.isPlain(text.replacing(nameMark, with: "q"))
    }

    /// Stands in where the defaults are missing, which was reported: it never leaves the decoder.
    private static let placeholder = QueuePolicyConfiguration(
        leaseDuration: .seconds(1), leaseDurationMax: .seconds(1), attemptsMax: 1,
        backoff: BackoffConfiguration(kind: .fixed, initial: .zero, cap: .zero, jitter: 0), deadLetterQueue: nil, delay: .zero,
        timeToLive: nil, lengthMax: nil, bytesMax: nil, dedupWindow: nil, orderedGroups: false, priorities: true,
        fairGroups: false, concurrency: nil, concurrencyPerKey: nil, ratePerSecond: nil, ratePerSecondPerKey: nil, resultRetention: nil)
}
