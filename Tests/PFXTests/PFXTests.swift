import Foundation
import NIOPosix
import PFX
import SpindleCluster
import Testing

/// PKCS #12 files against OpenSSL's own command.
@Suite struct PFXTests {
    private let folder: String
    private let files: CertificateFiles

    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("pfx-\(UUID().uuidString)").path
        files = CertificateFiles(directory: folder + "/tls")
        _ = try files.initialize(cluster: "test", servers: [.init(name: "web", hosts: ["a.example"])], clients: ["addin"])
    }

    private func text(_ name: String) throws -> String { try String(contentsOfFile: "\(files.directory)/\(name)", encoding: .utf8) }

    private func make(_ password: String, name: String = "addin", key: String = "client-addin.key") throws -> String {
        let pfx = try PFX(certificate: try text("client-addin.pem"), key: try text(key), authority: try text("ca.pem"), name: name, password: password)
        let path = folder + "/file.pfx"
        try Data(pfx.bytes).write(to: URL(fileURLWithPath: path))
        return path
    }

    private func openssl(_ arguments: [String], password: String) async throws -> (code: Int32, output: String) {
        try await NIOThreadPool.singleton.runIfActive {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
            process.arguments = ["pkcs12"] + arguments + ["-passin", "env:PFX_PASSWORD"]
            process.environment = ["PFX_PASSWORD": password]
            process.standardInput = FileHandle.nullDevice
            let pipe = Pipe()
            process.standardOutput = pipe
            process.standardError = pipe
            try process.run()
            let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            return (process.terminationStatus, String(decoding: data, as: UTF8.self))
        }
    }

    /// Old readers know these algorithms and no others: OpenSSL reads it with its legacy ones, and says which they are.
    @Test(arguments: ["correct horse", "비밀번호 é", String(repeating: "a", count: PFX.passwordBytesMax)])
    func opensslReadsItWithTheAlgorithmsOfOldReaders(password: String) async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = try make(password)
        for legacy in [["-legacy"], []] {
            let read = try await openssl(legacy + ["-in", path, "-nodes", "-info"], password: password)
            #expect(read.code == 0, "\(read.output)")
            #expect(read.output.contains("MAC: sha1, Iteration \(PFX.rounds)"))
            #expect(read.output.contains("PKCS7 Encrypted data: pbeWithSHA1And3-KeyTripleDES-CBC, Iteration \(PFX.rounds)"))
            #expect(read.output.contains("Shrouded Keybag: pbeWithSHA1And3-KeyTripleDES-CBC, Iteration \(PFX.rounds)"))
            #expect(read.output.contains("friendlyName: addin"))
            // With the hyphen, which no base64 has.
            #expect(!read.output.contains("AES-"))
            for name in ["client-addin.pem", "client-addin.key", "ca.pem"] {
                let middle = try text(name).split(separator: "\n").dropFirst().dropLast().joined(separator: "\n")
                #expect(read.output.contains(middle), "\(name) is in it")
            }
        }
        #expect(try await openssl(["-in", path, "-nodes"], password: password + "x").code != 0)
    }

    @Test func itsOwnPasswordAndInputsAreChecked() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let (certificate, key, authority) = (try text("client-addin.pem"), try text("client-addin.key"), try text("ca.pem"))
        func failure(_ certificate: String, _ key: String, _ authority: String?, _ password: String) -> PFX.Failure? {
            do throws(PFX.Failure) {
                _ = try PFX(certificate: certificate, key: key, authority: authority, name: "a", password: password)
                return nil
            } catch {
                return error
            }
        }
        #expect(failure(certificate, key, nil, "p") == nil, "an authority may be absent")
        for password in ["", "a\0b", String(repeating: "a", count: PFX.passwordBytesMax + 1)] {
            #expect(failure(certificate, key, authority, password) == .badPassword)
        }
        #expect(failure("", key, authority, "p") == .unreadable("certificate"))
        #expect(failure(key, key, authority, "p") == .unreadable("certificate"))
        #expect(failure(certificate, certificate, authority, "p") == .unreadable("key"))
        #expect(failure(certificate, key, "no PEM", "p") == .unreadable("authority's certificate"))
        #expect(failure(certificate, String(key.prefix(60)), authority, "p") == .unreadable("key"))
        #expect(try failure(certificate, text("web.key"), authority, "p") == .keyDoesNotFit)
    }
}
