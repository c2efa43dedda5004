package import Tracing

/// The business correlation id of the work at hand: from a task's envelope, or made where a request enters.
private enum CorrelationIDKey: ServiceContextKey {
    typealias Value = String
    static let nameOverride: String? = "correlationId"
}

extension ServiceContext {
    /// Longer ids are not taken over from outside, in bytes.
    package static let correlationIDBytesMax = 200

    /// The correlation id that every log line, span, message and call of this work carries.
    ///
    /// A module that may not import this one can have a key of its own: one with the name `correlationId` and a `String`
    /// value is found as well.
    package var correlationID: String? {
        get {
            if let own = self[CorrelationIDKey.self] { return own }
            var found: String?
            forEach { key, value in
                if key.name == "correlationId", let text = value as? String { found = text }
            }
            return found
        }
        set { self[CorrelationIDKey.self] = newValue }
    }
}
