import Foundation
import SpindleWire
import Testing

/// The tables of the specification against the code.
@Suite struct SpecificationTests {
    /// Rows of all Markdown tables, cells trimmed and freed of backticks.
    private func rows() throws -> [[String]] {
        try Repository.specification().flatMap { file in
            file.text.split(separator: "\n").filter { $0.hasPrefix("|") }.map { line in
                line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
                    .map { $0.replacing("`", with: "").trimmingCharacters(in: .whitespaces) }
            }
        }
    }

    @Test func everyOpcodeIsSpecified() throws {
        let rows = try rows().filter { $0.count >= 2 && $0[0].hasPrefix("0x") && $0[0].count == 6 }
        let written = rows.map { "\($0[0]) \($0[1])" }
        let coded = Opcode.allCases.map { ($0.rawValue, $0.name) } + ReservedOpcode.allCases.map { ($0.rawValue, $0.name) }
        #expect(written == coded.map { "0x" + String(String(Int($0.0) + 0x10000, radix: 16, uppercase: true).dropFirst()) + " " + $0.1 })
        #expect(Set(coded.map(\.0)).count == coded.count, "no number is given twice")
    }

    @Test func everyOpcodeHasASection() throws {
        let headings = try Repository.specification().flatMap { $0.text.split(separator: "\n").filter { $0.hasPrefix("#") } }
        for opcode in Opcode.allCases {
            #expect(headings.contains { $0.split(separator: " ").contains(Substring(opcode.name)) }, "no section is headed \(opcode.name)")
        }
    }

    @Test func everyReservedSettingIsSpecified() throws {
        let page = try #require(try Repository.specification().first { $0.name == "queues.md" }).text
        for reserved in PolicySetting.Reserved.allCases {
            #expect(page.contains("\n| \(reserved.rawValue) | `\(reserved.name)` |"))
            #expect(PolicySetting(rawValue: reserved.rawValue) == nil)
        }
    }

    @Test func everyErrorIsSpecified() throws {
        let rows = try rows().filter { row in row.count >= 6 && BlastRadius.allCases.contains { "\($0)" == row[2] } && UInt16(row[0]) != nil }
        let written = rows.map { $0[0...3].joined(separator: " ") }
        let coded = ErrorCode.allCases.map { "\($0.rawValue) \($0.name) \($0.blastRadius) \($0.isRetryable ? "yes" : "no")" }
        #expect(written == coded)
        for row in rows { #expect(!row[4].isEmpty && !row[5].isEmpty, "\(row[1]): when, and what to do") }
    }

    @Test(arguments: [
        ("frame before authentication", WireLimits.preAuthenticationFrameBytesMax), ("frame", WireLimits.frameBytesMax),
        ("frame of AUTH", WireLimits.authenticationFrameBytesMax), ("bytes of a mechanism", WireLimits.authenticationDataBytesMax),
        ("notes in a reply", WireLimits.itemNotesMax), ("bytes of notes", WireLimits.itemNotesBytesMax), ("rounds of AUTH", WireLimits.authenticationRoundsMax),
        ("room around a record", WireLimits.recordOverheadBytesMax), ("name", WireLimits.nameBytesMax), ("sentence", WireLimits.sentenceBytesMax),
        ("record headers", WireLimits.recordHeaderBytesMax), ("expanded body", WireLimits.bodyBytesMax),
        ("messages in a frame", WireLimits.messagesPerFrameMax), ("queues in a STATS reply", WireLimits.queuesPerReplyMax),
        ("queues in a LEASE", WireLimits.queuesPerLeaseMax),
        ("labels", WireLimits.labelsMax), ("groups in a SETTLE", SettleRequest.groupsMax), ("duration", Int(WireLimits.durationMillisecondsMax)),
        ("policy number", Int(WireLimits.policyNumberMax)), ("result", WireLimits.resultBytesMax), ("results", WireLimits.resultsBytesMax),
        ("messages in an AWAIT", WireLimits.awaitedMax), ("headers in a filter", WireLimits.filterHeadersMax), ("ids in a filter", WireLimits.filterIDsMax),
        ("sessions in a WORKERS reply", WireLimits.sessionsPerReplyMax), ("leases of a session", WireLimits.leasesPerSessionMax),
        ("topics in a TOPIC_STATS reply", WireLimits.topicsPerReplyMax),
    ]) func limit(name: String, value: Int) throws {
        // Other tables have rows of the same name; only the limits' have a number behind it.
        let values = try rows().filter { $0.count == 3 && $0[0] == name }.compactMap { Int($0[1].replacing(",", with: "")) }
        #expect(values == [value])
    }

    @Test(arguments: [
        ("correlation id", RecordHeaderID.correlationID), ("content type", RecordHeaderID.contentType), ("task type", RecordHeaderID.taskType),
        ("group", RecordHeaderID.group), ("deduplication key", RecordHeaderID.deduplicationKey), ("delay", RecordHeaderID.delayMilliseconds),
        ("time to live", RecordHeaderID.timeToLiveMilliseconds), ("expanded size", RecordHeaderID.expandedByteCount), ("user header", RecordHeaderID.user),
    ]) func recordHeader(name: String, id: UInt8) throws {
        #expect(try rows().contains { $0.count >= 3 && $0[0] == String(id) && $0[1] == name })
    }

    /// The vectors are what the second implementation writes.
    @Test func vectorsAreFresh() throws {
        guard let python = ["/usr/bin/python3", "/usr/local/bin/python3"].first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            return // the vectors themselves are checked above; only their generator is not
        }
        let process = Process()
        process.executableURL = URL(filePath: python)
        process.arguments = ["-B", Repository.vectorsFolder.appending(path: "make.py").path, "--check"]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "run python3 protocol/vectors/make.py")
    }
}
