/// Reads what `files:` says of uploads.
enum FilesDecoder {
    private static let sizes: ClosedRange<Int> = 1...(1 << 50)

    static func read(_ reader: MappingReader, into files: inout FilesConfiguration) {
        files.store = reader.optional("store", .path) ?? files.store
        files.objectStore = reader.mapping("s3", shape: "s3", required: false).map(ObjectStoreDecoder.read)
        files.uploadMax = reader.optional("uploadMax", .bytes(sizes)) ?? files.uploadMax
        files.keepFree = reader.optional("keepFree", .bytes(sizes)) ?? files.keepFree
        files.uploadExpiry = reader.optional("uploadExpiry", .duration(.seconds(60)...Units.durationMax)) ?? files.uploadExpiry
        files.uploadsOpenMax = reader.optional("uploadsOpenMax", .number(1...1_000_000)) ?? files.uploadsOpenMax
        files.garbageGrace = reader.optional("garbageGrace", .duration(.seconds(1)...Units.durationMax)) ?? files.garbageGrace
        files.retriesMax = reader.optional("retriesMax", .number(0...1_000)) ?? files.retriesMax
        switch reader.wordOrMapping("scanner", word: "none", shape: "scanner") {
        case nil: break
        case .word: files.scanner = .off
        case .mapping(let scanner): files.scanner = read(scanner)
        }
    }

    private static func read(_ reader: MappingReader) -> ScannerConfiguration? {
        defer { reader.finish() }
        var retry = ScanRetryConfiguration()
        retry.attemptsMax = reader.optional("attemptsMax", .number(1...1_000)) ?? retry.attemptsMax
        retry.alertAfter = reader.optional("alertAfter", .duration(.seconds(1)...Units.durationMax)) ?? retry.alertAfter
        let clamd = reader.mapping("clamd", shape: "clamd", required: false).map(clamd)
        let http = reader.mapping("http", shape: "httpScanner", required: false).map(http)
        switch (clamd, http) {
        case (let clamd?, nil): return .clamd(clamd, retry)
        case (nil, let http?): return .http(http, retry)
        case (nil, nil), (_?, _?):
            reader.diagnostics.report("found \(clamd == nil ? "neither clamd nor http" : "both clamd and http"), expected one of them", at: reader.location)
            return nil
        }
    }

    private static func clamd(_ reader: MappingReader) -> ClamdConfiguration {
        defer { reader.finish() }
        var clamd = ClamdConfiguration(address: reader.required("address", address))
        // 2 GiB less 3 bytes is the most that clamd looks at, whatever its settings say.
        clamd.window = reader.optional("window", .bytes((1 << 20)...((1 << 31) - 3))) ?? clamd.window
        clamd.overlap = reader.optional("overlap", .bytes(1...(1 << 30))) ?? clamd.overlap
        clamd.timeout = reader.optional("timeout", .duration(.seconds(1)...Units.durationMax)) ?? clamd.timeout
        if clamd.overlap >= clamd.window, reader.mayCompare("window", "overlap") {
            reader.diagnostics.report(
                "found an overlap of \(clamd.overlap) B, expected less than window, which is \(clamd.window) B", at: reader.place(of: "overlap"))
        }
        return clamd
    }

    private static let address = ScalarType.text("host:port, or the path of a socket such as /run/clamav/clamd.ctl") { text in
        if text.hasPrefix("/") { return text.utf8.count < 108 }
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]) else { return false }
        return colon > text.startIndex && (1...65_535).contains(port)
    }

    private static func http(_ reader: MappingReader) -> HTTPScannerConfiguration {
        defer { reader.finish() }
        var http = HTTPScannerConfiguration(
            url: reader.required("url", .text("an address that begins with http:// or https://") { $0.hasPrefix("http://") || $0.hasPrefix("https://") }))
        http.clean = reader.optional("clean", .text("a text")) ?? http.clean
        http.infected = reader.optional("infected", .text("a text")) ?? http.infected
        http.tokenFile = reader.optional("tokenFile", .path)
        http.tokenHeader = reader.optional("tokenHeader", .text("the name of a header")) ?? http.tokenHeader
        http.timeout = reader.optional("timeout", .duration(.seconds(1)...Units.durationMax)) ?? http.timeout
        http.bytesMax = reader.optional("bytesMax", .bytes(sizes))
        return http
    }
}
