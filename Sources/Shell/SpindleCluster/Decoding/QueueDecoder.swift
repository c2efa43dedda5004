import SpindleText
import SpindleWire

/// Reads queues and their policies.
enum QueueDecoder {
    /// Stands for the queue's own name in `deadLetterQueue`.
    static let nameMark = "{queue}"
    static let deadLetterStandard = nameMark + ".dead"

    /// What the description's own defaults start from.
    private static var standard: QueuePolicyFields {
        var policy = QueuePolicyFields.standard
        policy.deadLetterQueue = deadLetterStandard
        policy.deadLetterTopic = ""
        return policy
    }

    static func defaults(_ reader: MappingReader?) -> QueueDefaults {
        let queue = reader?.mapping("queue", shape: "queuePolicy", required: true).map { policy($0, inherited: standard) } ?? standard
        var deadLetter = queue
        // A dead letter is delivered only to a worker that asks for it, and must not move on by itself.
        deadLetter.deadLetterQueue = ""
        deadLetter.deadLetterTopic = ""
        if let deadReader = reader?.mapping("deadLetterQueue", shape: "queuePolicy", required: false) {
            deadLetter = policy(deadReader, inherited: deadLetter)
        }
        return QueueDefaults(queue: queue, deadLetterQueue: deadLetter)
    }

    static func queue(_ node: ConfigNode, _ defaults: QueuePolicyFields, _ diagnostics: Diagnostics) -> QueueConfiguration {
        let reader = MappingReader(node, shape: "queue", diagnostics)
        defer { reader.finish() }
        let name = reader.declaredName(as: .queue)
        let policyReader = reader.mapping("policy", shape: "queuePolicy", required: false)
        var policy = policyReader.map { self.policy($0, inherited: defaults) } ?? defaults
        if let target = policy.deadLetterQueue, !target.isEmpty {
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
    static func impliedDeadLetterQueues(of declared: [QueueConfiguration], _ policy: QueuePolicyFields) -> [QueueConfiguration] {
        var names = declared.map(\.name)
        var implied: [QueueConfiguration] = []
        for case let name? in declared.map(\.policy.deadLetterQueue) where !name.isEmpty && !names.contains(name) {
            names.append(name)
            implied.append(QueueConfiguration(name: name, policy: policy, isImpliedDeadLetterQueue: true))
        }
        return implied
    }

    /// Reads every setting of the table; one that is left out is inherited.
    static func policy(_ reader: MappingReader, inherited: QueuePolicyFields) -> QueuePolicyFields {
        defer { reader.finish() }
        let backoff = reader.mapping("backoff", shape: "backoff", required: false)
        defer { backoff?.finish() }
        var policy = inherited
        for setting in PolicySetting.allCases {
            let path = setting.key.split(separator: ".").map(String.init)
            guard let source = path.count > 1 ? backoff : reader, let key = path.last else { continue }
            if setting == .deadLetterQueue {
                if let name = source.optional(key, deadLetterName.orNone()) { policy.deadLetterQueue = name ?? "" }
            } else if setting == .deadLetterTopic {
                if let name = source.optional(key, topicName.orNone()) { policy.deadLetterTopic = name ?? "" }
            } else if let value = source.optional(key, setting.type) {
                policy[setting] = value
            }
        }
        compare(.lease, .leaseMax, policy, reader)
        if let backoff { compare(.backoffInitial, .backoffCap, policy, backoff) }
        return policy
    }

    private static func compare(_ lower: PolicySetting, _ upper: PolicySetting, _ policy: QueuePolicyFields, _ reader: MappingReader) {
        func key(_ setting: PolicySetting) -> String { setting.key.split(separator: ".").last.map(String.init) ?? setting.key }
        guard reader.mayCompare(key(lower), key(upper)), let low = policy[lower], let high = policy[upper], low > high else { return }
        reader.diagnostics.report(
            "found \(key(lower)) \(lower.text(low)), expected at most \(key(upper)), which is \(upper.text(high))", at: reader.place(of: key(lower)))
    }

    private static let topicName = ScalarType.text("a topic's name", where: Name.isPlain)

    private static let deadLetterName = ScalarType.text("a queue's name, in which \(nameMark) stands for this queue's own") { text in
        Name.isPlain(text.replacing(nameMark, with: "q"))
    }
}
