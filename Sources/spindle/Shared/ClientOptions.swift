import ArgumentParser
import Foundation
import Logging
import NIOCore
import NIOPosix
import SpindleClient
import SpindleCluster

/// What every command that talks to a broker takes.
struct ClientOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The cluster's data directory: its tokens are there. (default: $SPINDLE_DATA, else ./spindle-data)", valueName: "dir"))
    var data: String?

    @Option(help: ArgumentHelp("The cluster's first port. (default: that of the cluster in the data directory, else 7400)", valueName: "n"))
    var portBase: PortBaseArgument?

    @Option(help: ArgumentHelp("Another broker: spindle://HOST:PORT, or spindles://HOST:PORT with TLS.", valueName: "url"))
    var url: String?

    @Option(help: ArgumentHelp("The authority that signed the broker's certificate, PEM. (default: DIR/tls/ca.pem where that is there)", valueName: "file"))
    var ca: String?

    @Flag(help: "Send the token to another machine without TLS, where everyone on the way can read it.")
    var allowPlaintext = false

    @Option(help: "Whose token is used.")
    var principal = "admin"

    @Option(help: ArgumentHelp("How long a request may take.", valueName: "duration"), transform: DurationArgument.parse)
    var timeout = DurationArgument(.seconds(10))

    @Flag(help: "Answer in JSON, one value on a line.")
    var json = false

    func validate() throws {
        if url != nil, portBase != nil { throw ValidationError("--url and --port-base both say where the broker is: give one of them.") }
        guard let url else { return }
        let address = try BrokerAddress(url: url)
        if !address.isTLS, !address.isLoopback, !allowPlaintext {
            throw ValidationError(
                "spindle:// to “\(address.host)” would send the token without TLS, where everyone on the way can read it: use spindles://, or say --allow-plaintext.")
        }
    }

    var directory: DataDirectory { DataDirectory(option: data) }

    /// Connects, runs `body`, closes. Errors say what to do next.
    func withClient<Value>(_ body: (SpindleClient) async throws -> Value) async throws -> Value {
        let configuration = try clientConfiguration()
        let client = try await connect(configuration)
        let result: Result<Value, any Error>
        do { result = .success(try await body(client)) } catch { result = .failure(error) }
        await client.close()
        do { return try result.get() } catch let error as SpindleError { throw explain(error) }
    }

    func connect(_ configuration: ClientConfiguration) async throws -> SpindleClient {
        // The client itself would go on trying until the timeout; at a prompt a refused connection is an answer.
        for endpoint in configuration.endpoints { try await checkReachable(endpoint) }
        do {
            return try await SpindleClient.connect(configuration: configuration, logger: Logger(label: "spindle") { _ in SwiftLogNoOpLogHandler() })
        } catch {
            throw explain(error)
        }
    }

    func clientConfiguration() throws -> ClientConfiguration {
        let address = try brokerAddress()
        let token = try directory.token(of: principal)
        var configuration = ClientConfiguration(
            host: address.host, port: address.port, credential: .token(token), tls: address.isTLS ? tls : nil, clientName: "spindle-cli")
        configuration.requestTimeout = timeout.duration
        return configuration
    }

    private func brokerAddress() throws -> BrokerAddress {
        if let url { return try BrokerAddress(url: url) }
        if let portBase { return BrokerAddress(host: "127.0.0.1", port: portBase.plain, isTLS: false) }
        let endpoints = directory.endpoints()
        if let plain = endpoints?.broker { return BrokerAddress(host: plain.host, port: plain.port, isTLS: false) }
        if let tls = endpoints?.brokerTLS { return BrokerAddress(host: tls.host, port: tls.port, isTLS: true) }
        return BrokerAddress(host: "127.0.0.1", port: BrokerPorts.baseDefault, isTLS: false)
    }

    private var tls: ClientConfiguration.TLS {
        let own = directory.tlsDirectory + "/ca.pem"
        return ClientConfiguration.TLS(caFile: ca ?? (FileManager.default.fileExists(atPath: own) ? own : nil))
    }

    private func checkReachable(_ endpoint: ClientConfiguration.Endpoint) async throws {
        do {
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connectTimeout(.seconds(5))
                .connect(host: endpoint.host, port: endpoint.port).get()
            try? await channel.close().get() // it is only asked whether somebody is there
        } catch {
            throw CommandFailure(
                "no broker answers at \(endpoint): \(ConnectionProblem.sentence(error)).",
                advice: "Is the cluster running? Start it with `spindle up\(portBase.map { " --port-base \($0)" } ?? "")`, or say with --data or --port-base which one you mean.")
        }
    }

    private func explain(_ error: SpindleError) -> CommandFailure {
        let advice: String? =
            switch error.code {
            case .authenticationFailed:
                "The token in \(directory.tokenDirectory)/\(principal) is not one of this broker: say with --data which cluster you mean."
            case .permissionDenied: "“\(principal)” may not do this: choose another with --principal, or change its permissions in the configuration."
            case .noSuchQueue: "`spindle queue ls` shows what there is; `spindle queue declare NAME` makes one."
            case .leaseLost: "The lease has ended, or the message was settled before: lease it again."
            case .timedOut where [.malformedFrame, .frameTooLarge].contains((error.cause as? SpindleError)?.code):
                "Say with --data, --port-base or --url where the broker is."
            case .timedOut, .connectFailed, .connectionLost: "Is the cluster running? `spindle status` shows it."
            case .tlsFailed: "Give the authority that signed the broker's certificate with --ca."
            default: nil
            }
        return CommandFailure("\(error)", advice: advice)
    }
}

/// A broker's address, as `--url` gives it.
struct BrokerAddress: Equatable {
    var host: String
    var port: Int
    var isTLS: Bool

    /// Whether it is on this machine. A name counts only as `localhost`: what it stands for is somebody else's word.
    var isLoopback: Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    init(host: String, port: Int, isTLS: Bool) {
        self.host = host
        self.port = port
        self.isTLS = isTLS
    }

    init(url: String) throws {
        let schemes = ["spindle": false, "spindles": true]
        let text = url.contains("://") ? url : "spindle://\(url)"
        guard let parts = URLComponents(string: text), let isTLS = schemes[parts.scheme ?? ""], let host = parts.host, !host.isEmpty,
            parts.path.isEmpty || parts.path == "/", parts.query == nil, parts.user == nil
        else {
            throw ValidationError("“\(url)” is no broker's address: it looks like spindle://HOST:PORT, or spindles://HOST:PORT with TLS.")
        }
        let base = PortBaseArgument(BrokerPorts.baseDefault)
        self.init(
            host: host.trimmingCharacters(in: CharacterSet(charactersIn: "[]")), port: parts.port ?? (isTLS ? base.tls : base.plain), isTLS: isTLS)
    }
}
