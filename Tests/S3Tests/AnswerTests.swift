import S3
import Testing

/// What servers write, and what is made of it.
@Suite struct AnswerTests {
    private func read(_ text: String) throws -> XMLNode { try XMLNode(Array(text.utf8)) }

    @Test func anAnswerIsReadWithItsEntitiesNamespacesAndComments() throws {
        let node = try read(
            """
            <?xml version="1.0" encoding="UTF-8"?>
            <!-- a > b -->
            <s3:List xmlns:s3="http://x/" note='a>b'><Key>a&amp;b &#x41;&#66;&lt;&quot;</Key><Empty/><Owner a="1" /><Key>c</Key></s3:List>

            """)
        #expect(node.name == "List" && node.children.map(\.name) == ["Key", "Empty", "Owner", "Key"])
        #expect(node["Key"] == "a&b AB<\"" && node["Empty"] == "" && node["None"] == nil)
        #expect(node.all("Key").map(\.text) == ["a&b AB<\"", "c"])
    }

    @Test(arguments: [
        "", "text", "<a>", "<a></b>", "<a", "<a>&foo;</a>", "<a>&#xD800;</a>", "<a>&", "</a>", "<a></a><b/>", "<a/>x", "<>", "<a b='>", "<a <b/></a>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><a/>", String(repeating: "<a>", count: 100_000), "<a><![CDATA[x]]></a>",
    ]) func whatIsNoneIsRefused(text: String) {
        #expect(throws: XMLNode.Malformed.self) { try read(text) }
    }

    /// Whatever a stranger sends is read, or refused; it stops nobody.
    @Test func answersThatWereMutatedStopNothing() {
        let texts = [
            "<?xml version=\"1.0\"?><ListBucketResult xmlns='x'><Contents><Key>a&amp;b&#x41;</Key></Contents><!-- c --><IsTruncated>true</IsTruncated></ListBucketResult>",
            "<Error><Code>SlowDown</Code><Message>a &lt; b</Message><Nested><A/><B c=\"d\"></B></Nested></Error>",
        ].map { Array($0.utf8) }
        var random = SystemRandomNumberGenerator()
        let special = Array("<>&;/!?\"'-#x ".utf8)
        var refused = 0
        for round in 0..<20_000 {
            var bytes = texts[round % texts.count]
            for _ in 0...Int.random(in: 0..<4, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = special[Int.random(in: 0..<special.count, using: &random)]
                case 1: bytes[at] = UInt8.random(in: 0...255, using: &random)
                case 2: bytes.remove(at: at)
                default: bytes = Array(bytes[..<(at + 1)]) + bytes[at...]
                }
            }
            if (try? XMLNode(bytes)) == nil { refused += 1 }
        }
        #expect((1_000..<20_000).contains(refused))
    }

    @Test(arguments: [
        (403, "AccessDenied", S3Error.Kind.unfit, "rights"), (404, "NoSuchBucket", .unfit, "bucket:"), (404, "NoSuchKey", .notFound, ""),
        (404, "", .notFound, ""), (403, "", .unfit, "rights"), (403, "InvalidAccessKeyId", .unfit, "accessKeyFile"),
        (403, "SignatureDoesNotMatch", .unfit, "secret key"), (301, "PermanentRedirect", .unfit, "endpoint"), (507, "", .unfit, "room"),
        (403, "QuotaExceeded", .unfit, "room"), (400, "BadDigest", .damaged, "changed"), (400, "XAmzContentSHA256Mismatch", .damaged, "changed"),
        (400, "InvalidPart", .damaged, "parts"), (400, "RequestTimeout", .unavailable, ""), (503, "SlowDown", .unavailable, ""), (500, "", .unavailable, ""),
        (429, "", .unavailable, ""), (501, "NotImplemented", .unavailable, ""), (400, "MalformedXML", .refused, ""), (405, "", .refused, ""),
    ]) func errorsSayWhatToDo(status: Int, code: String, kind: S3Error.Kind, advice: String) {
        let body = code.isEmpty ? "" : "<Error><Code>\(code)</Code><Message>said so</Message></Error>"
        let error = S3Error.answered("S3 PUT k", status: status, body: Array(body.utf8), skew: nil)
        #expect(error.kind == kind)
        #expect(advice.isEmpty || error.description.contains(advice), "\(error)")
        #expect(error.description.hasPrefix("S3 PUT k: \(status)\(code.isEmpty ? "" : " " + code): "), "\(error)")
    }

    @Test func aClockThatIsWrongIsToldAsSuch() {
        let body = Array("<Error><Code>RequestTimeTooSkewed</Code></Error>".utf8)
        #expect(S3Error.answered("S3 HEAD k", status: 403, body: body, skew: -3_600).description.contains("clock is 3600 s behind the server's"))
        // Answers to HEAD have no words.
        #expect(S3Error.answered("S3 HEAD k", status: 403, body: [], skew: 1_000).description.contains("clock is 1000 s ahead of the server's"))
        #expect(!S3Error.answered("S3 HEAD k", status: 403, body: [], skew: 100).description.contains("clock"))
    }

    @Test func timesAreReadAndWritten() {
        #expect(ServerTime.header("Fri, 24 May 2013 00:00:01 GMT") == 1_369_353_601_000)
        #expect(ServerTime.iso8601("2013-05-24T00:00:01.000Z") == 1_369_353_601_000)
        #expect(ServerTime.signed(1_369_353_601_000) == "20130524T000001Z")
        for text in ["", "yesterday", "Fri, 24 Foo 2013 00:00:01 GMT", "Fri, 99 May 2013 00:00:01 GMT"] { #expect(ServerTime.header(text) == nil) }
        for text in ["", "2013", "2013-13-24T00:00:01Z"] { #expect(ServerTime.iso8601(text) == nil) }
    }

    @Test func pausesDoubleUpToALimitAndDifferFromEachOther() {
        let backoff = Backoff()
        #expect(backoff.pause(after: 1, asked: nil, random: 1) == .milliseconds(200))
        #expect(backoff.pause(after: 1, asked: nil, random: 0) == .milliseconds(100))
        #expect(backoff.pause(after: 4, asked: nil, random: 1) == .milliseconds(1_600))
        #expect(backoff.pause(after: 1_000, asked: nil, random: 1) == .seconds(10))
        #expect(backoff.pause(after: 1, asked: .seconds(3), random: 1) == .seconds(3))
        #expect(backoff.pause(after: 1, asked: .seconds(3_600), random: 1) == .seconds(10))
    }
}
