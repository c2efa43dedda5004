import ContentStore
import MCMSFiles
import Synchronization
import Testing

/// A store that refuses for a while.
@Suite struct StoreFaultTests {
    private final class RefusingStore: PayloadStore {
        let refusal: Mutex<StoreFolderError?>
        private let store: LocalPayloadStore
        var name: String { store.name }

        init(_ store: LocalPayloadStore, _ refusal: StoreFolderError) {
            self.store = store
            self.refusal = Mutex(refusal)
        }

        func put(upload: String, as address: ContentAddress, bytes: Int64) async throws -> StoreReceipt {
            if let error = refusal.withLock({ $0 }) { throw error }
            return try await store.put(upload: upload, as: address, bytes: bytes)
        }

        func facts(of address: ContentAddress) async throws -> PayloadFacts? { try await store.facts(of: address) }
        func verify(_ address: ContentAddress) async throws -> Bool { try await store.verify(address) }
        func remove(_ address: ContentAddress) async throws { try await store.remove(address) }
        func all() async throws -> [ContentAddress] { try await store.all() }
        func open(_ address: ContentAddress) async throws -> (any PayloadBytes)? { try await store.open(address) }
    }

    @Test func aFullDiskIsWaitedForHoweverOften() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try await test.upload("A.nc", [1, 2, 3], routing: try await test.routing())
        let store = RefusingStore(test.payloads, StoreFolderError(operation: "write", path: "cas", reason: "No space left on device", isFull: true))
        for attempt in 1...8 {
            guard case .postpone = try await test.handler(payloads: store).handle(try await test.command(file.id), attempt: attempt) else {
                return #expect(Bool(false), "attempt \(attempt)")
            }
        }
        let waiting = try await test.store.file(file.id)
        #expect(waiting.status == .ingesting && waiting.reason?.contains("No space left on device") == true, "\(waiting)")
        store.refusal.withLock { $0 = nil }
        #expect(try await test.handler(payloads: store).handle(try await test.command(file.id), attempt: 9) == .done("committed"))
        #expect(try await test.store.file(file.id).reason == nil)
    }

    @Test func anotherFailureIsSaidWhileItIsTriedAgain() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try await test.upload("A.nc", [1, 2, 3], routing: try await test.routing())
        let store = RefusingStore(test.payloads, StoreFolderError(operation: "read", path: "cas", reason: "Input/output error"))
        await #expect(throws: StoreFolderError.self) {
            _ = try await test.handler(payloads: store).handle(try await test.command(file.id), attempt: 1)
        }
        #expect(try await test.store.file(file.id).reason?.contains("Input/output error") == true)
    }
}
