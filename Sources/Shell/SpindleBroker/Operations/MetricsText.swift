/// Figures in Prometheus' text exposition format, version 0.0.4.
package struct MetricsText {
    package private(set) var text = ""

    package init() {}

    package enum Kind: String { case counter, gauge, histogram }

    package mutating func family(_ name: String, _ kind: Kind, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(kind.rawValue)\n"
    }

    package mutating func sample(_ name: String, labels: [(String, String)] = [], _ value: UInt64) {
        text += name + Self.labels(labels) + " \(value)\n"
    }

    package mutating func sample(_ name: String, labels: [(String, String)] = [], _ value: Double) {
        text += name + Self.labels(labels) + " \(value)\n"
    }

    package mutating func single(_ name: String, _ kind: Kind, _ help: String, _ value: UInt64) {
        family(name, kind, help)
        sample(name, value)
    }

    /// `scale`: what one unit of the histogram is in the unit shown.
    package mutating func histogram(_ name: String, _ help: String, _ histogram: FixedHistogram, scale: Double = 1) {
        family(name, .histogram, help)
        var below: UInt64 = 0
        for (bound, count) in zip(histogram.bounds, histogram.counts) {
            below += count
            sample(name + "_bucket", labels: [("le", Self.number(Double(bound) * scale))], below)
        }
        sample(name + "_bucket", labels: [("le", "+Inf")], histogram.count)
        sample(name + "_sum", Double(histogram.sum) * scale)
        sample(name + "_count", histogram.count)
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() && value < 1e15 ? "\(UInt64(value))" : "\(value)"
    }

    /// Names of queues come from clients: quotes, backslashes and line ends are escaped.
    private static func labels(_ labels: [(String, String)]) -> String {
        if labels.isEmpty { return "" }
        let pairs = labels.map { name, value in
            var escaped = ""
            for character in value.unicodeScalars {
                switch character {
                case "\\": escaped += "\\\\"
                case "\"": escaped += "\\\""
                case "\n": escaped += "\\n"
                case _: escaped.unicodeScalars.append(character)
                }
            }
            return "\(name)=\"\(escaped)\""
        }
        return "{" + pairs.joined(separator: ",") + "}"
    }
}
