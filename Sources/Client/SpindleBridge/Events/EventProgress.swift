internal import Foundation

/// A topic that tells how far things are. A client that lags is sent of each thing the latest only.
package struct EventProgress: Sendable, Hashable {
    let topic: String
    /// The field of the body that names the thing.
    let subjectField: String
    let statusField: String
    /// In these states an event tells only how far the thing is. What happened to it in another state is sent whatever follows.
    let statuses: Set<String>

    package init(topic: String, subjectField: String, statusField: String, statuses: Set<String>) {
        self.topic = topic
        self.subjectField = subjectField
        self.statusField = statusField
        self.statuses = statuses
    }

    /// Returns nil if the body does not say.
    func subject(_ body: [UInt8]) -> EventRing.Subject? {
        guard let fields = try? JSONSerialization.jsonObject(with: Data(body)) as? [String: Any], let name = fields[subjectField] as? String else {
            return nil
        }
        let isProgress = (fields[statusField] as? String).map { statuses.contains($0) } ?? false
        return EventRing.Subject(topic: topic, name: name, isProgress: isProgress)
    }
}
