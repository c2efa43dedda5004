internal import Metrics
internal import Synchronization

/// The worker's figures: `spindle.worker.tasks`, `spindle.worker.task.duration`, `spindle.worker.tasks.in_flight`.
enum WorkerMetrics {
    /// Of tasks whose type is not known here: names that others choose make no series.
    static let unknownTaskType = "unknown"

    private static let inFlight = Mutex<[String: Int]>([:])

    static func began(queue: String) { change(queue, by: 1) }

    static func ended(queue: String, taskType: String, outcome: String, duration: Duration) {
        change(queue, by: -1)
        let dimensions = [("queue", queue), ("task_type", taskType), ("outcome", outcome)]
        Counter(label: "spindle.worker.tasks", dimensions: dimensions).increment()
        Timer(label: "spindle.worker.task.duration", dimensions: Array(dimensions.prefix(2)))
            .recordNanoseconds(Int64(duration / .nanoseconds(1)))
    }

    private static func change(_ queue: String, by difference: Int) {
        let count = inFlight.withLock { counts in
            counts[queue, default: 0] += difference
            return counts[queue, default: 0]
        }
        Gauge(label: "spindle.worker.tasks.in_flight", dimensions: [("queue", queue)]).record(count)
    }
}
