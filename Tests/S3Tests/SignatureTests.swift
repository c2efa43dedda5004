import Digests
import Foundation
import ObjectStoreRig
import S3
import Testing

/// Signatures, beside those that AWS has published and those that botocore makes.
@Suite struct SignatureTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var method = "GET"
        var path = "/"
        var query: [(String, String)] = []
        var headers: [(String, String)] = []
        var body = ""
        var signature: String
        var testDescription: String { name }
    }

    private static let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    /// AWS's own test suite of version 4, of which what S3 does otherwise (paths made normal) is left out.
    static let suite: [Row] = [
        Row(name: "get-vanilla", signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        Row(name: "get-utf8", path: "/ሴ", signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        Row(name: "get-unreserved", path: "/" + unreserved, signature: "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        Row(
            name: "get-header-key-duplicate", headers: [("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
            signature: "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"),
        Row(
            name: "get-header-value-trim", headers: [("My-Header1", " value1"), ("My-Header2", #" "a   b   c""#)],
            signature: "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
        Row(
            name: "get-header-value-order", headers: ["4", "1", "3", "2"].map { ("My-Header1", "value\($0)") },
            signature: "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"),
        Row(
            name: "get-vanilla-query-order-value", query: [("Param1", "value2"), ("Param1", "value1")],
            signature: "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"),
        Row(
            name: "get-vanilla-query-order-key-case", query: [("Param2", "value2"), ("Param1", "value1")],
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        Row(
            name: "get-vanilla-query-order-encoded", query: [("Param-3", "Value3"), ("Param", "Value2"), ("ሴ", "Value1")],
            signature: "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"),
        Row(
            name: "get-vanilla-query-unreserved", query: [(unreserved, unreserved)],
            signature: "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
        Row(name: "get-vanilla-utf8-query", query: [("ሴ", "bar")], signature: "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        Row(name: "post-vanilla", method: "POST", signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        Row(
            name: "post-header-value-case", method: "POST", headers: [("My-Header1", "VALUE1")],
            signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
        Row(
            name: "post-x-www-form-urlencoded", method: "POST", headers: [("Content-Type", "application/x-www-form-urlencoded")],
            body: "Param1=value1", signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    ]

    @Test(arguments: suite) func theTestSuiteOfAWS(row: Row) throws {
        let signer = SignatureV4(
            S3Credentials(accessKey: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), region: "us-east-1", service: "service")
        let request = SignatureV4.Request(
            method: row.method, path: URIEncoding.encode(row.path, keepsSlashes: true), query: URIEncoding.query(row.query.map { (name: $0, value: $1) }),
            headers: ([("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")] + row.headers).map { (name: $0, value: $1) },
            payloadHash: Hexadecimal.text(try DigestStream.digest(of: Array(row.body.utf8))))
        let text = signer.authorization(request, date: "20150830T123600Z")
        #expect(text.hasPrefix("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="))
        #expect(text.hasSuffix(", Signature=\(row.signature)"))
    }

    /// The examples of the S3 documentation, “Authenticating requests: using the Authorization header”.
    static let documented: [Row] = [
        Row(
            name: "GET object with a range", path: "/test.txt", headers: [("Range", "bytes=0-9")],
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        Row(
            name: "PUT object", method: "PUT", path: "/test$file.text",
            headers: [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")], body: "Welcome to Amazon S3.",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        Row(name: "GET bucket lifecycle", query: [("lifecycle", "")], signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        Row(
            name: "list objects", query: [("max-keys", "2"), ("prefix", "J")],
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ]

    @Test(arguments: documented) func theExamplesOfTheDocumentation(row: Row) throws {
        let signer = SignatureV4(
            S3Credentials(accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), region: "us-east-1")
        let hash = Hexadecimal.text(try DigestStream.digest(of: Array(row.body.utf8)))
        let request = SignatureV4.Request(
            method: row.method, path: URIEncoding.encode(row.path, keepsSlashes: true), query: URIEncoding.query(row.query.map { (name: $0, value: $1) }),
            headers: ([("Host", "examplebucket.s3.amazonaws.com"), ("x-amz-date", "20130524T000000Z"), ("x-amz-content-sha256", hash)] + row.headers)
                .map { (name: $0, value: $1) }, payloadHash: hash)
        #expect(signer.authorization(request, date: "20130524T000000Z").hasSuffix(", Signature=\(row.signature)"))
    }

    private struct Case: Codable {
        var method: String
        var path: String
        var query: [[String]]
        var headers: [[String]]
        var region: String
        var date: String
        var secret: String
        var hash: String
    }

    /// Paths, queries and secrets of all kinds, signed by botocore too.
    @Test func botocoreMakesTheSameSignatures() async throws {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("abzAZ019-._~ /+&=%$:;,@!*()'\"<>한글é")
        func word(_ lengths: ClosedRange<Int>) -> String {
            String((0..<Int.random(in: lengths, using: &random)).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] })
        }
        let cases = try (0..<60).map { number in
            Case(
                method: ["GET", "PUT", "POST", "DELETE", "HEAD"][number % 5], path: "/bucket/" + word(0...20),
                query: (0..<(number % 4)).map { ["\($0)" + word(0...6), word(0...8)] },
                headers: [["host", "s3.example:9000"], ["range", "bytes=0-\(number)"], ["x-amz-meta-a", "x  y"]],
                region: ["us-east-1", "kr-standard", ""][number % 3] + "x", date: "202611\(10 + number % 20)T0102\(10 + number % 50)Z", secret: word(1...50),
                hash: Hexadecimal.text(try DigestStream.digest(of: [UInt8(number)])))
        }
        let script = """
            import json, sys
            from urllib.parse import quote
            from botocore.auth import S3SigV4Auth
            from botocore.awsrequest import AWSRequest
            from botocore.credentials import Credentials
            for case in json.load(open(sys.argv[1])):
                query = '&'.join(quote(k, safe='-_.~') + '=' + quote(v, safe='-_.~') for k, v in case['query'])
                url = 'http://s3.example:9000' + quote(case['path'], safe='/-_.~') + ('?' + query if query else '')
                request = AWSRequest(method=case['method'], url=url, headers=dict(case['headers']))
                request.headers['x-amz-date'] = case['date']
                request.headers['x-amz-content-sha256'] = case['hash']
                request.context['timestamp'] = case['date']
                signer = S3SigV4Auth(Credentials('AK', case['secret']), 's3', case['region'])
                signer.payload = lambda request: case['hash']
                text = signer.string_to_sign(request, signer.canonical_request(request))
                print(signer.signature(text, request))
            """
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("cases-\(UUID().uuidString).json")
        defer { try? FileManager.default.removeItem(at: file) }
        try JSONEncoder().encode(cases).write(to: file)
        let theirs = try await Python.run(script, [file.path]).split(separator: "\n").map(String.init)
        #expect(theirs.count == cases.count)
        for (wanted, signature) in zip(cases, theirs) {
            let signer = SignatureV4(S3Credentials(accessKey: "AK", secretKey: wanted.secret), region: wanted.region)
            let headers = wanted.headers + [["x-amz-date", wanted.date], ["x-amz-content-sha256", wanted.hash]]
            let request = SignatureV4.Request(
                method: wanted.method, path: URIEncoding.encode(wanted.path, keepsSlashes: true),
                query: URIEncoding.query(wanted.query.map { (name: $0[0], value: $0[1]) }), headers: headers.map { (name: $0[0], value: $0[1]) },
                payloadHash: wanted.hash)
            let ours = signer.authorization(request, date: wanted.date)
            #expect(ours.hasSuffix("Signature=" + signature), "\(wanted)")
        }
    }

    @Test func credentialsAreReadFromTheFileThatAWSToolsWrite() throws {
        let credentials = try S3Credentials(file: "# keys\n[default]\naws_access_key_id=AK\n  aws_secret_access_key = s=e/c+r \n")
        #expect(credentials == S3Credentials(accessKey: "AK", secretKey: "s=e/c+r"))
        #expect(throws: S3Credentials.Unreadable.self) { try S3Credentials(file: "aws_access_key_id = AK\n") }
        #expect(throws: S3Credentials.Unreadable.self) { try S3Credentials(file: "") }
        let twice = #expect(throws: S3Credentials.Unreadable.self) {
            try S3Credentials(file: "aws_access_key_id = a\naws_secret_access_key = geheim\n[b]\naws_access_key_id = c\naws_secret_access_key = d\n")
        }
        #expect(twice?.description.contains("geheim") == false)
    }

    @Test func noWayOfPrintingCredentialsShowsTheSecret() {
        let credentials = S3Credentials(accessKey: "AK", secretKey: "geheim", sessionToken: "marke")
        var dumped = ""
        dump(credentials, to: &dumped)
        let configuration = S3Configuration(endpoint: "http://h", bucket: "b", credentials: credentials)
        var dumpedWhole = ""
        dump(configuration, to: &dumpedWhole)
        for text in ["\(credentials)", String(reflecting: credentials), dumped, "\(configuration)", dumpedWhole] {
            #expect(!text.contains("geheim") && !text.contains("marke"), "\(text)")
        }
    }
}
