import Foundation
import SpindleCluster
import Testing

@Suite struct CertificateExpiryTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// Days after the certificate was made, and what is said then.
    @Test(arguments: [
        (-1.0, .notYet, "is the clock of this machine right?"), (0, .good, "is good until"), (794, .good, "is good until"),
        (795.5, .soon, "expires in 29 days"), (824.5, .soon, "expires in 0 days"), (825.5, .expired, "expired on"),
    ] as [(Double, CertificateExpiry.Verdict, String)])
    func isToldThirtyDaysAhead(days: Double, verdict: CertificateExpiry.Verdict, says: String) throws {
        let made = Date(timeIntervalSince1970: 1_800_000_000)
        let issued = try CertificateFiles(directory: folder.path + "/tls").initialize(
            cluster: "test", servers: [.init(name: "web", hosts: [])], clients: [], now: made)
        let expiry = try CertificateExpiry(file: issued[1].certificatePath)
        let now = made.addingTimeInterval(days * 86_400)
        #expect(expiry.verdict(now: now) == verdict)
        #expect(expiry.sentence(now: now).contains(says) && expiry.sentence(now: now).contains(issued[1].certificatePath), "\(expiry.sentence(now: now))")
    }

    /// The first of a chain that ends is what counts.
    @Test func ofAChainTheEarliestEndCounts() throws {
        let made = Date(timeIntervalSince1970: 1_800_000_000)
        let issued = try CertificateFiles(directory: folder.path + "/tls").initialize(
            cluster: "test", servers: [.init(name: "web", hosts: [])], clients: [], now: made)
        let chain = folder.path + "/chain.pem"
        let text = try issued.map { try String(contentsOfFile: $0.certificatePath, encoding: .utf8) }.joined()
        try text.write(toFile: chain, atomically: true, encoding: .utf8)
        #expect(try CertificateExpiry(file: chain).notValidAfter == CertificateExpiry(file: issued[1].certificatePath).notValidAfter)
    }

    @Test func whatIsNoCertificateIsNamed() throws {
        let file = folder.path + "/x.pem"
        for text in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            let error = #expect(throws: CertificateFilesError.self) { try CertificateExpiry(file: file) }
            #expect(error?.description.contains(file) == true)
        }
        #expect(throws: CertificateFilesError.self) { try CertificateExpiry(file: folder.path + "/nowhere.pem") }
    }
}
