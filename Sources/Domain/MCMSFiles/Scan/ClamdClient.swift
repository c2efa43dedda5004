internal import Foundation

/// What clamd says of one stream.
enum ClamdAnswer: Hashable, Sendable {
    case clean
    case found(String)
    /// It did not look at all of it, and says so.
    case limit(String)

    init(_ text: String) throws(ScanError) {
        let said = text.hasPrefix("stream: ") ? String(text.dropFirst("stream: ".count)) : text
        if said == "OK" {
            self = .clean
        } else if said.hasSuffix(" FOUND") {
            let signature = String(said.dropLast(" FOUND".count))
            // What exceeds a limit is no infection.
            self = signature.hasPrefix("Heuristics.Limits.") ? .limit(signature) : .found(signature)
        } else if said.contains("size limit exceeded") {
            self = .limit(said)
        } else {
            throw .failed(said.isEmpty ? "it closed the connection without a verdict" : said)
        }
    }
}

/// Asks clamd; each question is a connection of its own.
struct ClamdClient: Sendable {
    typealias Send = (UnsafeRawBufferPointer) throws -> Void

    let address: ScanAddress
    let timeoutSeconds: Int

    /// Clamd takes no more: it has made up its mind, or died.
    private struct TakesNoMore: Error {}

    /// Such as `ClamAV 1.4.3/27600/Sat Nov 28 …`: the engine, and how old its signatures are.
    ///
    /// A clamd that does not answer this is away, also where it accepts connections: it hangs, or loads its signatures.
    func version() async throws(ScanError) -> String {
        let answer: String
        do throws(ScanError) {
            answer = try await blocking { () throws(ScanError) in
                let socket = try ScanSocket(address, timeoutSeconds: timeoutSeconds)
                guard try socket.send(Array("zVERSION\0".utf8)) else { throw .unreachable("\(address): it closed the connection") }
                return String(decoding: try socket.answer(bytesMax: 1_024), as: UTF8.self)
            }
        } catch {
            guard case .failed(let reason) = error else { throw error }
            throw .unreachable("\(address): \(reason)")
        }
        guard !answer.isEmpty else { throw .unreachable("\(address): it closed the connection") }
        guard answer.hasPrefix("ClamAV ") else { throw .unreachable("\(address) is no clamd: it answered “\(answer.prefix(60))”") }
        return answer
    }

    /// Has one stream looked at, whose bytes `feed` sends.
    func scan(_ feed: @escaping @Sendable (Send) throws -> Void) async throws(ScanError) -> ClamdAnswer {
        try await blocking { () throws(ScanError) in try stream(feed) }
    }

    private func stream(_ feed: (Send) throws -> Void) throws(ScanError) -> ClamdAnswer {
        let socket = try ScanSocket(address, timeoutSeconds: timeoutSeconds)
        guard try socket.send(Array("zINSTREAM\0".utf8)) else { throw .unreachable("\(address): it closed the connection") }
        var tookAll = false
        do {
            try feed { piece in
                guard try socket.send(Self.length(piece.count)), try socket.send(piece) else { throw TakesNoMore() }
            }
            tookAll = try socket.send(Self.length(0))
        } catch is TakesNoMore {
            // It says why.
        } catch let error as ScanError {
            throw error
        } catch {
            throw .failed("\(error)")
        }
        let text = String(decoding: try socket.answer(bytesMax: 4_096), as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        let answer = try ClamdAnswer(text)
        guard tookAll || answer != .clean else { throw .failed("it said OK before it had everything") }
        return answer
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
