internal import FuzzCore
internal import SpindleCluster

extension FuzzTarget {
    /// The description of a cluster: any text gives a configuration, or sentences that say what is wrong and where.
    static let configuration = FuzzTarget(
        "configuration", inputBytesMax: 8192,
        seeds: { ["cluster: a\nbrokers: [{name: b}]\n", "a: &x [1]\nb: [*x, *x]\n", "{", "? [a]\n: b\n", "\u{FEFF}a: 1"].map { Array($0.utf8) } }
    ) { input in
        guard let text = input.withUnsafeBytes({ String(validating: $0, as: UTF8.self) }) else { return }
        do {
            let configuration = try ClusterConfiguration.parse(yaml: text, fileName: "f")
            try must(!configuration.brokers.isEmpty, "a cluster without a broker is accepted")
        } catch let errors as ConfigurationErrors {
            try must(!errors.errors.isEmpty, "a configuration is refused without a reason")
            try must(errors.errors.allSatisfy { !$0.problem.isEmpty && $0.line >= 0 }, "an error says nothing: \(errors)")
            // Many errors, or long words, must not make a message that nobody can read.
            try must("\(errors)".utf8.count < 1 << 20, "the errors of \(text.utf8.count) bytes take \("\(errors)".utf8.count)")
        }
    }
}
