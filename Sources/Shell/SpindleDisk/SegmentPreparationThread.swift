internal import Glibc
package import SpindleLog

/// What the preparing thread has achieved, for `LogAppender.notePrepared`.
package struct SegmentPreparationReport: Hashable, Sendable {
    /// Segments up to this number are ready for use.
    package var preparedThrough: UInt64
    /// There is no room for a further segment; it is tried again from time to time.
    package var diskFull: Bool
    /// Why preparing failed for another reason than a full disk; it is tried again from time to time.
    package var failure: LogStorageError?
}

/// Prepares segments ahead of the writer on a thread of its own, so that a rollover never waits for the disk.
///
/// Tell it with `noteCurrentSegment` how far the writer has come (a cheap call). Whenever something changes it calls the
/// report closure, on its own thread. It runs until `stop`, or until nobody holds this object.
package final class SegmentPreparationThread: Sendable {
    private let mailbox: Mailbox
    private let segmentsAhead: UInt64

    /// Starts the thread. It owns `preparer` from now on.
    package init<Storage: LogStorage>(
        preparer: SegmentPreparer<Storage>,
        currentSegment: UInt64,
        configuration: LogConfiguration,
        report: @escaping @Sendable (SegmentPreparationReport) -> Void
    ) throws(LogStorageError) {
        segmentsAhead = configuration.reservedSegments + configuration.preparedAhead
        let mailbox = Mailbox(wantedThrough: currentSegment + segmentsAhead)
        self.mailbox = mailbox
        try mailbox.start {
            var preparer = preparer
            Self.run(&preparer, mailbox, report)
        }
    }

    deinit {
        mailbox.stop()
    }

    /// The writer now fills this segment. Wakes the thread if more segments are wanted.
    package func noteCurrentSegment(_ number: UInt64) {
        mailbox.want(through: number + segmentsAhead)
    }

    /// Space may have become free: try again now.
    package func retry() {
        mailbox.retry()
    }

    /// Ends the thread after the segment it is at, and waits for it. Not to be called from the report closure.
    package func stop() {
        mailbox.stop()
    }

    private static func run<Storage: LogStorage>(
        _ preparer: inout SegmentPreparer<Storage>, _ mailbox: Mailbox, _ report: (SegmentPreparationReport) -> Void
    ) {
        var blocked = false
        var last: SegmentPreparationReport?
        while mailbox.waitForWork(preparedThrough: preparer.preparedThrough, blocked: blocked) {
            var current = SegmentPreparationReport(preparedThrough: preparer.preparedThrough, diskFull: false, failure: nil)
            do {
                switch try preparer.prepareNext() {
                case .prepared(let through): current.preparedThrough = through
                case .diskFull: current.diskFull = true
                }
            } catch {
                current.failure = error
            }
            blocked = current.diskFull || current.failure != nil
            if current != last { report(current) }
            last = current
        }
    }
}

/// What the thread is asked to do, and the thread itself.
private final class Mailbox: @unchecked Sendable {  // the variables are guarded by `mutex`
    /// How long after a failure preparing is tried again, if nothing wakes the thread before.
    private static let retrySeconds = 1

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var wantedThrough: UInt64
    private var isStopping = false
    private var isWoken = false
    /// Nil before the start, and when somebody has taken on to wait for its end.
    private var thread: pthread_t?

    init(wantedThrough: UInt64) {
        self.wantedThrough = wantedThrough
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func start(_ body: @escaping () -> Void) throws(LogStorageError) {
        let argument = Unmanaged.passRetained(ThreadBody(body))
        var started = pthread_t()
        let code = pthread_create(
            &started, nil,
            { pointer in
                guard let pointer else { return nil }
                Unmanaged<ThreadBody>.fromOpaque(pointer).takeRetainedValue().run()
                return nil
            }, argument.toOpaque())
        guard code == 0 else {
            argument.release()
            throw LogStorageError(
                operation: .open, path: "the preparing thread", errno: code, reason: String(cString: strerror(code)))
        }
        withMutex { thread = started }
    }

    func want(through number: UInt64) {
        withMutex {
            guard number > wantedThrough else { return }
            wantedThrough = number
            wake()
        }
    }

    func retry() {
        withMutex { wake() }
    }

    func stop() {
        let ending: pthread_t? = withMutex {
            isStopping = true
            wake()
            defer { thread = nil }
            return thread
        }
        if let ending { pthread_join(ending, nil) }
    }

    /// Sleeps until there is a segment to prepare; after a failure, until the retry is due. False when stopping.
    func waitForWork(preparedThrough: UInt64, blocked: Bool) -> Bool {
        withMutex {
            var deadline = timespec()
            clock_gettime(CLOCK_MONOTONIC, &deadline)
            deadline.tv_sec += Self.retrySeconds
            while !isStopping {
                if preparedThrough < wantedThrough {
                    guard blocked, !isWoken else { break }
                    if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { break }
                } else {
                    pthread_cond_wait(condition, mutex)
                }
            }
            isWoken = false
            return !isStopping
        }
    }

    private func wake() {
        isWoken = true
        pthread_cond_signal(condition)
    }

    private func withMutex<Value>(_ body: () -> Value) -> Value {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }
}

private final class ThreadBody {
    private let body: () -> Void

    init(_ body: @escaping () -> Void) {
        self.body = body
    }

    func run() {
        body()
    }
}
