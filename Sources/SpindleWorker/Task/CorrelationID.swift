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
