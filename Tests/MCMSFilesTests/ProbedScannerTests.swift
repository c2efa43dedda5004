import Foundation
import MCMS
import MCMSFiles
import Synchronization
import Testing

@Suite struct ProbedScannerTests {
    private let clean = ScanFinding(.clean, engine: "fake", scannedBytes: 3)

    @Test func noFileIsScannedBeforeAProbePassed() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try test.sparse(3)
        let fake = FakeScanner(.success(clean))
        let scanner = ProbedScanner(fake, logger: quiet)
        #expect(await ask(scanner, file, 3).error?.isUnreachable == true)
        for refusal in [ScanError.unfit("its limits"), .unreachable("refused")] {
            fake.probed.withLock { $0 = .failure(refusal) }
            #expect(await probe(scanner) == .failure(refusal))
            #expect(await ask(scanner, file, 3) == .failure(refusal))
        }
        #expect(fake.asked.withLock { $0 } == 0)
        fake.probed.withLock { $0 = .success("a doubt") }
        #expect(await probe(scanner) == .success("a doubt"))
        #expect(await ask(scanner, file, 3) == .success(clean))
    }

    @Test func aProbeThatFailsIsNoFilesFault() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let fake = FakeScanner(.success(clean))
        fake.probed.withLock { $0 = .failure(.failed("it did not answer in time")) }
        let scanner = ProbedScanner(fake, logger: quiet)
        _ = await probe(scanner)
        #expect(try await ask(scanner, test.sparse(3), 3).error?.isUnfit == true)
    }

    @Test func oneThatWasAwayIsProbedAgain() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try test.sparse(3)
        let fake = FakeScanner(.success(clean))
        let scanner = ProbedScanner(fake, logger: quiet)
        _ = await probe(scanner)
        // What fails with one file is asked about the next one.
        fake.answer.withLock { $0 = .failure(.failed("status 500")) }
        #expect(await ask(scanner, file, 3).error?.isFailed == true)
        fake.answer.withLock { $0 = .failure(.unreachable("refused")) }
        #expect(await ask(scanner, file, 3).error?.isUnreachable == true)
        // It is back, with other settings as far as anyone knows.
        fake.answer.withLock { $0 = .success(clean) }
        #expect(await ask(scanner, file, 3).error?.isUnreachable == true)
        _ = await probe(scanner)
        #expect(await ask(scanner, file, 3) == .success(clean))
    }

    @Test func theServiceProbesByItselfAndEndsWhenItIsStopped() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try test.sparse(3)
        let scanner = ProbedScanner(FakeScanner(.success(clean)), logger: quiet)
        let running = Task { try await scanner.run() }
        try await eventually { await ask(scanner, file, 3) == .success(clean) }
        running.cancel()
        try await running.value
    }

    @Test func aFileWaitsForAScannerThatCanNotBeReliedOn() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let uploaded = try await test.upload("A.nc", [1, 2, 3], routing: try await test.routing())
        let command = try await test.command(uploaded.id)
        let fake = FakeScanner(.success(clean))
        fake.probed.withLock { $0 = .failure(.unfit("its limits are too narrow")) }
        let scanner = ProbedScanner(fake, logger: quiet)
        _ = await probe(scanner)
        let handler = test.handler(.by(scanner), alertAfter: 0)
        for attempt in 1...5 {
            let outcome = try await handler.handle(command, attempt: attempt)
            #expect(outcome == .postpone(reason: "the scanner can't be relied on: its limits are too narrow"))
        }
        let file = try await test.store.file(uploaded.id)
        #expect(file.status == .scanning && file.reason?.contains("its limits are too narrow") == true)
        #expect(try await test.alerts().map(\.type) == ["file.scannerUnreachable"])
        fake.probed.withLock { $0 = .success(nil) }
        _ = await probe(scanner)
        #expect(try await handler.handle(command, attempt: 1) == .done("committed"))
    }
}
