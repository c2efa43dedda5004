import ContentStore
import Foundation
import Glibc
import MCMS
import MCMSFiles
import Testing

/// What clamd really says, and what is made of it.
@Suite(.serialized, .enabled(if: RealClamd.isInstalled, RealClamd.needed)) struct RealClamdTests {
    private let mebibyte: Int64 = 1 << 20

    // MARK: Signatures

    @Test func aSignatureIsFoundWhereverItLies() async throws {
        let (test, clamd) = (try TestFiles(), try await RealClamd.running())
        defer { test.remove(); clamd.kill() }
        // Windows begin at 0, 1 MiB - 64 KiB and so on.
        let (size, border, second) = (3 * mebibyte + 17, mebibyte, mebibyte - 64 << 10)
        let places: [(String, Int64, Int64?)] = [
            ("in no place", size, nil), ("in no place of an empty file", 0, nil), ("in no place of one window", mebibyte, nil),
            ("in no place of a window and a byte", mebibyte + 1, nil),
            ("alone", Eicar.count, 0), ("at the start", size, 0), ("at byte 10", size, 10), ("in the middle", size, 3 * mebibyte / 2),
            ("across the first window's end", size, border - 30), ("at the first window's end", size, border - Eicar.count),
            ("across the second window's start", size, second - 30), ("at the second window's start", size, second),
            ("at the end", size, size - Eicar.count), ("across the end of the first of two windows", mebibyte + 1, mebibyte + 1 - Eicar.count),
        ]
        for address in [clamd.tcp, clamd.local] {
            let scanner = clamd.scanner(address, windowBytes: mebibyte)
            for (place, bytes, offset) in places {
                let answer = await ask(scanner, try test.sparse(bytes, eicarAt: offset), bytes)
                let finding = try #require(answer.value, "\(place): \(answer)")
                #expect(finding.outcome == (offset == nil ? .clean : .infected), "\(place): \(finding)")
                #expect(finding.engine?.hasPrefix("ClamAV ") == true)
                if offset == nil { #expect(finding.scannedBytes == bytes) } else { #expect(finding.detail?.hasPrefix("Eicar-Test-Signature") == true) }
            }
        }
        // It is the overlap that finds what lies across a border.
        let blind = clamd.scanner(clamd.tcp, windowBytes: mebibyte, overlapBytes: 1)
        #expect(try await ask(blind, test.sparse(size, eicarAt: border - 30), size).value?.outcome == .clean)
    }

    // MARK: Limits

    private struct Limited {
        let name: String
        let limits: RealClamd.Limits
        /// Of an infected stream of 3 MiB.
        let outcome: ScanVerdict.Outcome
        let says: String
    }

    @Test func whatClamdDoesNotLookAtIsNoVerdictAndTheProbeTells() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let rows = [
            Limited(name: "StreamMaxLength", limits: .init(stream: 2 << 20), outcome: .notScannable, says: "size limit exceeded"),
            Limited(name: "MaxFileSize with alerts", limits: .init(file: 2 << 20), outcome: .notScannable, says: "Heuristics.Limits."),
            Limited(name: "MaxScanSize with alerts", limits: .init(scan: 2 << 20), outcome: .notScannable, says: "Heuristics.Limits."),
            // These are why there is a probe: clamd says OK to a virus.
            Limited(name: "MaxFileSize", limits: .init(file: 2 << 20, alerts: false), outcome: .clean, says: "and not at the end"),
            Limited(name: "MaxScanSize", limits: .init(scan: 2 << 20, alerts: false), outcome: .clean, says: "and not at the end"),
        ]
        let bytes = 3 * mebibyte
        let (infected, clean) = (try test.sparse(bytes, eicarAt: 0), try test.sparse(bytes))
        for row in rows {
            let clamd = try await RealClamd.running(row.limits)
            defer { clamd.kill() }
            let wide = clamd.scanner(clamd.tcp, windowBytes: 4 * mebibyte)
            for file in [infected, clean] {
                let finding = await ask(wide, file, bytes).value
                #expect(finding?.outcome == row.outcome, "\(row.name): \(String(describing: finding))")
                if row.outcome == .notScannable { #expect(finding?.detail?.contains(row.says) == true && finding?.scannedBytes == 0) }
            }
            let refusal = try #require(await probe(wide).error, "\(row.name)")
            #expect(refusal.isUnfit && "\(refusal)".contains(row.says) && "\(refusal)".contains("StreamMaxLength"), "\(row.name): \(refusal)")
            // Through the probe, no file gets a verdict.
            let guarded = ProbedScanner(wide, logger: quiet)
            _ = await probe(guarded)
            #expect(await ask(guarded, infected, bytes).error?.isUnfit == true)
            // The windows that the advice asks for.
            let advised = ProbedScanner(clamd.scanner(clamd.local, windowBytes: 2 * mebibyte), logger: quiet)
            #expect(await probe(advised) == .success(nil), "\(row.name)")
            #expect(await ask(advised, infected, bytes).value?.outcome == .infected)
            #expect(await ask(advised, clean, bytes).value?.outcome == .clean)
        }
    }

    @Test func theProbeKnowsWhatItCanNotTell() async throws {
        let narrow = RealClamd.Limits(file: 2 << 20, alerts: false)
        let start = try await RealClamd.running(narrow, signature: .eicarAtTheStart)
        defer { start.kill() }
        #expect(await probe(start.scanner(start.tcp, windowBytes: 2 * mebibyte)) == .success(nil))
        #expect("\(await probe(start.scanner(start.tcp, windowBytes: 3 * mebibyte)))".contains("and not at the start"))
        for signature in [RealClamd.Signature.other, .eicarAsAWholeFile] {
            let clamd = try await RealClamd.running(narrow, signature: signature)
            defer { clamd.kill() }
            let doubt = try #require(await probe(clamd.scanner(clamd.tcp, windowBytes: 3 * mebibyte)).value)
            #expect(doubt?.contains("can't be told") == true)
        }
        // A limit that clamd tells of needs no signature.
        let told = try await RealClamd.running(.init(file: 2 << 20), signature: .other)
        defer { told.kill() }
        #expect(await probe(told.scanner(told.tcp, windowBytes: 3 * mebibyte)).error?.isUnfit == true)
    }

    // MARK: Absence

    @Test func filesWaitForAClamdThatStartsLater() async throws {
        let (test, clamd) = (try TestFiles(), try RealClamd())
        defer { test.remove(); clamd.kill() }
        let routing = try await test.routing()
        let clean = try await test.command(try await test.upload("A.nc", pattern(5_000), routing: routing).id)
        let infected = try await test.command(try await test.upload("B.nc", Eicar.text, routing: routing).id)
        for address in [clamd.tcp, clamd.local] {
            let handler = test.handler(.by(clamd.scanner(address, windowBytes: mebibyte)))
            for attempt in 1...4 {
                guard case .postpone = try await handler.handle(clean, attempt: attempt) else { return #expect(Bool(false)) }
            }
        }
        #expect(try await test.store.file(clean.uploadSessionId).status == .scanning)
        try await clamd.start()
        let handler = test.handler(.by(clamd.scanner(clamd.local, windowBytes: mebibyte)))
        #expect(try await handler.handle(clean, attempt: 1) == .done("committed"))
        #expect(try await test.store.file(clean.uploadSessionId).verdict?.engine?.hasPrefix("ClamAV ") == true)
        #expect(try await handler.handle(infected, attempt: 1) == .done("quarantined"))
        let kept = try await test.store.file(infected.uploadSessionId)
        #expect(kept.status == .quarantined && kept.reason?.hasPrefix("infected: Eicar-Test-Signature") == true)
        #expect(try await test.history(routing).last == .fileQuarantined)
        let path = test.root.appendingPathComponent("store/" + StagingArea.path(of: kept.id)).path
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
        #expect(test.names(below: "share").count == 1)
    }

    @Test func aClamdThatDiesInTheMiddleOfAStreamGivesNoVerdict() async throws {
        let (test, clamd) = (try TestFiles(), try await RealClamd.running())
        defer { test.remove(); clamd.kill() }
        let bytes: Int64 = 512 << 20
        let (file, scanner) = (try test.sparse(bytes), clamd.scanner(clamd.tcp, windowBytes: bytes))
        clamd.dieInTheMiddleOfAStream()
        let error = try #require(await ask(scanner, file, bytes).error)
        #expect(error.isFailed, "\(error)")
        clamd.kill()
        #expect(await ask(scanner, file, bytes).error?.isUnreachable == true)
    }

    @Test func aClamdThatHangsIsAway() async throws {
        let (test, clamd) = (try TestFiles(), try await RealClamd.running())
        defer { test.remove(); clamd.kill() }
        clamd.signal(SIGSTOP)
        for address in [clamd.tcp, clamd.local] {
            let scanner = clamd.scanner(address, windowBytes: mebibyte, timeoutSeconds: 1)
            #expect(try await ask(scanner, test.sparse(10), 10).error?.isUnreachable == true)
        }
        clamd.signal(SIGCONT)
        #expect(try await ask(clamd.scanner(clamd.tcp, windowBytes: mebibyte), test.sparse(10), 10).value?.outcome == .clean)
    }
}

/// What answers at clamd's address, and is none or breaks off.
@Suite struct StrangeClamdTests {
    private func outcome(_ serve: @escaping @Sendable (Peer) -> Void) async throws -> ScanError? {
        let (test, listener) = (try TestFiles(), try Listener())
        defer { test.remove(); listener.stop() }
        listener.serve(serve)
        var configuration = ClamdScanner.Configuration(address: .tcp(host: "127.0.0.1", port: listener.port))
        configuration.timeoutSeconds = 4
        let bytes: Int64 = 16 << 20
        return await ask(ClamdScanner(configuration), try test.sparse(bytes), bytes).error
    }

    /// Answers VERSION, and something else to a stream.
    private func clamd(_ body: @escaping @Sendable (Peer) -> Void) -> @Sendable (Peer) -> Void {
        { peer in
            guard let first = peer.read(atMost: 10) else { return }
            if first.starts(with: "zVERSION".utf8) { peer.write("ClamAV 1.4.6") } else { body(peer) }
        }
    }

    @Test func whatIsNoClamdIsWaitedFor() async throws {
        let web = try await outcome { peer in
            _ = peer.read()
            peer.write("HTTP/1.1 400 Bad Request\r\n\r\n")
        }
        #expect(web?.isUnreachable == true && web?.description.contains("is no clamd") == true)
        #expect(try await outcome { _ in }?.isUnreachable == true)
        #expect(try await outcome { $0.wait() }?.isUnreachable == true)
    }

    @Test func whatBreaksOffIsNoVerdict() async throws {
        #expect(try await outcome(clamd { _ in })?.isFailed == true)
        #expect(try await outcome(clamd { $0.wait() })?.isFailed == true)
        #expect(try await outcome(clamd { $0.write("stream: OK") })?.isFailed == true)
        #expect(try await outcome(clamd { $0.write("UNKNOWN COMMAND"); $0.drain() })?.isFailed == true)
    }
}
