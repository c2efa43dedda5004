internal import Foundation
internal import NIOHTTP1
package import NIOCore

/// A checksum as a server says it: of the whole object, or, with `-N`, of its parts' checksums.
package struct S3Checksum: Hashable, Sendable {
    package var crc32c: String
    package var isComposite: Bool

    init?(_ crc32c: String?, type: String?) {
        guard let crc32c, !crc32c.isEmpty else { return nil }
        self.crc32c = crc32c
        isComposite = type.map { $0 == "COMPOSITE" } ?? crc32c.contains("-")
    }
}

/// What a server says of an object.
package struct S3Object: Hashable, Sendable {
    package var bytes: Int64
    /// Without quotes.
    package var etag: String
    /// Milliseconds since 1970, if the server says it.
    package var modifiedAt: Int64?
    package var checksum: S3Checksum?
}

extension UInt32 {
    /// As S3 writes a CRC: four bytes, the highest first, in Base64.
    package var crcText: String { Data((0..<4).map { UInt8(truncatingIfNeeded: self >> (24 - 8 * $0)) }).base64EncodedString() }
}

extension S3Client {
    private static let isBinary = ("Content-Type", "application/octet-stream")

    /// Such a server compares what arrives with all of these.
    func checks(_ digests: S3Digests) -> [(name: String, value: String)] {
        [("Content-MD5", Data(digests.md5).base64EncodedString()), ("x-amz-checksum-crc32c", digests.crc32c.crcText)]
    }

    /// Returns what the server says that it has taken.
    package func put(_ key: String, _ body: S3Body) async throws -> (etag: String, checksum: S3Checksum?) {
        let answer = try await ask(Question(method: .PUT, key: key, headers: checks(body.digests) + [Self.isBinary], body: body))
        return (answer.etag, S3Checksum(answer.header("x-amz-checksum-crc32c"), type: answer.header("x-amz-checksum-type")))
    }

    /// Returns nil if there is none; nor is there one where the bucket is gone, see ``checkBucket()``.
    package func head(_ key: String) async throws -> S3Object? {
        do {
            let answer = try await ask(Question(method: .HEAD, key: key, headers: [("x-amz-checksum-mode", "ENABLED")]))
            guard let bytes = answer.header("Content-Length").flatMap({ Int64($0) }) else {
                throw S3Error(.refused, "S3 HEAD \(key)", status: answer.status, message: "the answer has no Content-Length")
            }
            return S3Object(
                bytes: bytes, etag: answer.etag, modifiedAt: answer.header("Last-Modified").flatMap(ServerTime.header),
                checksum: S3Checksum(answer.header("x-amz-checksum-crc32c"), type: answer.header("x-amz-checksum-type")))
        } catch let error as S3Error where error.kind == .notFound {
            return nil
        }
    }

    /// Reads a range whole; as many bytes as it has, or an error.
    package func get(_ key: String, _ range: Range<Int64>) async throws -> ByteBuffer {
        guard !range.isEmpty else { return ByteBuffer() }
        let question = Question(
            method: .GET, key: key, headers: [("Range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")], answerBytesMax: range.count)
        let answer = try await ask(question)
        guard answer.body.readableBytes == range.count else {
            throw S3Error(
                .damaged, question.operation, status: answer.status,
                message: "\(answer.body.readableBytes) bytes came for the \(range.count) from byte \(range.lowerBound)")
        }
        return answer.body
    }

    /// What is not there is no error.
    package func delete(_ key: String) async throws {
        do {
            _ = try await ask(Question(method: .DELETE, key: key))
        } catch let error as S3Error where error.kind == .notFound {}
    }

    /// Throws if the bucket is not there, or may not be listed.
    package func checkBucket() async throws {
        _ = try await page(of: "", after: nil, keysMax: 1)
    }

    /// The next keys of a prefix.
    /// - Parameter after: what the page before ended with.
    package func page(of prefix: String, after token: String?, keysMax: Int = 1_000) async throws -> (keys: [String], next: String?) {
        var query: [(name: String, value: String)] = [("list-type", "2"), ("prefix", prefix), ("max-keys", "\(keysMax)")]
        if let token { query.append(("continuation-token", token)) }
        let node = try await list(Question(method: .GET, query: query), root: "ListBucketResult")
        return (node.all("Contents").compactMap { $0["Key"] }, node["IsTruncated"] == "true" ? node["NextContinuationToken"] : nil)
    }

    func list(_ question: Question, root: String) async throws -> XMLNode {
        let answer = try await ask(question)
        let node: XMLNode
        do throws(XMLNode.Malformed) {
            node = try XMLNode(answer.bytes)
        } catch {
            throw S3Error(.refused, question.operation, status: answer.status, message: error.description)
        }
        guard node.name == root else {
            throw S3Error(.refused, question.operation, status: answer.status, message: "the answer is a \(node.name), expected a \(root)")
        }
        return node
    }
}
