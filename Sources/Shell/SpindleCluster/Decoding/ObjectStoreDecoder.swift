/// Reads what `files: s3:` says.
enum ObjectStoreDecoder {
    /// S3's own limits of a part.
    private static let parts: ClosedRange<Int> = (5 << 20)...(5 << 30)

    static func read(_ reader: MappingReader) -> ObjectStoreConfiguration {
        defer { reader.finish() }
        var store = ObjectStoreConfiguration(
            endpoint: reader.required("endpoint", endpoint), bucket: reader.required("bucket", bucket),
            accessKeyFile: reader.required("accessKeyFile", .path))
        store.prefix = reader.optional("prefix", prefix) ?? store.prefix
        store.region = reader.optional("region", .text("the name of a region", where: isPlain)) ?? store.region
        store.addressing = reader.optional("addressing", .oneOf(.path)) ?? store.addressing
        store.caFile = reader.optional("caFile", .path)
        store.multipartAbove = reader.optional("multipartAbove", .bytes((1 << 20)...(5 << 30))) ?? store.multipartAbove
        store.partSize = reader.optional("partSize", .bytes(parts)) ?? store.partSize
        store.timeout = reader.optional("timeout", .duration(.seconds(1)...Units.durationMax)) ?? store.timeout
        store.alertAfter = reader.optional("alertAfter", .duration(.seconds(1)...Units.durationMax)) ?? store.alertAfter
        return store
    }

    private static let endpoint = ScalarType.text("https:// or http:// with a host and no path, such as https://s3.example.internal:9000") { text in
        guard let scheme = ["https://", "http://"].first(where: text.hasPrefix) else { return false }
        let host = text.dropFirst(scheme.count)
        return !host.isEmpty && host.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".-:[]".contains($0)) }
    }

    private static let bucket = ScalarType.text("a bucket of 3 to 63 small letters, digits, \".\" and \"-\"") { text in
        (3...63).contains(text.count) && text.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || ".-".contains($0)) }
    }

    private static let prefix = ScalarType.text("letters, digits, \".\", \"-\", \"_\" and \"/\", not at the start") { text in
        !text.isEmpty && !text.hasPrefix("/") && text.utf8.count <= 256 && text.split(separator: "/").allSatisfy { isPlain(String($0)) }
    }

    private static func isPlain(_ text: String) -> Bool {
        !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || ".-_".contains($0)) }
    }
}
