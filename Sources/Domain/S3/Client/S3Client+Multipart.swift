internal import Foundation
internal import NIOHTTP1

/// A part as the server has taken it.
package struct S3Part: Hashable, Sendable {
    package var number: Int
    package var etag: String
    /// What the server said; nil where it says none.
    package var crc32c: String?
}

/// An upload that was begun.
package struct S3Upload: Hashable, Sendable {
    package var key: String
    package var id: String
    /// Milliseconds since 1970.
    package var begunAt: Int64?
}

extension S3Client {
    package static let partsMax = 10_000
    /// A server may put the parts together before it answers.
    private static let completion = Duration.seconds(600)

    package func beginUpload(_ key: String) async throws -> String {
        let question = Question(
            method: .POST, key: key, query: [("uploads", "")],
            headers: [("Content-Type", "application/octet-stream"), ("x-amz-checksum-algorithm", "CRC32C")])
        let node = try await list(question, root: "InitiateMultipartUploadResult")
        guard let id = node["UploadId"], !id.isEmpty else { throw S3Error(.refused, question.operation, message: "the answer has no UploadId") }
        return id
    }

    package func putPart(_ key: String, upload id: String, number: Int, _ body: S3Body) async throws -> S3Part {
        let answer = try await ask(
            Question(
                method: .PUT, key: key, query: [("partNumber", "\(number)"), ("uploadId", id)], headers: checks(body.digests), body: body))
        return S3Part(number: number, etag: answer.etag, crc32c: answer.header("x-amz-checksum-crc32c"))
    }

    package func completeUpload(_ key: String, upload id: String, _ parts: [S3Part]) async throws -> (etag: String, checksum: S3Checksum?) {
        let list = parts.map { part in
            let checksum = part.crc32c.map { "<ChecksumCRC32C>\($0)</ChecksumCRC32C>" } ?? ""
            return "<Part><PartNumber>\(part.number)</PartNumber><ETag>&quot;\(part.etag)&quot;</ETag>\(checksum)</Part>"
        }
        let text = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(list.joined())</CompleteMultipartUpload>"
        let node = try await self.list(
            Question(
                method: .POST, key: key, query: [("uploadId", id)], headers: [("Content-Type", "application/xml")], body: try S3Body(Array(text.utf8)),
                timeout: Self.completion), root: "CompleteMultipartUploadResult")
        return ((node["ETag"] ?? "").filter { $0 != "\"" }, S3Checksum(node["ChecksumCRC32C"], type: node["ChecksumType"]))
    }

    /// What is not there is no error.
    package func abortUpload(_ key: String, upload id: String) async throws {
        do {
            _ = try await ask(Question(method: .DELETE, key: key, query: [("uploadId", id)]))
        } catch let error as S3Error where error.kind == .notFound {}
    }

    /// All uploads below a prefix that were begun and neither completed nor aborted.
    package func uploads(of prefix: String) async throws -> [S3Upload] {
        var found: [S3Upload] = []
        var markers: [(name: String, value: String)] = []
        while true {
            let node = try await list(Question(method: .GET, query: [("uploads", ""), ("prefix", prefix)] + markers), root: "ListMultipartUploadsResult")
            found += node.all("Upload").compactMap { upload in
                guard let key = upload["Key"], let id = upload["UploadId"] else { return nil }
                return S3Upload(key: key, id: id, begunAt: upload["Initiated"].flatMap(ServerTime.iso8601))
            }
            guard node["IsTruncated"] == "true", let key = node["NextKeyMarker"], let id = node["NextUploadIdMarker"] else { return found }
            let next = [("key-marker", key), ("upload-id-marker", id)]
            // A server that turns in a circle is not followed.
            guard !next.elementsEqual(markers, by: { $0.0 == $1.name && $0.1 == $1.value }) else { return found }
            markers = next
        }
    }
}
