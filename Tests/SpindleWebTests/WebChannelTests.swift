import Foundation
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import SpindleCluster
import SpindleWeb
import Testing

@Suite struct ConnectionAdmissionTests {
    private func address(_ text: String) throws -> SocketAddress { try SocketAddress(ipAddress: text, port: 1) }

    @Test func onePeerLeavesRoomForOthers() throws {
        var limits = WebServerLimits()
        limits.connectionsMax = 5
        limits.connectionsPerAddressMax = 2
        let admission = ConnectionAdmission(limits: limits)
        let greedy = try address("10.0.0.7")
        #expect(admission.enter(greedy) && admission.enter(greedy))
        #expect(!admission.enter(greedy))
        admission.leave(greedy)
        #expect(admission.enter(greedy))
        // A proxy on this machine has everyone's connections.
        let (local, late) = (try address("127.0.0.1"), try address("10.0.0.8"))
        for _ in 0..<3 { #expect(admission.enter(local)) }
        #expect(!admission.enter(late), "all places are taken")
        #expect(admission.count == 5)
    }

    @Test(arguments: [
        ("2001:db8::1", "2001:db8:0:0"), ("2001:db8:0:1:ffff::9", "2001:db8:0:1"), ("fe80::1:2:3:4", "fe80:0:0:0"), ("::1", "0:0:0:0"), ("1:2:3:4:5:6:7:8", "1:2:3:4"),
    ])
    func anIPv6NetworkIsOnePeer(address: String, network: String) { #expect(ConnectionAdmission.network(of: address) == network) }
}

/// A server as the web role runs it, spoken to by programs that share no code with it.
@Suite struct WebChannelTests {
    /// The body is sent when the server has said so, which curl waits a second for.
    @Test func aClientThatWaitsToSendItsBodyIsToldTo() async throws {
        try await WebRig.serve { port in
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture { try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel) }
            }
            try await channel.executeThenClose { input, output in
                var parts = input.makeAsyncIterator()
                func read(until text: String) async throws -> String {
                    var answer = ""
                    while !answer.contains(text), let part = try await parts.next() { answer += String(buffer: part) }
                    return answer
                }
                for _ in 0..<2 {
                    try await output.write(ByteBuffer(string: "POST /count HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"))
                    #expect(try await read(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
                    try await output.write(ByteBuffer(string: "12345"))
                    let answer = try await read(until: "\r\n\r\n5")
                    #expect(answer.hasPrefix("HTTP/1.1 200") && !answer.contains("100 Continue"), "\(answer)")
                }
            }
        }
    }

    @Test func requestsAreAnsweredAndLargeOrLateOnesAreNot() async throws {
        try await WebRig.serve { limits in
            limits.headerBytesMax = 4_096
            limits.headerFieldsMax = 20
            limits.firstRequestMilliseconds = 300
            limits.bodyMilliseconds = 300
        } _: { port in
            let (code, output) = try await WebRig.run("curl", ["-sS", "http://127.0.0.1:\(port)/hello", "http://127.0.0.1:\(port)/hello"])
            #expect(code == 0 && output == "hellohello")
            let many = (0..<30).map { "x-\($0): 1\r\n" }.joined()
            let large = "x: \(String(repeating: "y", count: 8_000))\r\n"
            for fields in [many, large] {
                #expect(try await WebRig.answer(port, "GET /hello HTTP/1.1\r\nHost: a\r\n\(fields)\r\n").hasPrefix("HTTP/1.1 400"))
            }
            #expect(try await WebRig.answer(port, "").isEmpty)
            #expect(try await WebRig.answer(port, "GET /hello HTTP/1.1\r\nHost: a\r\nx: ").isEmpty, "a head that never ends")
            #expect(try await !WebRig.answer(port, "POST /count HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").contains("200"), "a body that never ends")
            #expect(try await WebRig.answer(port, "GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").hasSuffix("hello"))
        }
    }

    @Test func aConnectionWithoutAPlaceIsClosedAtOnce() async throws {
        try await WebRig.serve { $0.connectionsMax = 0 } _: { port in
            let answer = try await WebRig.answer(port, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(answer.isEmpty)
        }
    }

    /// TLS 1.2 with forward secrecy and authenticated encryption, and TLS 1.3; nothing older, nothing weaker.
    @Test func onlyModernTLSIsSpoken() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("web-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let certificates = CertificateFiles(directory: folder)
        let issued = try certificates.initialize(cluster: "test", servers: [.init(name: "web", hosts: [])], clients: [])
        let tls = try ServerTLS(certificateFile: issued[1].certificatePath, keyFile: issued[1].keyPath)
        try await WebRig.serve(tls: tls) { port in
            func shake(_ options: String...) async throws -> String {
                try await WebRig.run("openssl", ["s_client", "-connect", "127.0.0.1:\(port)", "-CAfile", certificates.authorityPath] + options).output
            }
            #expect(try await shake("-tls1_3", "-alpn", "h2,http/1.1").contains("ALPN protocol: h2"))
            #expect(try await shake("-tls1_2", "-alpn", "http/1.1").contains("ALPN protocol: http/1.1"))
            for suite in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"] {
                #expect(try await shake("-tls1_2", "-cipher", suite).contains("Verify return code: 0"), "\(suite)")
            }
            // The library here refuses them too, unless asked like this: then it's the server that does.
            let weak = ["-cipher", "ALL:@SECLEVEL=0"]
            for old in ["-tls1", "-tls1_1"] { #expect(try await WebRig.run("openssl", ["s_client", "-connect", "127.0.0.1:\(port)", old] + weak).output.contains("alert protocol version"), "\(old)") }
            for suite in ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM"] {
                #expect(try await shake("-tls1_2", "-cipher", "\(suite):@SECLEVEL=0").contains("Cipher is (NONE)"), "\(suite)")
            }
            let (code, output) = try await WebRig.run("curl", ["-sS", "--cacert", certificates.authorityPath, "https://127.0.0.1:\(port)/hello"])
            #expect(code == 0 && output == "hello")
            // Renewed files hold from the next connection on.
            let before = try await shake()
            _ = try certificates.issueServer(.init(name: "web", hosts: ["renewed.example"]), replacing: true)
            let still = try await WebRig.run("openssl", ["s_client", "-connect", "127.0.0.1:\(port)", "-CAfile", certificates.authorityPath, "-verify_hostname", "renewed.example"]).output
            #expect(still.contains("hostname mismatch"))
            try tls.reload()
            let renewed = try await WebRig.run("openssl", ["s_client", "-connect", "127.0.0.1:\(port)", "-CAfile", certificates.authorityPath, "-verify_hostname", "renewed.example"]).output
            #expect(renewed.contains("Verify return code: 0") && before.contains("Verify return code: 0"))
        }
    }
}
