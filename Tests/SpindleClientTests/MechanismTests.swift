import SpindleBroker
import SpindleClient
import SpindleWire
import Testing

/// Both ends of AUTH by a mechanism against each other: a challenge and its answer, and the broker's own proof.
@Suite struct MechanismTests {
    /// What both sides know. The arithmetic stands for cryptography.
    static func proof(_ nonce: [UInt8], _ secret: UInt8) -> [UInt8] { nonce.reversed().map { $0 ^ secret } }

    struct Server: AuthenticationMechanism {
        /// Holds the challenge.
        actor Exchange: AuthenticationExchange {
            private let mechanism: Server
            private var principal: String?
            private var nonces: [[UInt8]] = []

            init(_ mechanism: Server) { self.mechanism = mechanism }

            func answer(_ data: [UInt8]) -> AuthenticationStep {
                if principal == nil {
                    principal = String(decoding: data, as: UTF8.self)
                } else if let nonce = nonces.last, data != proof(nonce, mechanism.secret) {
                    return .refused("the answer is wrong")
                }
                guard nonces.count < mechanism.challenges else {
                    return .principal(principal ?? "", data: proof(nonces.first ?? [], mechanism.ownSecret))
                }
                let nonce = (0..<mechanism.nonceBytes).map { _ in UInt8.random(in: 0...255) }
                nonces.append(nonce)
                return .challenge(nonce)
            }
        }

        let name = "shared-secret"
        var challenges = 1
        var secret: UInt8 = 42
        /// Differs where the broker is not the one that it says.
        var ownSecret: UInt8 = 42
        var nonceBytes = 16
        func exchange() -> any AuthenticationExchange { Exchange(self) }
    }

    struct Client: CredentialMechanism {
        struct Impostor: Error {}
        actor Exchange: CredentialExchange {
            private let mechanism: Client
            private var nonce: [UInt8]?

            init(_ mechanism: Client) { self.mechanism = mechanism }

            func begin() -> [UInt8] { Array("admin".utf8) }
            func answer(_ challenge: [UInt8]) throws -> [UInt8] {
                if mechanism.answersTooMuch { return [UInt8](repeating: 0, count: WireLimits.authenticationDataBytesMax + 1) }
                nonce = nonce ?? challenge
                return proof(challenge, mechanism.secret)
            }
            func accepted(_ last: [UInt8]) throws {
                guard last == proof(nonce ?? [], mechanism.secret) else { throw Impostor() }
            }
        }

        var name = "shared-secret"
        var secret: UInt8 = 42
        var answersTooMuch = false
        func exchange() -> any CredentialExchange { Exchange(self) }
    }

    private func connect(_ server: Server, _ client: Client) async throws {
        let fixture = try BrokerFixture()
        fixture.mechanisms = [server]
        try await fixture.start()
        var configuration = try fixture.configuration()
        configuration.credential = .mechanism(client)
        let spindle = SpindleClient(configuration: configuration)
        do {
            try await spindle.connected()
            _ = try await spindle.publish(Message(text: "x"), to: "esprit-gen")
        } catch {
            await spindle.close()
            await fixture.stop()
            throw error
        }
        await spindle.close()
        await fixture.stop()
    }

    @Test(arguments: [0, 1, 3]) func bothSidesAgreeAfter(challenges: Int) async throws {
        try await connect(Server(challenges: challenges), Client())
    }

    @Test func theLargestChallengeGoesBothWays() async throws {
        try await connect(Server(nonceBytes: WireLimits.authenticationDataBytesMax), Client())
    }

    @Test(arguments: [
        ("a wrong secret", Server(), Client(secret: 1), SpindleError.Code.authenticationFailed, "the answer is wrong"),
        ("a broker without the secret", Server(ownSecret: 1), Client(), .authenticationFailed, "Impostor"),
        ("a broker without the mechanism", Server(), Client(name: "kerberos"), .authenticationFailed, "unknown mechanism 'kerberos'; this broker has 'shared-secret'"),
        ("more than four rounds", Server(challenges: 4), Client(), .authenticationFailed, "more than 4 rounds"),
        ("an answer that is too long", Server(), Client(answersTooMuch: true), .invalidArgument, "too long"),
    ]) func theyPartOver(name: String, server: Server, client: Client, code: SpindleError.Code, words: String) async throws {
        let error = await #expect(throws: SpindleError.self) { try await connect(server, client) }
        #expect(error?.code == code)
        #expect(error?.message.contains(words) == true, "\(String(describing: error))")
    }

    @Test func credentialsAreEqualByWhatTheyAre() {
        typealias Credential = ClientConfiguration.Credential
        #expect(Credential.mechanism(Client()) == .mechanism(Client()))
        #expect(Credential.mechanism(Client()) != .mechanism(Client(secret: 1)))
        #expect(Credential.token("a") != .mechanism(Client()))
        #expect(Credential.mechanism(Client(secret: 1)).description == "mechanism(shared-secret)", "nothing of what is secret")
        #expect(Set([Credential.token("a"), .token("a"), .clientCertificate, .mechanism(Client())]).count == 3)
    }
}
