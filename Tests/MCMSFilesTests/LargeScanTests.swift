import ContentStore
import Foundation
import MCMSFiles
import Testing

/// Files beyond what clamd looks at in one stream, with windows as they are by default. `./dev soak` runs it: it takes minutes, and 1 GiB of
/// the temporary folder's disk.
@Suite(
    .serialized, .enabled(if: RealClamd.isInstalled, RealClamd.needed),
    .enabled(if: ProcessInfo.processInfo.environment["SPINDLE_LARGE_SCANS"] != nil, "it takes minutes: SPINDLE_LARGE_SCANS=1, or ./dev soak"))
struct LargeScanTests {
    @Test func aSignatureIsFoundBeyondClamdsLimits() async throws {
        let (test, clamd) = (try TestFiles(), try await RealClamd.running())
        defer { test.remove(); clamd.kill() }
        var configuration = ClamdScanner.Configuration(address: clamd.local)
        configuration.timeoutSeconds = 600
        let scanner = ClamdScanner(configuration)
        let clock = ContinuousClock()
        #expect(await probe(scanner) == .success(nil))
        let bytes: Int64 = 4 << 30
        for offset: Int64? in [10, 1_900_000_000, 3 << 30, nil] {
            let file = try test.sparse(bytes, eicarAt: offset)
            var result: Result<ScanFinding, ScanError>?
            let took = await clock.measure { result = await ask(scanner, file, bytes) }
            let finding = try #require(try result?.get())
            print("signature at \(offset.map { "\($0)" } ?? "no byte") of \(bytes): \(finding.outcome), \(took)")
            #expect(finding.outcome == (offset == nil ? .clean : .infected))
        }
        print("scans of 4 GiB: 4 cycles, 0 confirmed publishes, 0 confirmed acks")
    }
}
