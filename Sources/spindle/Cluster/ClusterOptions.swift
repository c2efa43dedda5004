import ArgumentParser
import Foundation
import SpindleCluster

/// Which cluster a command is about: its description, its data directory, its ports.
struct ClusterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The cluster's description. (default: everything on this machine; `spindle config show` prints it)", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("The data directory. (default: $SPINDLE_DATA, else the description's, else ./spindle-data)", valueName: "dir"))
    var data: String?

    @Option(help: ArgumentHelp("The first port: N broker, N+1 broker with TLS, N+2 web, N+3 the broker's operations. (default: the description's, 7400)", valueName: "n"))
    var portBase: PortBaseArgument?

    /// The description with the data directory and the ports that the command line asks for. The data directory is absolute:
    /// other processes read it.
    func load() throws -> ClusterConfiguration {
        var configuration = try Self.load(config)
        let directory = DataDirectory(option: data, configured: configuration.dataDirectory)
        configuration.dataDirectory = URL(fileURLWithPath: directory.path).standardizedFileURL.path
        if let portBase { configuration.use(portBase) }
        return configuration
    }

    /// The description with the ports at which the cluster in the data directory listens, for roles that join it: those of its last start,
    /// unless the command line says others.
    func loadRunning() throws -> ClusterConfiguration {
        var configuration = try load()
        if portBase == nil, let endpoints = DataDirectory(path: configuration.dataDirectory).endpoints() { configuration.use(endpoints) }
        return configuration
    }

    static func load(_ file: String?) throws -> ClusterConfiguration {
        do throws(ConfigurationErrors) {
            guard let file else { return try ClusterConfiguration.poc }
            return try ClusterConfiguration.load(file: file)
        } catch {
            throw CommandFailure(
                "the description of the cluster is not right:", details: error.errors.map { "  \($0)" }.joined(separator: "\n"),
                advice: file.map { "Correct it, and look at it with `spindle config check \($0)`." })
        }
    }
}

extension ClusterConfiguration {
    /// Takes over the ports at which the first broker and the first web server listen. What the description does not open stays closed.
    mutating func use(_ endpoints: ClusterEndpoints) {
        if !brokers.isEmpty {
            if let port = endpoints.broker?.port, brokers[0].ports.plain != nil { brokers[0].ports.plain = port }
            if let port = endpoints.brokerTLS?.port, brokers[0].ports.tls != nil { brokers[0].ports.tls = port }
            if let port = endpoints.operations?.port, brokers[0].ports.operations != nil { brokers[0].ports.operations = port }
        }
        if !webs.isEmpty, let port = endpoints.web?.port { webs[0].port = port }
        if !webs.isEmpty, let port = endpoints.webRedirect, webs[0].redirectPort != nil { webs[0].redirectPort = port }
    }

    /// Moves everything to other ports. What is not opened stays closed. A second broker or web server takes its ports of the next four, and so on.
    mutating func use(_ ports: PortBaseArgument) {
        for index in brokers.indices {
            let base = PortBaseArgument(ports.base + index * BrokerPorts.span)
            if brokers[index].ports.plain != nil { brokers[index].ports.plain = base.plain }
            if brokers[index].ports.tls != nil { brokers[index].ports.tls = base.tls }
            if brokers[index].ports.operations != nil { brokers[index].ports.operations = base.operations }
        }
        for index in webs.indices {
            let base = PortBaseArgument(ports.base + index * BrokerPorts.span)
            webs[index].port = base.web
            if webs[index].redirectPort != nil { webs[index].redirectPort = base.redirect }
        }
    }
}
