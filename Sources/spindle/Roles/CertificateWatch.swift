import Foundation
import Logging
import ServiceLifecycle
import SpindleCluster

/// Says in the log when a certificate that this process shows ends soon, or has ended: at the start, then every six hours.
struct CertificateWatch: Service {
    private static let interval = Duration.seconds(6 * 3_600)

    private let files: [String]
    private let logger: Logger

    init(_ files: [String], logger: Logger) {
        self.files = files
        self.logger = logger
    }

    func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                look()
                // Ends early only when it is cancelled, which the loop sees.
                try? await Task.sleep(for: Self.interval)
            }
        }
    }

    /// For `/metrics`: when each certificate ends, in seconds since 1970. One that can't be read has no sample.
    func metrics() -> String {
        let samples = files.compactMap { file -> String? in
            guard let expiry = try? CertificateExpiry(file: file) else { return nil }
            let label = file.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
            return "spindle_certificate_expires_seconds{file=\"\(label)\"} \(Int64(expiry.notValidAfter.timeIntervalSince1970))\n"
        }
        return samples.isEmpty ? "" : "# TYPE spindle_certificate_expires_seconds gauge\n" + samples.joined()
    }

    func look(now: Date = Date()) {
        for file in files {
            let expiry: CertificateExpiry
            do {
                expiry = try CertificateExpiry(file: file)
            } catch {
                logger.error("audit.error", metadata: ["what": "a certificate can't be read", "error": "\(error)"])
                continue
            }
            switch expiry.verdict(now: now) {
            case .good: break
            case .soon: logger.warning("\(expiry.sentence(now: now))", metadata: ["certificate": "\(file)"])
            case .expired, .notYet: logger.error("audit.error", metadata: ["what": "\(expiry.sentence(now: now))", "certificate": "\(file)"])
            }
        }
    }
}

extension ClusterConfiguration {
    /// The certificates that a broker shows and checks others with.
    func certificateFiles(ofBroker broker: BrokerConfiguration) -> [String] {
        broker.tls.map { [resolve($0.certificate), resolve($0.authority)] } ?? []
    }

    /// The certificate by which a principal is known to the brokers, where this host has one.
    func clientCertificateFiles(of principal: String) -> [String] {
        let name = principals.first { $0.name == principal }?.certificateName ?? principal
        let file = DataDirectory(path: dataDirectory).tlsDirectory + "/client-\(name).pem"
        return brokers.contains { $0.tls != nil } && FileManager.default.fileExists(atPath: file) ? [file] : []
    }
}
