/// What an object store, or the way to it, refused.
package struct S3Error: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        /// It does not answer, or says that it can't now, and was asked several times.
        case unavailable
        /// It answers, and refuses what it is asked as it is set up: keys, rights, bucket, clock, room. People must change something.
        case unfit
        /// The object, or the upload, is not there.
        case notFound
        /// The bytes that arrived are not those that were sent, or the other way round.
        case damaged
        /// Anything else that it refuses.
        case refused
    }

    package var kind: Kind
    /// Such as `PUT cas/sha256/…/payload`.
    package var operation: String
    package var status: Int?
    /// As the server says it: `AccessDenied`.
    package var code: String?
    package var message: String
    package var advice: String?

    package init(_ kind: Kind, _ operation: String, status: Int? = nil, code: String? = nil, message: String, advice: String? = nil) {
        self.kind = kind
        self.operation = operation
        self.status = status
        self.code = code
        self.message = message
        self.advice = advice
    }

    package var description: String {
        let answer = [status.map(String.init), code].compactMap { $0 }.joined(separator: " ")
        return "\(operation): \(answer.isEmpty ? "" : answer + ": ")\(message.hasSuffix(".") ? String(message.dropLast()) : message)" + (advice.map { ". \($0)" } ?? "")
    }

    /// The same question may be answered otherwise a little later.
    package var mayPass: Bool { kind == .unavailable }
}

extension S3Error {
    private static let messageCharactersMax = 300

    /// What an answer that is no success means.
    /// - Parameter skew: seconds by which this machine's clock is ahead of the server's.
    package static func answered(_ operation: String, status: Int, body: [UInt8], skew: Int64?) -> S3Error {
        let node = try? XMLNode(body)
        let code = node?.name == "Error" ? node?["Code"] : nil
        let said = node?["Message"].map { String($0.prefix(Self.messageCharactersMax)) }
        let row = Self.rows.first { $0.codes.contains(code ?? "") } ?? Self.rows.first { $0.status == status }
        var (kind, advice) = (row?.kind ?? (status >= 500 ? .unavailable : .refused), row?.advice)
        if status >= 500, kind == .refused { kind = .unavailable }
        let isSkewed = code == "RequestTimeTooSkewed" || status == 403 && (skew.map { abs($0) > Self.skewSecondsMax } ?? false)
        if isSkewed {
            let text = skew.map { "is \(abs($0)) s \($0 < 0 ? "behind" : "ahead of") the server's" } ?? "differs from the server's"
            advice = "This machine's clock \(text), and \(Self.skewSecondsMax) s is the most that servers take: set one of them"
        }
        return S3Error(kind, operation, status: status, code: code, message: said ?? Self.words(status), advice: advice)
    }

    /// What AWS takes.
    private static let skewSecondsMax: Int64 = 900

    private static func words(_ status: Int) -> String {
        switch status {
        case 301, 307: "the server sends to another place"
        case 401, 403: "the server refuses"
        case 404: "it is not there"
        default: "the server gave no reason"
        }
    }

    private struct Row {
        var codes: Set<String>
        /// For answers without a code, such as those to HEAD.
        var status: Int?
        var kind: Kind
        var advice: String?
    }

    private static let rows: [Row] = [
        Row(
            codes: ["NoSuchBucket"], kind: .unfit, advice: "Make the bucket, or correct `bucket:` under `s3:` in the description"),
        Row(codes: ["NoSuchKey", "NotFound"], status: 404, kind: .notFound),
        Row(codes: ["NoSuchUpload"], kind: .notFound),
        Row(
            codes: ["AccessDenied", "AllAccessDisabled", "AccountProblem"], status: 403, kind: .unfit,
            advice: "Give the access key the rights that docs/operations.md lists for the bucket"),
        Row(codes: ["InvalidAccessKeyId", "InvalidToken", "ExpiredToken"], kind: .unfit, advice: "Correct the access key in `accessKeyFile:`"),
        Row(
            codes: ["SignatureDoesNotMatch", "AuthorizationHeaderMalformed"], status: 401, kind: .unfit,
            advice: "Correct the secret key in `accessKeyFile:`, or `region:`; a proxy that changes the header Host breaks signatures too"),
        Row(codes: ["RequestTimeTooSkewed"], kind: .unfit),
        Row(
            codes: ["PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException"], status: 301, kind: .unfit,
            advice: "Correct `endpoint:` or `region:`: the bucket lives elsewhere"),
        Row(codes: [], status: 307, kind: .unfit, advice: "Correct `endpoint:` or `region:`: the bucket lives elsewhere"),
        Row(
            codes: ["QuotaExceeded", "InsufficientStorage", "EntityTooLarge"], status: 507, kind: .unfit,
            advice: "Give the bucket more room"),
        Row(
            codes: ["BadDigest", "XAmzContentSHA256Mismatch", "InvalidDigest", "XAmzContentChecksumMismatch", "IncompleteBody"], kind: .damaged,
            advice: "The bytes changed on the way, or the disk under them fails"),
        Row(codes: ["InvalidPart", "InvalidPartOrder", "EntityTooSmall"], kind: .damaged, advice: "The server does not have all parts"),
        Row(
            codes: ["RequestTimeout", "SlowDown", "TooManyRequests", "InternalError", "ServiceUnavailable", "Busy"], status: 429, kind: .unavailable),
        Row(codes: [], status: 408, kind: .unavailable),
    ]
}
