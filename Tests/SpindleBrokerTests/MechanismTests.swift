import SpindleBroker
import SpindleWire
import Testing

/// AUTH by a mechanism, over sockets: what the mechanism sees, and what bounds it.
@Suite("Authentication mechanisms")
struct MechanismTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Lets in whoever returns what it sent as a challenge; the first bytes are the principal's name.
    struct Echo: AuthenticationMechanism {
        actor Exchange: AuthenticationExchange {
            private let challenge: [UInt8]
            private var begun: [UInt8]?

            init(challenge: [UInt8]) { self.challenge = challenge }

            func answer(_ data: [UInt8]) -> AuthenticationStep {
                guard let begun else {
                    begun = data
                    return .challenge(challenge)
                }
                return data == challenge ? .principal(String(decoding: begun, as: UTF8.self), data: challenge) : .refused("this is not the challenge")
            }
        }

        let name = "echo"
        var challenge: [UInt8] = [1, 2, 3]
        func exchange() -> any AuthenticationExchange { Exchange(challenge: challenge) }
    }

    /// Never answers; tells when it is asked, and when its task is cancelled.
    struct Silent: AuthenticationMechanism, AuthenticationExchange {
        let name = "silent"
        let asked = AsyncStream<Void>.makeStream()
        let cancelled = AsyncStream<Void>.makeStream()

        func exchange() -> any AuthenticationExchange { self }
        func answer(_ data: [UInt8]) async -> AuthenticationStep {
            asked.continuation.yield()
            let never = AsyncStream<Void>.makeStream()
            for await _ in never.stream {}
            cancelled.continuation.yield()
            return .refused("cancelled")
        }
    }

    private func auth(_ client: TestClient, _ mechanism: String, _ data: [UInt8]) async throws -> Frame {
        try await client.request(.auth, TestClient.body { AuthRequest(mechanism: mechanism, data: data).encode(into: &$0) })
    }

    private func run(_ mechanisms: [any AuthenticationMechanism], _ body: (RunningBroker, TestClient) async throws -> Void) async throws {
        try await TestBroker.run(folder) {
            $0.mechanisms = mechanisms
            $0.limits.unauthenticatedMilliseconds = mechanisms.contains { $0.name == "silent" } ? 300 : 5_000
        } _: { running in
            let client = try await running.raw()
            _ = try await client.hello()
            try await body(running, client)
        }
    }

    @Test func thoseWhoAnswerTheChallengeAreLetIn() async throws {
        try await run([Echo()]) { running, client in
            let challenge = try await auth(client, "echo", Array("admin".utf8)).authReply()
            #expect(challenge == AuthReply(principal: "", data: [1, 2, 3]))
            let reply = try await auth(client, "echo", [1, 2, 3]).authReply()
            #expect(reply == AuthReply(principal: "admin", data: [1, 2, 3]))
            _ = try await client.publish("addin-result", "x")
            try await running.expectServes()
        }
    }

    @Test func sixtyFourKiBGoEachWay() async throws {
        let largest = [UInt8](repeating: 7, count: WireLimits.authenticationDataBytesMax)
        try await run([Echo(challenge: largest)]) { _, client in
            _ = try await auth(client, "echo", Array("admin".utf8))
            #expect(try await auth(client, "echo", largest).principal() == "admin")
        }
    }

    @Test(arguments: [
        ("echo", [9], "not the challenge"), ("kerberos", [], "unknown mechanism 'kerberos'; this broker has 'echo'"),
    ]) func othersAreRefused(mechanism: String, second: [UInt8], reason: String) async throws {
        try await run([Echo()]) { running, client in
            var reply = try await auth(client, mechanism, Array("admin".utf8))
            if mechanism == "echo" { reply = try await auth(client, mechanism, second) }
            #expect(try reply.errorCode() == .authenticationFailed)
            #expect(try reply.error().message.contains(reason))
            try await client.expectClosed()
            try await running.expectServes()
        }
    }

    @Test func theBrokerThatIsShippedHasNoMechanism() async throws {
        try await run([]) { running, client in
            let error = try await auth(client, "kerberos", []).error()
            #expect(error.message == "unknown mechanism 'kerberos'; this broker has none: use a token or a client certificate")
            try await client.expectClosed()
        }
    }

    @Test func aPrincipalThatTheBrokerDoesNotHaveIsRefused() async throws {
        try await run([Echo()]) { _, client in
            _ = try await auth(client, "echo", Array("nobody".utf8))
            #expect(try await auth(client, "echo", [1, 2, 3]).errorCode() == .authenticationFailed)
            try await client.expectClosed()
        }
    }

    @Test func aMechanismThatNeverAnswersIsTimedOutAndStopped() async throws {
        let silent = Silent()
        try await run([silent]) { running, client in
            let reply = try await auth(client, "silent", [])
            #expect(try reply.errorCode() == .timedOut)
            try await client.expectClosed()
            for await _ in silent.cancelled.stream { break }
            try await running.expectServes()
        }
    }

    @Test func aConnectionThatEndsStopsItsExchange() async throws {
        let silent = Silent()
        try await run([silent]) { running, client in
            client.sendLater(TestClient.frame(Opcode.auth.rawValue, TestClient.body { AuthRequest(mechanism: "silent", data: []).encode(into: &$0) }))
            for await _ in silent.asked.stream { break }
            client.close()
            for await _ in silent.cancelled.stream { break }
            try await running.expectServes()
        }
    }

    @Test(arguments: [["a b"], ["x", "x"], [""]]) func mechanismsHaveNamesOfTheirOwn(names: [String]) async throws {
        struct Named: AuthenticationMechanism {
            var name: String
            func exchange() -> any AuthenticationExchange { Echo.Exchange(challenge: []) }
        }
        let error = await #expect(throws: BrokerStartError.self) {
            try await TestBroker.run(folder) { $0.mechanisms = names.map { Named(name: $0) } } _: { _ in }
        }
        #expect(error?.code == .configuration)
    }
}
