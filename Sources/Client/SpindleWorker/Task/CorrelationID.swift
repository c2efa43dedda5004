internal import ServiceContextModule

/// The correlation id of the task being handled. The name is what the project's log lines and tracers look for.
private enum TaskCorrelationIDKey: ServiceContextKey {
    typealias Value = String
    static let nameOverride: String? = "correlationId"
}

extension ServiceContext {
    var taskCorrelationID: String? {
        get { self[TaskCorrelationIDKey.self] }
        set { self[TaskCorrelationIDKey.self] = newValue }
    }
}

/// Correlation ids come from outside and go into message headers, which take 255 bytes, and onto log lines.
enum CorrelationID {
    static let bytesMax = 200

    static func bounded(_ id: String) -> String {
        guard id.utf8.count > bytesMax else { return id }
        var bytes = 0
        return String(id.unicodeScalars.prefix { scalar in
            bytes += UTF8.width(scalar)
            return bytes <= bytesMax
        })
    }
}
