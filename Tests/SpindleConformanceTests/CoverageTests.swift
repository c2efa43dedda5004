import Foundation
import SpindleWire
import Testing

/// Whether the vectors speak of everything that the code has: what is named here has no vector.
@Suite struct CoverageTests {
    // MARK: Operations

    private static let pushes: Set<Opcode> = [.goingAway, .quiet, .cancelled, .topicEvents, .topicGap]

    /// In which directions an operation is sent.
    private static func directions(of opcode: Opcode) -> Set<Direction> {
        if opcode == .ping { return [.request, .reply, .push] }
        if pushes.contains(opcode) { return [.push] }
        return opcode == .topicCredit ? [.request] : [.request, .reply]
    }

    @Test(arguments: Opcode.allCases) func everyOperationHasAVectorInEachDirection(opcode: Opcode) {
        let found = Set(FrameVector.all.filter { $0.opcode == opcode.name && $0.direction != .error }.map(\.direction))
        #expect(found == Self.directions(of: opcode), "\(opcode.name): missing or not sent at all")
    }

    @Test(arguments: Opcode.allCases.filter { !pushes.contains($0) }) func everyRequestHasAVectorThatMustBeRefused(opcode: Opcode) throws {
        let isRefused = try RejectedVector.all.contains { vector in
            let header = try bytes(vector.hex)
            return vector.direction == .request && header.count >= FrameHeader.byteCount && UInt16(header[4]) | UInt16(header[5]) << 8 == opcode.rawValue
        }
        #expect(isRefused, "\(opcode.name) has no vector in rejected.json")
    }

    // MARK: Errors and statuses

    @Test(arguments: ErrorCode.allCases) func everyErrorHasAVector(code: ErrorCode) {
        #expect(FrameVector.all.contains { $0.direction == .error && (try? $0.meaning.text("name")) == code.name }, "\(code.name)")
    }

    /// Statuses of items in replies: those of success, and each error that spoils an item.
    @Test(arguments: [ItemStatus.ok, .duplicate] + ErrorCode.allCases.filter { $0.blastRadius == .item }.map { ItemStatus($0) })
    func everyStatusOfAnItemHasAVector(status: ItemStatus) throws {
        // A damaged record says it by itself.
        if status == ItemStatus(.recordDamaged) {
            let carriers = Set(FrameVector.all.filter { $0.meaning.contains("standInBytes") }.map(\.opcode))
            #expect(carriers == ["LEASE", "BROWSE", "GET", "TOPIC_EVENTS"], "wherever a stored record is sent")
        }
        if status == ItemStatus(.recordCompressed) {
            let carriers = Set(FrameVector.all.filter { $0.meaning.contains("withheld", in: "flags") }.map(\.opcode))
            #expect(carriers == ["LEASE", "BROWSE", "GET", "TOPIC_EVENTS"], "wherever a stored record is sent")
        }
        // One that this version does not send is among what a client must take all the same.
        let vectors = FrameVector.all + (status == ItemStatus(.cancelled) ? FrameVector.tolerated : [])
        #expect(vectors.contains { $0.direction == .reply && $0.meaning.statuses.contains(status.rawValue) }, "\(status)")
    }

    // MARK: Numbered fields

    /// Where a tag that the sources name stands: `file: constant` → the kind of field in the vectors, and the operations that have it.
    private static let tags: [String: (kind: String, opcodes: [String], direction: Direction)] = [
        "Authentication.swift: tag": ("tail", ["AUTH"], .request),
        "Connection.swift: outputWindow": ("tail", ["HELLO"], .reply),
        "ErrorCode.swift: acceptedVersionsTag": ("tail", ["HELLO"], .error),
        "ItemNotes.swift: tag": ("tail", ["PUBLISH", "TOPIC_PUBLISH", "ACK", "NACK", "EXTEND", "CANCEL", "RESCHEDULE"], .reply),
        "Lease.swift: deadLetters": ("tail", ["LEASE", "GET"], .reply),
        "Lease.swift: others": ("tail", ["LEASE"], .request),
        "Lease.swift: queueIndex": ("tail", ["LEASE"], .reply),
        "SettleIdentity.swift: tag": ("tail", ["SETTLE"], .request),
        "Results.swift: tag": ("tail", ["ACK", "SETTLE"], .request),
        "QueueAdministration.swift: pauseReasonTag": ("tail", ["STATS"], .reply),
        "Jobs.swift: lastFailureTag": ("tail", ["BULK"], .reply),
        "Why.swift: subject": ("tail", ["WHY"], .reply),
        "Why.swift: reason": ("tail", ["WHY"], .reply),
        "Why.swift: count": ("tail", ["WHY"], .reply),
        "Why.swift: limit": ("tail", ["WHY"], .reply),
        "Why.swift: otherID": ("tail", ["WHY"], .reply),
        "TopicAdministration.swift: ageTag": ("retention", ["TOPIC_DECLARE"], .request),
        "TopicAdministration.swift: bytesTag": ("retention", ["TOPIC_DECLARE"], .request),
        "TopicAdministration.swift: eventsTag": ("retention", ["TOPIC_DECLARE"], .request),
        "MessageFilter.swift: states": ("filter", ["BROWSE", "REDRIVE"], .request),
        "MessageFilter.swift: ageMin": ("filter", ["BROWSE", "REDRIVE"], .request),
        "MessageFilter.swift: ageMax": ("filter", ["BROWSE", "REDRIVE"], .request),
        "MessageFilter.swift: attemptsMin": ("filter", ["BROWSE", "REDRIVE"], .request),
        "MessageFilter.swift: attemptsMax": ("filter", ["BROWSE", "REDRIVE"], .request),
        "MessageFilter.swift: group": ("filter", ["BROWSE", "REDRIVE"], .request),
        "MessageFilter.swift: headerEqual": ("filter", ["BROWSE", "REDRIVE", "BULK"], .request),
        "MessageFilter.swift: headerContaining": ("filter", ["BROWSE", "REDRIVE"], .request),
        "MessageFilter.swift: originQueue": ("filter", ["BROWSE", "REDRIVE"], .request),
        "MessageFilter.swift: lastReason": ("filter", ["BROWSE", "REDRIVE"], .request),
        "MessageFilter.swift: ids": ("filter", ["BROWSE", "REDRIVE"], .request),
    ]
    /// Constants of the same type that are no tags, or have vectors of their own (`actors.json`).
    private static let others: Set = ["criticalBit", "commonTagMin", "actorTag", "min", "max"]

    /// The tags that the sources of the wire name, by file and constant.
    private static func namedTags() throws -> [String: UInt16] {
        let folder = Repository.root.appending(path: "Sources/Core/SpindleWire")
        let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } ?? []
        let constant = /static let (\w+): UInt16 = (0x[0-9A-Fa-f]+|[0-9]+)/
        var tags: [String: UInt16] = [:]
        for file in files where file.pathExtension == "swift" {
            for match in try String(contentsOf: file, encoding: .utf8).matches(of: constant) where !others.contains(String(match.1)) {
                let digits = match.2.hasPrefix("0x") ? UInt16(match.2.dropFirst(2), radix: 16) : UInt16(match.2)
                tags["\(file.lastPathComponent): \(match.1)"] = digits
            }
        }
        return tags
    }

    @Test func everyTagOfTheSourcesIsListedHere() throws {
        #expect(Set(try Self.namedTags().keys) == Set(Self.tags.keys), "add a new tag to the list, and a vector with it")
    }

    @Test(arguments: tags.keys.sorted()) func everyTagHasAVector(name: String) throws {
        let number = try #require(try Self.namedTags()[name])
        let place = try #require(Self.tags[name])
        for opcode in place.opcodes {
            let tag = "\(place.kind) \(number)"
            #expect(Self.hasVector(opcode, place.direction, tag), "\(name): no \(opcode) \(place.direction) has \(tag)")
        }
    }

    @Test(arguments: PolicySetting.allCases) func everySettingHasAVector(setting: PolicySetting) {
        #expect(Self.hasVector("DECLARE", .request, "policy \(setting.rawValue)"), "\(setting.name)")
    }

    @Test func everyFigureHasAVector() {
        for tag in StatsReply.Queue.figureTags { #expect(Self.hasVector("STATS", .reply, "figure \(tag)")) }
        for tag in TopicStatsReply.Topic.figureTags { #expect(Self.hasVector("TOPIC_STATS", .reply, "figure \(tag)")) }
    }

    private static func hasVector(_ opcode: String, _ direction: Direction, _ tag: String) -> Bool {
        FrameVector.all.contains { $0.opcode == opcode && $0.direction == direction && $0.tags?.contains(tag) == true }
    }

    // MARK: Values

    /// Every value of an enumeration is the text of a member in a vector of that operation.
    @Test func everyValueHasAVector() {
        func check(_ values: [some Any], _ member: String, _ opcode: String) {
            for value in values {
                let isThere = FrameVector.all.contains { $0.opcode == opcode && $0.meaning.texts(of: member).contains("\(value)") }
                #expect(isThere, "\(opcode): no vector has the \(member) '\(value)'")
            }
        }
        check(BrowseReplyHead.State.allCases, "state", "BROWSE")
        check(JobReply.State.allCases, "state", "BULK")
        check(AwaitReply.State.allCases, "state", "AWAIT")
        check(WhyReply.State.allCases, "state", "WHY")
        check(WhyReply.Cause.allCases, "cause", "WHY")
        check(WhyReply.Next.allCases, "next", "WHY")
        check(CancelReply.Was.allCases, "was", "CANCEL")
        check(BulkRequest.Action.allCases, "action", "BULK")
        check(WorkerAction.allCases, "action", "QUIET")
        check(WorkerAction.allCases, "action", "WORKER_CONTROL")
        check(["unchanged", "created", "changed"], "outcome", "DECLARE")
        check(["retry", "dead", "release"], "disposition", "NACK")
        check(["nacked", "expired", "disconnected"], "outcome", "LEASE")
        check(["queue", "topic"], "kind", "SETTLE")
        check(["latest", "earliest", "after"], "from", "TOPIC_SUBSCRIBE")
        check(["token", "clientCertificate", "mechanism"], "method", "AUTH")
        check(["ifEmpty", "withMessages"], "mode", "DELETE")
    }
}

extension JSONValue {
    /// Itself and everything inside it that is an object.
    private var objects: [[String: JSONValue]] {
        switch self {
        case .object(let members): [members] + members.values.flatMap(\.objects)
        case .array(let values): values.flatMap(\.objects)
        case .null, .bool, .number, .text: []
        }
    }

    func contains(_ member: String) -> Bool { objects.contains { $0[member] != nil } }

    /// Whether an array named `member` anywhere inside has this text.
    func contains(_ text: String, in member: String) -> Bool {
        objects.contains { members in
            guard case .array(let values) = members[member] else { return false }
            return values.contains { (try? $0.textValue) == text }
        }
    }

    func texts(of member: String) -> Set<String> {
        Set(objects.compactMap { members in if case .text(let text) = members[member] { text } else { nil } })
    }

    var statuses: Set<UInt16> {
        Set(objects.compactMap { members in if case .number(let number) = members["status"] { UInt16(exactly: number) } else { nil } })
    }
}
