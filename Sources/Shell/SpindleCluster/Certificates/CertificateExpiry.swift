package import Foundation
import SwiftASN1
import X509

/// When a certificate file ends to be good: the first of its chain that does.
package struct CertificateExpiry: Sendable, Hashable {
    /// From so many days before its end on, it is told.
    package static let noticeDays = 30

    package enum Verdict: Sendable, Hashable {
        case good, soon, expired
        /// Its time has not begun: a clock is wrong.
        case notYet
    }

    package let file: String
    package let notValidBefore: Date
    package let notValidAfter: Date

    /// - Parameter file: PEM, with one certificate or more.
    package init(file: String) throws(CertificateFilesError) {
        let chain: [Certificate]
        do {
            chain = try PEMDocument.parseMultiple(pemString: String(contentsOfFile: file, encoding: .utf8))
                .filter { $0.discriminator == Certificate.defaultPEMDiscriminator }.map { try Certificate(pemDocument: $0) }
        } catch {
            throw .fileFailed(path: file, operation: "read as certificates", reason: "\(error)")
        }
        guard let first = chain.min(by: { $0.notValidAfter < $1.notValidAfter }), let begin = chain.map(\.notValidBefore).max() else {
            throw .fileFailed(path: file, operation: "read as certificates", reason: "there is none in it")
        }
        self.file = file
        notValidAfter = first.notValidAfter
        notValidBefore = begin
    }

    package func verdict(now: Date) -> Verdict {
        if now >= notValidAfter { return .expired }
        if now < notValidBefore { return .notYet }
        return now >= notValidAfter.addingTimeInterval(-Double(Self.noticeDays) * 86_400) ? .soon : .good
    }

    /// What is to be known and done.
    package func sentence(now: Date) -> String {
        let end = notValidAfter.formatted(.iso8601)
        switch verdict(now: now) {
        case .good: return "the certificate \(file) is good until \(end)"
        case .soon:
            let days = Int(notValidAfter.timeIntervalSince(now) / 86_400)
            return "the certificate \(file) expires in \(days) days, on \(end): replace it, then send SIGHUP"
        case .expired: return "the certificate \(file) expired on \(end): no peer accepts it. Replace it, then send SIGHUP"
        case .notYet:
            return "the certificate \(file) is good only from \(notValidBefore.formatted(.iso8601)) on: is the clock of this machine right?"
        }
    }
}
