import SpindleCluster
import SpindleText

/// Settings that a description may name and this version does not have. A queue that silently works without what was asked of it
/// would be worse than one that does not start.
struct UnsupportedSettings {
    private let cluster: ClusterConfiguration

    init(_ cluster: ClusterConfiguration) { self.cluster = cluster }

    /// One line for each topic that asks for too much.
    var lines: [String] {
        cluster.topics.compactMap { topic in
            topic.retention == cluster.topicDefaults ? nil : "topic “\(topic.pattern.description)”: a retention of its own"
        } + (cluster.topicDefaults.bytes == nil ? [] : ["topics: a retention by bytes"])
    }

    func refuse() throws {
        guard !lines.isEmpty else { return }
        throw CommandFailure(
            "the description asks for what this version does not have:\n  " + lines.joined(separator: "\n  "),
            advice: "Leave these settings out, or set them to what poc.yaml says under `defaults`.")
    }
}
