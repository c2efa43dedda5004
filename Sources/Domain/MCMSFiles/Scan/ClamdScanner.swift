package import ContentStore
internal import Foundation

/// ClamAV's daemon, by INSTREAM.
///
/// clamd says `OK` for what exceeds its limits: a signature at byte 10 of 2.2 GB is `stream: OK`, and 2 GiB less 3 bytes is the most that it
/// looks at, whatever its settings say. So a file is sent in windows that overlap, each of them a stream of its own below that limit.
/// A signature is found wherever it lies, if it is shorter than the overlap; archives larger than a window are not looked into.
package struct ClamdScanner: FileScanner {
    package struct Configuration: Sendable {
        package var address: ScanAddress
        /// Sent as one stream. Not above clamd's StreamMaxLength, MaxFileSize and MaxScanSize.
        package var windowBytes: Int64 = 1 << 30
        package var overlapBytes: Int64 = 1 << 20
        package var timeoutSeconds = 120

        package init(address: ScanAddress) {
            self.address = address
        }
    }

    private static let pieceBytes = 1 << 20

    private let configuration: Configuration

    package init(_ configuration: Configuration) {
        self.configuration = configuration
    }

    package var name: String { "clamd \(configuration.address)" }

    package func probe() async throws(ScanError) { _ = try await version() }

    /// Such as `ClamAV 1.4.3/27600/Sat Nov 28 …`: the engine, and how old its signatures are.
    private func version() async throws(ScanError) -> String {
        try await blocking { () throws(ScanError) in
            let socket = try ScanSocket(configuration.address, timeoutSeconds: configuration.timeoutSeconds)
            guard try socket.send(Array("zVERSION\0".utf8)) else { throw .unreachable("it closed the connection") }
            return String(decoding: try socket.answer(bytesMax: 1_024), as: UTF8.self)
        }
    }

    package func scan(_ file: StagedFile, bytes: Int64) async throws(ScanError) -> ScanFinding {
        let engine = try await version()
        let step = configuration.windowBytes - configuration.overlapBytes
        var start: Int64 = 0
        repeat {
            let window = min(configuration.windowBytes, bytes - start)
            let at = start
            let answer = try await blocking { () throws(ScanError) in try stream(file, from: at, bytes: window) }
            let end = start + window
            switch Answer(answer) {
            case .ok: break
            case .found(let signature):
                return ScanFinding(.infected, detail: signature, engine: engine, scannedBytes: end)
            case .limit(let what):
                return ScanFinding(.notScannable, detail: "clamd's limits are too narrow for it: \(what)", engine: engine, scannedBytes: start)
            case .error(let text):
                throw .failed(text)
            }
            if end >= bytes { break }
            start += step
        } while true
        return ScanFinding(.clean, engine: engine, scannedBytes: bytes)
    }

    private enum Answer {
        case ok, found(String), limit(String), error(String)

        init(_ text: String) {
            let said = text.hasPrefix("stream: ") ? String(text.dropFirst("stream: ".count)) : text
            if said == "OK" {
                self = .ok
            } else if said.hasSuffix(" FOUND") {
                let signature = String(said.dropLast(" FOUND".count))
                // What exceeds a limit is no infection.
                self = signature.hasPrefix("Heuristics.Limits.") ? .limit(signature) : .found(signature)
            } else if said.contains("size limit exceeded") {
                self = .limit(said)
            } else {
                self = .error(said.isEmpty ? "it closed the connection without a verdict" : said)
            }
        }
    }

    private func stream(_ file: StagedFile, from offset: Int64, bytes: Int64) throws(ScanError) -> String {
        let socket = try ScanSocket(configuration.address, timeoutSeconds: configuration.timeoutSeconds)
        guard try socket.send(Array("zINSTREAM\0".utf8)) else { throw .unreachable("it closed the connection") }
        var takes = true
        do {
            try file.read(from: offset, bytes: bytes) { piece in
                guard takes, try socket.send(Self.length(piece.count)), try socket.send(piece) else {
                    // It has made up its mind, and says so.
                    takes = false
                    return
                }
            }
        } catch let error as ScanError {
            throw error
        } catch {
            throw .failed("\(error)")
        }
        if takes { _ = try socket.send(Self.length(0)) }
        return String(decoding: try socket.answer(bytesMax: 4_096), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Four bytes, the highest first.
    private static func length(_ count: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * $0)) } }

    private func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws(ScanError) -> Value) async throws(ScanError) -> Value {
        do {
            return try await Blocking.run { try body() }
        } catch let error as ScanError {
            throw error
        } catch {
            throw .failed("\(error)")
        }
    }
}
