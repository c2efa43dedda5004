import SpindleBroker
import SpindleDisk
import SpindleLog
import SpindleWire
import Synchronization
import Testing

/// Real files, until a switch is thrown: then syncs fail, or the disk says that it is full.
private final class FailingStorage: LogStorage {
    enum Fault { case none, sync, write, full }

    private let disk: DiskLogStorage
    private let state = Mutex<(fault: Fault, failedSyncs: Int)>((.none, 0))

    init(path: String) throws { disk = try DiskLogStorage(path: path) }

    func set(_ fault: Fault) { state.withLock { $0.fault = fault } }
    var failures: Int { state.withLock { $0.failedSyncs } }

    private func fail(_ fault: Fault, _ operation: LogStorageError.Operation, errno: Int32) throws(LogStorageError) {
        let fails = state.withLock { state in
            if state.fault == fault { state.failedSyncs += 1 }
            return state.fault == fault
        }
        if fails { throw LogStorageError(operation: operation, path: "injected", errno: errno, reason: "injected") }
    }

    func list() throws(LogStorageError) -> [LogFile] { try disk.list() }
    func create(_ file: LogFileName) throws(LogStorageError) {
        try fail(.full, .create, errno: 28)
        try disk.create(file)
    }
    func write(_ file: LogFileName, at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws(LogStorageError) {
        if case .segment = file { try fail(.write, .write, errno: 5) }
        try disk.write(file, at: offset, bytes)
    }
    func sync(_ file: LogFileName) throws(LogStorageError) {
        if case .segment = file { try fail(.sync, .sync, errno: 5) }
        try disk.sync(file)
    }
    func rename(_ file: LogFileName, to newName: LogFileName) throws(LogStorageError) { try disk.rename(file, to: newName) }
    func remove(_ file: LogFileName) throws(LogStorageError) { try disk.remove(file) }
    func syncDirectory() throws(LogStorageError) { try disk.syncDirectory() }
    func read(_ file: LogFileName, at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(LogStorageError) -> Int {
        try disk.read(file, at: offset, into: buffer)
    }
    func freeBytes() throws(LogStorageError) -> UInt64 { state.withLock { $0.fault == .full } ? 0 : try disk.freeBytes() }
}

@Suite("A log that cannot be written")
struct LogFailureTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Inline and on the writer thread, a failing write and a failing sync.
    @Test("answers nobody, stops the process, and tries no sync again", arguments: [0, 64 << 10], [true, false])
    func failure(inlineBytesMax: Int, isSync: Bool) async throws {
        let storage = Mutex<FailingStorage?>(nil)
        let stopped = Mutex<[String]>([])
        let hooks = BrokerHooks(
            openStorage: { path in
                let opened = try FailingStorage(path: path)
                storage.withLock { $0 = opened }
                return opened
            },
            stopProcess: { reason in stopped.withLock { $0.append(reason) } })
        try await TestBroker.run(folder, hooks: hooks) {
            $0.commit.inlineBytesMax = inlineBytesMax
        } _: { running in
            let client = try await running.client()
            let other = try await running.client()
            _ = try await client.publish("esprit-gen", "confirmed")
            storage.withLock { $0 }?.set(isSync ? .sync : .write)
            try await client.send(
                TestClient.frame(Opcode.publish.rawValue, TestClient.publishBody("esprit-gen", [try TestClient.record("never confirmed")])))
            try await client.expectClosed()
            try await other.expectClosed()
            #expect(stopped.withLock { $0.count } == 1)
            #expect(stopped.withLock { $0.first }?.contains("injected") == true)
            #expect(running.broker.notReady?.contains("injected") == true)
            // What may come now finds nobody.
            let late = try await running.raw()
            late.sendLater(TestClient.frame(Opcode.hello.rawValue))
            try await late.expectClosed()
        }
        #expect(storage.withLock { $0?.failures } == 1, "after a failure the log is not touched again")
        storage.withLock { $0 = nil }
        try await TestBroker.run(folder) { running in
            let texts = try await running.client().lease("esprit-gen").map(\.text)
            #expect(texts.first == "confirmed")
        }
    }

    @Test func aFullDiskRefusesPublishesLetsAcksThroughAndRecovers() async throws {
        let storage = Mutex<FailingStorage?>(nil)
        let hooks = BrokerHooks(openStorage: { path in
            let opened = try FailingStorage(path: path)
            storage.withLock { $0 = opened }
            return opened
        })
        try await TestBroker.run(folder, hooks: hooks) { running in
            let client = try await running.client()
            try await waitUntil { try await running.metric("spindle_log_segments_ready") >= 4 }
            storage.withLock { $0 }?.set(.full)
            let body = TestClient.publishBody("esprit-gen", [try TestClient.record(String(repeating: "x", count: 1 << 20))])
            var refusal: Frame?
            for _ in 0..<100 where refusal == nil {
                let reply = try await client.request(.publish, body)
                if reply.header.flags.contains(.error) { refusal = reply }
            }
            let error = try #require(try refusal?.error(), "a disk of bounded size took everything")
            #expect(ErrorCode(rawValue: error.code) == .noSpace)
            #expect(error.isRetryable)
            #expect(running.broker.notReady != nil)
            // What is there can still be worked off.
            let deliveries = try await client.lease("esprit-gen", max: 1)
            #expect(deliveries.count == 1)
            #expect(try await client.acknowledge(deliveries.map(\.token)) == [.ok])

            storage.withLock { $0 }?.set(.none)
            try await waitUntil { running.broker.notReady == nil }
            let reply = try await client.request(.publish, body)
            #expect(!reply.header.flags.contains(.error))
        }
        storage.withLock { $0 = nil }
    }
}
