internal import Dispatch

/// Work on files, which blocks its thread: not one of Swift's few.
enum Blocking {
    private static let queue = DispatchQueue(label: "mcms.files", attributes: .concurrent)

    static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try body() }) }
        }
    }
}
