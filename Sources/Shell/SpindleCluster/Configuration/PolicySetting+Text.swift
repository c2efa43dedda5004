package import SpindleWire

/// A setting as the description and the documents write it.
extension PolicySetting {
    /// A value: `30s`, `none`, `true`, `exponential`.
    package func text(_ value: UInt64) -> String {
        let entry = entry
        if entry.mayBeNone, value == 0 { return "none" }
        return switch entry.unit {
        case .milliseconds: Units.text(.milliseconds(Int64(clamping: value)))
        case .count: "\(value)"
        case .bytes: "\(value) B"
        case .percent: value.isMultiple(of: 100) ? "\(value / 100)" : "\(Double(value) / 100)"
        case .flag: value == 1 ? "true" : "false"
        case .words(let words): words.indices.contains(Int(clamping: value)) ? words[Int(clamping: value)] : "\(value)"
        case .queueName, .topicName: "none"
        }
    }

    /// What a new queue has.
    package var standardText: String { self == .deadLetterQueue ? QueueDecoder.deadLetterStandard : text(entry.standard) }

    /// What may be written.
    package var allowedText: String {
        let entry = entry
        let values =
            switch entry.unit {
            case .milliseconds, .count, .bytes, .percent: "\(text(rangeLowest)) to \(text(rangeHighest))"
            case .flag: "true, false"
            case .words(let words): words.joined(separator: ", ")
            case .queueName: "a queue's name"
            case .topicName: "a topic's name"
            }
        return entry.mayBeNone ? "\(values), none" : values
    }

    private var rangeLowest: UInt64 { entry.range.lowerBound }

    /// The wire knows leap days, and the description does not.
    private var rangeHighest: UInt64 {
        entry.unit == .milliseconds ? min(entry.range.upperBound, Units.durationMaxMilliseconds) : entry.range.upperBound
    }

    /// How the description's value is read, as the wire's number.
    var type: ScalarType<UInt64> {
        let entry = entry
        let range = Int(clamping: rangeLowest)...Int(clamping: rangeHighest)
        let type: ScalarType<UInt64> =
            switch entry.unit {
            case .milliseconds:
                ScalarType<Duration>.duration(.milliseconds(range.lowerBound)...(.milliseconds(range.upperBound))).map { duration in
                    let (seconds, attoseconds) = duration.components
                    return UInt64(clamping: seconds) * 1000 + UInt64(clamping: attoseconds / 1_000_000_000_000_000)
                }
            case .count, .queueName, .topicName: ScalarType<Int>.number(range).map { UInt64(clamping: $0) }
            case .bytes: ScalarType<Int>.bytes(range).map { UInt64(clamping: $0) }
            case .percent: ScalarType<Double>.fraction().map { UInt64(($0 * 100).rounded()) }
            case .flag: ScalarType<Bool>.bool.map { $0 ? 1 : 0 }
            case .words(let words): ScalarType<Int>.word(words).map { UInt64($0) }
            }
        return entry.mayBeNone ? type.orNone().map { $0 ?? 0 } : type
    }
}
