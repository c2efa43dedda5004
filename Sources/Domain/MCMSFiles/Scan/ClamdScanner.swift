/// ClamAV's daemon, by INSTREAM.
///
/// clamd says `OK` for what exceeds its limits: a signature at byte 10 of 2.2 GB is `stream: OK`, and 2 GiB less 3 bytes is the most that it
/// looks at, whatever its settings say. So a file is sent in windows that overlap, each of them a stream of its own below that limit.
/// A signature is found wherever it lies, if it is shorter than the overlap; archives larger than a window are not looked into.
/// Whether clamd looks at whole windows is what ``probe()`` finds out.
package struct ClamdScanner: FileScanner {
    package struct Configuration: Sendable {
        package var address: ScanAddress
        /// Sent as one stream. Not above clamd's StreamMaxLength, MaxFileSize and MaxScanSize.
        package var windowBytes: Int64 = 1 << 30
        package var overlapBytes: Int64 = 1 << 20
        /// For each answer. Below clamd's MaxScanTime, after which it says `OK` too: then the answer comes too late, and is none.
        package var timeoutSeconds = 100

        package init(address: ScanAddress) {
            self.address = address
        }
    }

    private let configuration: Configuration
    private let client: ClamdClient

    package init(_ configuration: Configuration) {
        self.configuration = configuration
        client = ClamdClient(address: configuration.address, timeoutSeconds: configuration.timeoutSeconds)
    }

    package var name: String { "clamd \(configuration.address)" }

    package func probe() async throws(ScanError) -> String? {
        _ = try await client.version()
        return try await ClamdProbe(client: client, windowBytes: configuration.windowBytes).run()
    }

    package func ping() async throws(ScanError) {
        _ = try await ClamdClient(address: configuration.address, timeoutSeconds: ScannerPing.timeoutSeconds).version()
    }

    package func scan(_ file: any PayloadBytes, bytes: Int64) async throws(ScanError) -> ScanFinding {
        let engine = try await client.version()
        let step = configuration.windowBytes - configuration.overlapBytes
        var start: Int64 = 0
        while true {
            let (from, window) = (start, min(configuration.windowBytes, bytes - start))
            switch try await client.scan({ send in try BlockingRead.pieces(of: file, from: from, bytes: window, send) }) {
            case .clean: break
            case .found(let signature):
                return ScanFinding(.infected, detail: signature, engine: engine, scannedBytes: from + window)
            case .limit(let what):
                return ScanFinding(.notScannable, detail: "clamd's limits are too narrow for it: \(what)", engine: engine, scannedBytes: from)
            }
            if from + window >= bytes { return ScanFinding(.clean, engine: engine, scannedBytes: bytes) }
            start += step
        }
    }
}
