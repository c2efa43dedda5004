internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import MCMS
internal import MCMSFiles
internal import ContentStore
internal import Digests
internal import NIOCore
internal import SpindleText

/// What an upload looks like to its client.
struct UploadView: Encodable {
    let id: String
    let resumeToken: String
    let size: Int64?
    let receivedBytes: Int64
    let chunkSize = ChunkGrid.chunkBytes
    let window = UploadService.window
    /// Ranges of parts, first and last.
    let missing: [[Int]]
    let expiresAt: Timestamp
    let status: RoutingFileStatus?
    let reason: String?

    init(_ upload: UploadRecord, chunks: Set<Int>, file: RoutingFile?) {
        id = upload.id
        resumeToken = upload.resumeToken
        size = upload.size
        receivedBytes = upload.receivedBytes
        missing = upload.sameAs != nil || upload.endedAt != nil ? [] : Self.ranges(0..<(upload.grid?.count ?? 0), without: chunks)
        expiresAt = upload.expiresAt
        status = file?.status
        reason = file?.reason
    }

    static func ranges(_ all: Range<Int>, without present: Set<Int>) -> [[Int]] {
        var ranges: [[Int]] = []
        for index in all where !present.contains(index) {
            if let last = ranges.last, last[1] == index - 1 {
                ranges[ranges.count - 1][1] = index
            } else {
                ranges.append([index, index])
            }
        }
        return ranges
    }
}

extension APIRoutes {
    /// Uploads by parts: see protocol/upload.md.
    mutating func addParts(_ files: FileServices) {
        /// 2,048 digests of 64 digits take about 140 KB.
        let creationBytesMax = 4 << 20
        struct NewPartsUpload: Decodable {
            var routingId: String
            var revision: Int?
            var logicalPath: String?
            var filename: String
            var size: Int64
            var hashes: [String]?
            var actor: String?
        }
        on(.post, "api/upload/parts", .uploadFiles, bodyBytesMax: creationBytesMax) { call in
            let new = try await call.body(NewPartsUpload.self)
            let hashes = try new.hashes.map { try $0.enumerated().map { try Self.digest($1, field: "hashes[\($0)]") } }
            let upload = try await files.uploads.create(
                NewUpload(
                    .parts, routing: new.routingId, revision: new.revision,
                    names: try files.uploads.names(name: new.filename, path: new.logicalPath, routing: new.routingId), size: new.size,
                    chunkHashes: hashes),
                by: try call.caller(actor: new.actor))
            return try .json(
                try await Self.view(files, upload), status: .created, headers: [.location: "/api/upload/\(upload.id)"])
        }
        on(.get, "api/upload/{id}", .uploadFiles) { call in
            let upload = try await Self.upload(files, call)
            return try .json(try await Self.view(files, upload))
        }
        on(.put, "api/upload/{id}/parts/{index}", .uploadFiles) { call in
            let upload = try await Self.upload(files, call)
            guard let index = Int(call.index) else {
                throw FileError.invalid(field: "index", problem: "is “\(call.index.prefix(40))”, and must be a number from 0")
            }
            let declared = try Self.contentDigest(call.request.headers)
            let outcome = try await files.uploads.receive(part: index, of: upload.id, declared: declared, call.request.body) {
                Array($0.readableBytesView)
            }
            let (record, wasThere) =
                switch outcome {
                case .stored(let record): (record, false)
                case .wasThere(let record): (record, true)
                }
            return try .json(PartView(index: index, receivedBytes: record.receivedBytes, size: record.size, wasThere: wasThere))
        }
    }

    /// The upload that the path names, by its id or its resume token.
    static func upload(_ files: FileServices, _ call: APIRequest) async throws -> UploadRecord {
        let upload = try await files.store.upload(idOrToken: call.id)
        guard upload.principal == call.principal.name || call.principal.permissions.contains(.manageFiles) else {
            throw FileError.notPermitted("The upload “\(call.id)” is somebody else's.")
        }
        return upload
    }

    static func view(_ files: FileServices, _ upload: UploadRecord) async throws -> UploadView {
        let file = upload.way == .partial ? nil : try await files.store.file(upload.id)
        return UploadView(upload, chunks: Set(try await files.store.chunks(of: upload.id).keys), file: file)
    }

    static func digest(_ text: String, field: String) throws -> [UInt8] {
        guard let bytes = Hexadecimal.bytes(text), bytes.count == 32 else {
            throw FileError.invalid(field: field, problem: "is no SHA-256 in 64 hexadecimal digits")
        }
        return bytes
    }

    /// RFC 9530: `Content-Digest: sha-256=:…:`. Nil where the header is missing or has other algorithms only.
    static func contentDigest(_ headers: HTTPFields) throws -> [UInt8]? {
        guard let name = HTTPField.Name("Content-Digest"), let value = headers[name] else { return nil }
        for member in value.split(separator: ",") {
            let pair = member.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard pair.count == 2, pair[0].lowercased() == "sha-256" else { continue }
            guard pair[1].hasPrefix(":"), pair[1].hasSuffix(":"), let bytes = Data(base64Encoded: String(pair[1].dropFirst().dropLast())), bytes.count == 32
            else { throw FileError.invalid(field: "Content-Digest", problem: "must be sha-256=:BASE64:") }
            return [UInt8](bytes)
        }
        return nil
    }
}

private struct PartView: Encodable {
    let index: Int
    let receivedBytes: Int64
    let size: Int64?
    let wasThere: Bool
}
