/// Finds out whether clamd looks at whole windows.
///
/// clamd does not tell its limits, and above them it says `OK`, unless `AlertExceedsMax` is on. So it is shown something that it knows, the
/// EICAR test text, at the end of a short stream and of a whole window. What it finds in the one and not in the other, its limits hide.
struct ClamdProbe {
    private enum Place: String {
        case atEnd = "at the end"
        case atStart = "at the start"
        case nowhere
    }

    /// The smallest window that the description may have.
    private static let shortBytes: Int64 = 1 << 20
    private static let pieceBytes: Int64 = 1 << 20
    /// In two parts, so that no scanner takes this program for the test file.
    private static let text = Array((#"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD"# + "-ANTIVIRUS-TEST-FILE!$H+H*").utf8)

    let client: ClamdClient
    let windowBytes: Int64

    /// Returns nil if it can be relied on, and otherwise what could not be told.
    func run() async throws(ScanError) -> String? {
        let place = try await known()
        switch try await ask(windowBytes, place) {
        case .limit(let what):
            throw refusal("it answers “\(what)”")
        case .found:
            return nil
        case .clean:
            guard place == .nowhere else {
                throw refusal("it finds the EICAR test text \(place.rawValue) of \(Self.shortBytes) bytes, and not \(place.rawValue) of \(windowBytes)")
            }
            return """
                \(client.address): whether clamd looks at whole windows of \(windowBytes) bytes can't be told, because its signatures do not have \
                the EICAR test text. \(Self.advice)
                """
        }
    }

    /// Where its signatures have the text. Those of ClamAV have some test files only as a whole, or at the start.
    private func known() async throws(ScanError) -> Place {
        for place in [Place.atEnd, .atStart] {
            if case .found = try await ask(min(Self.shortBytes, windowBytes), place) { return place }
        }
        return .nowhere
    }

    private func refusal(_ why: String) -> ScanError {
        .unfit("clamd \(client.address) does not look at whole windows of \(windowBytes) bytes: \(why). \(Self.advice)")
    }

    private static let advice = """
        Let “window” of the scanner be at most clamd's StreamMaxLength, MaxFileSize and MaxScanSize, or raise these in clamd.conf, and “timeout” \
        be below its MaxScanTime.
        """

    private func ask(_ bytes: Int64, _ place: Place) async throws(ScanError) -> ClamdAnswer {
        let zeros = max(0, bytes - Int64(place == .nowhere ? 0 : Self.text.count))
        return try await client.scan { send in
            if place == .atStart { try Self.text.withUnsafeBytes(send) }
            let piece = [UInt8](repeating: 0, count: Int(Self.pieceBytes))
            var sent: Int64 = 0
            while sent < zeros {
                let count = min(Self.pieceBytes, zeros - sent)
                try piece.withUnsafeBytes { try send(UnsafeRawBufferPointer(rebasing: $0[..<Int(count)])) }
                sent += count
            }
            if place == .atEnd { try Self.text.withUnsafeBytes(send) }
        }
    }
}
