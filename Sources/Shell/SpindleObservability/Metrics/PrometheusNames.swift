/// Names and values as Prometheus's text format, version 0.0.4, wants them.
enum PrometheusText {
    /// `[a-zA-Z_:][a-zA-Z0-9_:]*`: everything else becomes an underscore, so `spindle.queue-depth` is `spindle_queue_depth`.
    static func metricName(_ label: String) -> String {
        name(label, colon: true)
    }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`, not one of the reserved names (`__…`, and `le`, which a histogram needs).
    static func labelName(_ label: String) -> String {
        var name = name(label, colon: false)
        while name.hasPrefix("__") { name.removeFirst() }
        return name == "le" ? "le_" : name
    }

    private static func name(_ label: String, colon: Bool) -> String {
        var result: [UInt8] = []
        for byte in label.utf8 {
            let isLetter = (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == UInt8(ascii: "_")
            let isDigit = (0x30...0x39).contains(byte)
            if isDigit, result.isEmpty { result.append(UInt8(ascii: "_")) }
            result.append(isLetter || isDigit || (colon && byte == UInt8(ascii: ":")) ? byte : UInt8(ascii: "_"))
        }
        return result.isEmpty ? "_" : String(decoding: result, as: UTF8.self)
    }

    /// `{a="1",b="2"}` with the values escaped, or nothing. Sorted by name; of two equal names the last counts.
    static func labels(_ dimensions: [(String, String)], extra: (name: String, value: String)? = nil) -> String {
        var byName: [String: String] = [:]
        for (name, value) in dimensions { byName[labelName(name)] = value }
        var pairs = byName.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(escaped($0.value))\"" }
        if let extra { pairs.append("\(extra.name)=\"\(extra.value)\"") }
        return pairs.isEmpty ? "" : "{\(pairs.joined(separator: ","))}"
    }

    static func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }

    static func escapedHelp(_ help: String) -> String {
        help.replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
    }

    static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int(exactly: value).map(String.init) ?? "\(value)"
    }
}
