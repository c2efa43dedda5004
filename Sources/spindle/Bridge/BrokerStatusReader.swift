import AsyncHTTPClient
import Foundation
import MCMSServer
import NIOCore
import NIOHTTP1
import SpindleCluster

/// Asks brokers for the state of their logs, at the operations port of each.
struct BrokerStatusReader: Sendable {
    /// A broker that does not answer by then is silent.
    private static let timeout = TimeAmount.seconds(2)
    private static let bodyBytesMax = 1 << 20

    private struct Target: Sendable {
        let name: String
        /// Nil: not open to this machine.
        let url: String?
    }

    private let targets: [Target]

    /// - Parameter host: on which this process runs.
    init(_ cluster: ClusterConfiguration, host: String) {
        targets = cluster.brokers.map { broker in
            guard let port = broker.ports.operations else { return Target(name: broker.name, url: nil) }
            let address = cluster.hosts.first { $0.name == broker.host }?.address
            let isLocal = broker.host == host
            // On its own host a broker is asked where it listens; an address of all interfaces is no destination.
            let listened = ["0.0.0.0", "::"].contains(broker.listen.operations) ? "127.0.0.1" : broker.listen.operations
            let isOpen = !["127.0.0.1", "::1", "localhost"].contains(broker.listen.operations)
            guard let target = isLocal ? listened : isOpen ? address : nil else { return Target(name: broker.name, url: nil) }
            return Target(name: broker.name, url: "http://\(target.contains(":") ? "[\(target)]" : target):\(port)/status")
        }
    }

    func read() async -> [BrokerFigures] {
        var all: [BrokerFigures] = []
        for target in targets { all.append(BrokerFigures(name: target.name, answer: await answer(target))) }
        return all
    }

    private func answer(_ target: Target) async -> BrokerFigures.Answer {
        guard let url = target.url else { return .elsewhere("its operations port is open on its own host only") }
        do {
            let response = try await HTTPClient.shared.execute(HTTPClientRequest(url: url), timeout: Self.timeout)
            let body = try await response.body.collect(upTo: Self.bodyBytesMax)
            guard response.status == .ok else { return .silent("\(url) answers \(response.status.code)") }
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .convertFromSnakeCase
            let status = try decoder.decode(Status.self, from: Data(body.readableBytesView))
            return .told(status.figures, notReady: status.notReady)
        } catch {
            return .silent("\(url): \(error)")
        }
    }

    /// What `/status` answers, as far as it is shown.
    private struct Status: Decodable {
        struct Log: Decodable {
            let firstSegment: Int
            let currentSegment: Int
            let segmentBytes: Int
            let bytes: Int
            let liveBytes: Int
            let end: Int
            let durable: Int
            let lastCheckpointBytes: Int
            let isDiskFull: Bool
        }
        struct Scrub: Decodable {
            struct Damage: Decodable { let file: String }

            let damage: [Damage]
        }

        let notReady: String?
        let log: Log
        let scrub: Scrub

        var figures: BrokerFigures.Log {
            BrokerFigures.Log(
                segments: log.currentSegment + 1 - min(log.firstSegment, log.currentSegment), segmentBytes: log.segmentBytes, bytes: log.bytes,
                liveBytes: log.liveBytes, unsyncedBytes: max(0, log.end - log.durable), checkpointBytes: log.lastCheckpointBytes,
                isDiskFull: log.isDiskFull, damaged: scrub.damage.count)
        }
    }
}
