import Foundation
import QRCode
import Testing

/// The encoder against the tables and examples of ISO/IEC 18004, and against a reader that shares no code with it.
@Suite struct QRCodeTests {
    // MARK: Tables

    /// Version, data codewords at level M, bytes of text.
    @Test(arguments: [(1, 16, 14), (2, 28, 26), (3, 44, 42), (5, 86, 84), (7, 124, 122), (9, 182, 180), (10, 216, 213), (14, 365, 362), (20, 669, 666)])
    func aVersionHoldsWhatTheStandardSays(number: Int, codewords: Int, bytes: Int) {
        let version = QRVersion(number: number)
        #expect(version.dataCodewordCount == codewords)
        #expect(version.textBytesMax == bytes)
        #expect(version.dataPerBlock.reduce(0, +) == codewords)
    }

    @Test(arguments: [(1, []), (2, [6, 18]), (6, [6, 34]), (7, [6, 22, 38]), (13, [6, 34, 62]), (14, [6, 26, 46, 66]), (20, [6, 34, 62, 90])])
    func alignmentPatternsStandWhereTheStandardSays(number: Int, centres: [Int]) { #expect(QRVersion(number: number).alignment == centres) }

    /// Annex I and the table of masked format information, level M.
    @Test(arguments: [0b101010000010010, 0b101000100100101, 0b101111001111100, 0b101101101001011, 0b100010111111001, 0b100000011001110, 0b100111110010111, 0b100101010100000].enumerated().map { ($0, $1) })
    func theFormatHasItsErrorCorrection(mask: Int, bits: Int) { #expect(QRMatrix.formatBits(mask: mask) == bits) }

    @Test(arguments: [(6, nil), (7, 0b000111110010010100), (8, 0b001000010110111100), (20, 0b010100100110100110)] as [(Int, Int?)])
    func theVersionHasItsErrorCorrection(number: Int, bits: Int?) { #expect(QRMatrix.versionBits(number) == bits) }

    /// The standard's example "01234567" at 1-M, and the well-known "HELLO WORLD" at 1-M.
    @Test(arguments: [
        (
            [16, 32, 12, 86, 97, 128, 236, 17, 236, 17, 236, 17, 236, 17, 236, 17],
            [165, 36, 212, 193, 237, 54, 199, 135, 44, 85]
        ),
        ([32, 91, 11, 120, 209, 114, 220, 77, 67, 64, 236, 17, 236, 17, 236, 17], [196, 35, 39, 119, 235, 215, 231, 226, 93, 23]),
    ] as [([UInt8], [UInt8])])
    func errorCorrectionIsThatOfTheExamples(data: [UInt8], correction: [UInt8]) {
        #expect(ReedSolomon.correction(of: data, generator: ReedSolomon.generator(degree: 10)) == correction)
    }

    @Test func aTextIsWrittenAsBytesWithItsLengthAndPadding() {
        #expect(
            QRCode.data(Array("ab".utf8), QRVersion(number: 1))
                == [0x40, 0x26, 0x16, 0x20, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11])
        #expect(QRCode.data(Array(repeating: 0x61, count: 14), QRVersion(number: 1)).count == 16)
    }

    @Test func longTextsAreRefused() throws {
        #expect(try QRCode(String(repeating: "a", count: QRCode.textBytesMax)).side == 97)
        #expect(throws: QRCode.TooLong()) { try QRCode(String(repeating: "a", count: QRCode.textBytesMax + 1)) }
        #expect(try QRCode("").side == 21)
    }

    // MARK: A reader

    /// Each size, at its fullest, read by zbarimg from a portable bitmap.
    @Test(.enabled(if: Zbar.isInstalled, "there is no /usr/bin/zbarimg: `apt-get install zbar-tools`"), arguments: 1...20)
    func zbarReadsEachSize(number: Int) async throws {
        let count = QRVersion(number: number).textBytesMax
        let text = "http://spindle.example.internal:7404/trust?".padding(toLength: max(count, 1), withPad: "0123456789abcdefghij-", startingAt: 0)
        let code = try QRCode(String(text.prefix(count)))
        #expect(code.side == 17 + 4 * number)
        #expect(try await Zbar.read(code) == String(text.prefix(count)))
    }

    @Test(
        .enabled(if: Zbar.isInstalled, "there is no /usr/bin/zbarimg: `apt-get install zbar-tools`"),
        arguments: ["a", "https://[fd00::7]:7402/trust", "http://10.1.2.3:7404/trust", "https://xn--9i1b.example/trust"])
    func zbarReadsAddresses(text: String) async throws { #expect(try await Zbar.read(try QRCode(text)) == text) }

    // MARK: Drawing

    @Test func thePictureHasEachDarkModuleOnceAndAQuietZone() throws {
        let code = try QRCode("https://a.example/trust")
        let svg = code.svg(label: "https://a.example/trust")
        let dark = (0..<code.side).flatMap { y in (0..<code.side).map { (x: $0, y: y) } }.filter { code.isDark($0.x, $0.y) }
        #expect(svg.components(separatedBy: "h1v1h-1z").count - 1 == dark.count)
        #expect(svg.contains("viewBox=\"0 0 \(code.side + 8) \(code.side + 8)\"") && svg.contains("M4 4h1"), "the finder's corner stands behind the quiet zone")
        #expect(code.terminalLines().count == (code.side + 9) / 2)
        #expect(code.terminalLines().allSatisfy { $0.count == code.side + 8 })
        #expect(code.terminalLines().first?.allSatisfy { $0 == "█" } == true)
    }
}

/// Debian's zbar-tools.
enum Zbar {
    static let path = "/usr/bin/zbarimg"
    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: path) }

    /// What it reads in the code, drawn with four points for each module.
    static func read(_ code: QRCode) async throws -> String {
        let scale = 4
        let all = (code.side + 2 * QRCode.quietZone) * scale
        var image = Data("P5 \(all) \(all) 255\n".utf8)
        for y in 0..<all {
            for x in 0..<all { image.append(code.isDark(x / scale - QRCode.quietZone, y / scale - QRCode.quietZone) ? 0 : 255) }
        }
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("qr-\(UUID().uuidString).pgm")
        try image.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try await withCheckedThrowingContinuation { continuation in
            // A thread of its own: the tests' own threads must not wait.
            Thread.detachNewThread {
                continuation.resume(with: Result { try run(["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", file.path]) })
            }
        }
    }

    private static func run(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self).trimmingCharacters(in: .newlines)
    }
}
