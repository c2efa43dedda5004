internal import ContentStore
internal import Digests
internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import MCMS
internal import MCMSFiles
internal import NIOCore

/// A file as the API shows it.
struct FileView: Encodable {
    let file: RoutingFile
    /// Of a file that is not complete: ranges of parts, first and last.
    var missing: [[Int]]?
    var resumeToken: String?

    private enum Key: String, CodingKey { case missing, resumeToken, chunkSize }

    func encode(to encoder: any Encoder) throws {
        try file.encode(to: encoder)
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(ChunkGrid.chunkBytes, forKey: .chunkSize)
        try fields.encodeIfPresent(missing, forKey: .missing)
        try fields.encodeIfPresent(resumeToken, forKey: .resumeToken)
    }
}

extension APIRoutes {
    mutating func addFiles(_ files: FileServices) {
        struct List: Encodable {
            let items: [FileView]
            let nextCursor: String?
        }
        on(.get, "api/files", .readFiles) { call in
            let page = try await files.store.files(of: call.query("routingId"), limit: try call.limit(), cursor: call.query("cursor"))
            return try .json(List(items: page.items.map { FileView(file: $0) }, nextCursor: page.nextCursor))
        }
        on(.get, "api/files/{id}", .readFiles) { call in
            let file = try await files.store.file(call.id)
            var view = FileView(file: file)
            if file.status != .committed, let upload = try? await files.store.upload(call.id) {
                view.missing = UploadView(upload, chunks: Set(try await files.store.chunks(of: call.id).keys), file: file).missing
                let isOwn = upload.principal == call.principal.name || call.principal.permissions.contains(.manageFiles)
                if isOwn { view.resumeToken = upload.resumeToken }
            }
            return try .json(view)
        }
        on(.get, "api/files/{id}/audit", .readFiles) { call in
            struct Audits: Encodable { let items: [IntegrityAudit] }
            return try .json(Audits(items: try await files.store.audits(of: call.id)))
        }
        on(.get, "api/files/{id}/content", .readFiles) { call in try await Self.content(files, call) }
        on(.post, "api/files/{id}/rescan", .manageFiles) { call in
            try .json(FileView(file: try await files.store.rescan(call.id, by: try call.caller())))
        }
        on(.post, "api/files/{id}/release", .manageFiles) { call in
            struct Release: Decodable { var reason: String? }
            let reason = try await call.body(Release.self).reason
            return try .json(FileView(file: try await files.store.release(call.id, reason: reason, by: try call.caller())))
        }
        on(.delete, "api/files/{id}", .manageFiles) { call in
            if try await files.store.delete(call.id, by: try call.caller()) {
                try await files.uploads.removeStaged(call.id)
            }
            return Response(status: .noContent)
        }
    }

    // MARK: Download

    private static func content(_ files: FileServices, _ call: APIRequest) async throws -> Response {
        let file = try await files.store.file(call.id)
        guard file.status == .committed, let hash = file.sha256, let address = ContentAddress(hash: hash), let size = file.size else {
            throw FileError.wrongState(status: file.status, problem: file.reason ?? "it can be downloaded when it is committed")
        }
        guard let payload = try await files.payloads.open(address), try await payload.size() == size else {
            throw Problem(.internalError, "The store does not have this file's bytes.", action: "Tell the operator: spindle cas verify says more.")
        }
        let tag = "\"sha256-\(hash)\""
        var headers: HTTPFields = [
            .contentType: "application/octet-stream", .eTag: tag, .acceptRanges: "bytes", .cacheControl: "no-store",
            .contentDisposition: disposition(file.logicalName),
        ]
        if let name = HTTPField.Name("X-Checksum-SHA256") { headers[name] = hash }
        if let name = HTTPField.Name("X-Checksum-MD5"), let md5 = file.md5 { headers[name] = md5 }
        if let name = HTTPField.Name("Repr-Digest") {
            headers[name] = reprDigest(hash, file.md5)
        }
        let range: Range<Int64>?
        let ifRange = HTTPField.Name("If-Range").flatMap { call.request.headers[$0] }
        if let text = call.request.headers[.range], ifRange == nil || ifRange == tag {
            range = try ByteRange.parse(text, size: size)
        } else {
            range = nil
        }
        // HEAD hands nothing out.
        if call.request.method == .get { try await files.store.noteDownload(file, by: try call.caller()) }
        guard let range else {
            let whole = FilePieces(file: payload, bytes: size)
            // What comes over a network may have changed on the way: then the answer ends early, and no client takes it for whole.
            let body =
                payload is StagedFile
                ? pieces(whole, count: Int(size), call.loop)
                : pieces(VerifiedPieces(whole, sha256: Hexadecimal.bytes(hash) ?? []), count: Int(size), call.loop)
            return Response(status: .ok, headers: headers, body: body)
        }
        headers[.contentRange] = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size)"
        if range.count <= ByteRange.digestedBytesMax, let name = HTTPField.Name("Content-Digest") {
            let digest = try await files.uploads.digest(of: payload, range)
            headers[name] = "sha-256=:\(Data(digest).base64EncodedString()):"
        }
        return Response(
            status: .partialContent, headers: headers,
            body: pieces(FilePieces(file: payload, from: range.lowerBound, bytes: Int64(range.count)), count: range.count, call.loop))
    }

    /// The connection takes a piece at once, and says on its loop whether it wants more: without a look there, pieces are read that nobody takes
    /// for long, by the hundred megabytes where a few clients download.
    private static func pieces<Pieces: AsyncSequence & Sendable>(
        _ pieces: Pieces, count: Int, _ loop: (any EventLoop)?
    ) -> ResponseBody where Pieces.Element == ByteBuffer {
        ResponseBody(contentLength: count) { writer in
            for try await piece in pieces {
                try await writer.write(piece)
                try await loop?.submit {}.get()
            }
            try await writer.finish(nil)
        }
    }

    /// RFC 9530.
    private static func reprDigest(_ sha256: String, _ md5: String?) -> String {
        func base64(_ hex: String) -> String { Data(Hexadecimal.bytes(hex) ?? []).base64EncodedString() }
        return "sha-256=:\(base64(sha256)):" + (md5.map { ", md5=:\(base64($0)):" } ?? "")
    }

    /// RFC 6266, RFC 8187.
    private static func disposition(_ logicalName: String) -> String {
        let name = logicalName.split(separator: "/").last.map(String.init) ?? logicalName
        let plain = String(name.unicodeScalars.map { $0.isASCII && $0.value >= 0x20 && $0 != "\"" && $0 != "\\" ? Character($0) : "_" })
        let unreserved = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
        let encoded = name.utf8.map { unreserved.contains($0) ? String(UnicodeScalar($0)) : "%" + String(format: "%02X", $0) }.joined()
        return "attachment; filename=\"\(plain)\"; filename*=UTF-8''\(encoded)"
    }
}

/// `Range: bytes=…` of RFC 9110 §14. Several ranges are answered with the whole, as the RFC allows.
enum ByteRange {
    /// The digest of a part is sent where it costs little.
    static let digestedBytesMax = 16 << 20

    static func parse(_ text: String, size: Int64) throws -> Range<Int64>? {
        guard text.lowercased().hasPrefix("bytes=") else { return nil }
        let set = text.dropFirst("bytes=".count)
        guard !set.contains(",") else { return nil }
        let parts = set.trimmingCharacters(in: .whitespaces).split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2 else { return nil }
        let (first, last) = (Int64(parts[0]), Int64(parts[1]))
        func refuse() -> Problem {
            var problem = Problem(.rangeNotSatisfiable, "The file has \(size) bytes.", action: "Ask for bytes that it has.")
            problem.headers[.contentRange] = "bytes */\(size)"
            return problem
        }
        if let first {
            guard parts[1].isEmpty || (last ?? -1) >= first else { return nil }
            guard first < size else { throw refuse() }
            return first..<min(size, (last ?? size - 1) &+ 1)
        }
        // The last so many bytes.
        guard parts[0].isEmpty, let last, last >= 0 else { return nil }
        guard last > 0, size > 0 else { throw refuse() }
        return max(0, size - last)..<size
    }
}
