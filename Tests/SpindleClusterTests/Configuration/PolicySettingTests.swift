import Foundation
import SpindleCluster
import SpindleWire
import Testing

/// Everything that is written of a queue's settings elsewhere is what the table says.
@Suite struct PolicySettingTests {
    @Test func theTagsAreConsecutiveAndTheNamesDiffer() {
        #expect(PolicySetting.allCases.map(\.rawValue) == Array(1...UInt16(PolicySetting.allCases.count)))
        #expect(Set(PolicySetting.allCases.map(\.name)).count == PolicySetting.allCases.count)
        #expect(PolicySetting.deduplicationWindow.option == "deduplication-window")
    }

    @Test(arguments: PolicySetting.allCases) func theDefaultIsAllowed(setting: PolicySetting) throws {
        try setting.check(setting.entry.standard)
        #expect(setting.entry.range.upperBound <= max(setting.entry.unit.valueMax, 0))
        guard !setting.isName else { return }
        let (over, isOver) = setting.entry.range.upperBound.addingReportingOverflow(1)
        if !isOver { #expect(throws: WireError.self) { try setting.check(over) } }
        if !setting.entry.mayBeNone, setting.entry.range.lowerBound > 0 { #expect(throws: WireError.self) { try setting.check(0) } }
    }

    /// Each key is read as what it says, from the defaults of a file as from the policy of a queue.
    @Test(arguments: PolicySetting.allCases) func theDescriptionReadsIt(setting: PolicySetting) throws {
        let values = setting.isName ? [] : [setting.entry.range.lowerBound, setting.entry.standard] + (setting.entry.mayBeNone ? [0] : [])
        for value in values {
            let path = setting.key.split(separator: ".")
            // The lower one of a pair must not be above.
            let pair: [PolicySetting: String] = [.leaseMax: "lease: 1ms, ", .backoffCap: "initial: 0s, "]
            let written = "\(pair[setting] ?? "")\(path.last ?? ""): \(setting.text(value))"
            let policy = path.count > 1 ? "{\(path[0]): {\(written)}}" : "{\(written)}"
            let text = ClusterConfiguration.pocText.replacing("  - name: addin-result\n    policy:\n      attemptsMax: 8\n      deadLetterTopic: message.dead\n", with: "  - {name: addin-result, policy: \(policy)}\n")
            let queue = try #require(try ClusterConfiguration.parse(yaml: text, fileName: "x.yaml").queues.first { $0.name == "addin-result" })
            #expect(queue.policy[setting] == value, "\(written)")
        }
    }

    @Test func whatADescriptionLeavesOutHasTheTablesDefault() throws {
        let poc = ClusterConfiguration.pocText
        let start = try #require(poc.range(of: "  queue:\n"))
        let end = try #require(poc.range(of: "  # What differs for the queues that collect dead letters."))
        let text = poc.replacingCharacters(in: start.lowerBound..<end.lowerBound, with: "  queue: {attemptsMax: 7}\n")
        let defaults = try ClusterConfiguration.parse(yaml: text, fileName: "x.yaml").queueDefaults.queue
        for setting in PolicySetting.allCases where !setting.isName {
            #expect(defaults[setting] == (setting == .attemptsMax ? 7 : setting.entry.standard), "\(setting)")
        }
        #expect(defaults.deadLetterQueue == PolicySetting.deadLetterQueue.standardText && defaults.deadLetterTopic == "")
    }

    // MARK: Files

    @Test func theSchemaSaysWhatTheTableSays() throws {
        let definitions = try ShippedConfigurationTests.schemaDefinitions()
        for setting in PolicySetting.allCases {
            let path = setting.key.split(separator: ".").map(String.init)
            let shape = path.count > 1 ? path[0] : "queuePolicy"
            let properties = try #require(definitions[shape]?["properties"] as? [String: [String: Any]])
            let property = try #require(path.last.flatMap { properties[$0] }, "\(setting.key)")
            #expect(NSDictionary(dictionary: property) == NSDictionary(dictionary: Self.schema(of: setting)), "\(setting.key)")
        }
    }

    private static func schema(of setting: PolicySetting) -> [String: Any] {
        let entry = setting.entry
        var schema: [String: Any]
        var standard: Any = setting.standardText
        switch entry.unit {
        case .milliseconds: schema = ["$ref": "#/$defs/duration"]
        case .bytes: schema = ["$ref": "#/$defs/size"]
        case .queueName, .topicName: schema = ["type": "string"]
        case .words(let words): schema = ["enum": words]
        case .count:
            schema = ["type": "integer", "minimum": Int(entry.range.lowerBound), "maximum": Int(entry.range.upperBound)]
            if entry.standard > 0 { standard = Int(entry.standard) }
        case .percent:
            schema = ["type": "number", "minimum": 0, "maximum": 1]
            standard = Double(entry.standard) / 100
        case .flag:
            schema = ["type": "boolean"]
            standard = entry.standard == 1
        }
        if entry.mayBeNone, !setting.isName { schema = ["anyOf": [schema, ["const": "none"]]] }
        schema["description"] = entry.summary
        schema["default"] = standard
        return schema
    }

    @Test func theOperatorsTableSaysWhatTheTableSays() throws {
        let page = try Repository.text("docs/operations.md")
        for setting in PolicySetting.allCases {
            let row = "| `\(setting.key)` | `--\(setting.option)` | \(setting.standardText) | \(setting.allowedText) | \(setting.entry.summary) |"
            #expect(page.contains("\n\(row)\n"), "docs/operations.md lacks: \(row)")
        }
    }

    @Test func theProtocolsTableSaysWhatTheTableSays() throws {
        let page = try Repository.text("protocol/queues.md")
        for setting in PolicySetting.allCases {
            let entry = setting.entry
            let unit =
                switch entry.unit {
                case .milliseconds: " ms"
                case .percent: " %"
                default: ""
                }
            var standard = "\(entry.standard)\(unit)"
            var values = "\(entry.range.lowerBound) to \(entry.range.upperBound)" + (entry.mayBeNone ? "; 0: none" : "")
            switch entry.unit {
            case .flag: values = "0 no, 1 yes"
            case .words(let words): values = words.enumerated().map { "\($0.offset) \($0.element)" }.joined(separator: ", ")
            case .topicName: (standard, values) = ("empty", "a name; empty: none")
            case .queueName: (standard, values) = ("`\(setting.standardText)`", "a name; empty: none")
            case .milliseconds, .count, .bytes, .percent: break
            }
            let row = "| \(setting.rawValue) | `\(setting.name)` | \(standard) | \(values) | \(entry.summary) |"
            #expect(page.contains("\n\(row)\n"), "protocol/queues.md lacks: \(row)")
        }
    }

    /// The built-in description shows every setting.
    @Test func theBuiltInDescriptionNamesEverySetting() throws {
        let start = try #require(ClusterConfiguration.pocText.range(of: "\ndefaults:\n"))
        let end = try #require(ClusterConfiguration.pocText.range(of: "\nqueues:\n"))
        let defaults = ClusterConfiguration.pocText[start.upperBound..<end.lowerBound]
        for setting in PolicySetting.allCases {
            #expect(defaults.contains(" \(setting.key.split(separator: ".").last ?? ""):"), "\(setting.key)")
        }
    }
}
