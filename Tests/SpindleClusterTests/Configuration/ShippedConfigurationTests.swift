import Foundation
import SpindleCluster
import SpindleText
import SpindleWire
import Testing
import Yams

/// The files in cluster-config/ and what the code says of them.
@Suite struct ShippedConfigurationTests {
    static let files = ["cluster-config/poc.yaml", "cluster-config/intranet.yaml"]

    @Test func builtInTextIsTheFile() throws {
        #expect(try Repository.text("cluster-config/poc.yaml") == ClusterConfiguration.pocText)
    }

    @Test(arguments: files) func queuesOfTheFirstStart(file: String) throws {
        let configuration = try ClusterConfiguration.load(file: Repository.root.appendingPathComponent(file).path)
        #expect(configuration.queues.map(\.name) == Self.outboxQueues + Self.outboxQueues.map { "\($0).dead" })
        for queue in configuration.queues {
            #expect(queue.policy.deadLetterQueue == (queue.isImpliedDeadLetterQueue ? "" : "\(queue.name).dead"))
            // Whoever looks at dead letters by leasing them must not use them up.
            if queue.isImpliedDeadLetterQueue { #expect(queue.policy.attemptsMax == 0) }
        }
        #expect(
            configuration.topics.map(\.pattern.description) == [
                "addin.job.created", "addin.job.updated", "routing.created", "routing.approval.changed", "file.updated", "notification.alert",
                "message.dead",
            ])
    }

    @Test(arguments: files) func theAddinMayDoTwoThingsOnly(file: String) throws {
        let configuration = try ClusterConfiguration.load(file: Repository.root.appendingPathComponent(file).path)
        let addin = try #require(configuration.principals.first { $0.name == "addin" }?.permissions)
        #expect(addin.lease.map(\.description) == ["esprit-gen"])
        #expect(addin.publish.map(\.description) == ["addin-result"])
        #expect(addin.read.isEmpty && addin.admin.isEmpty && addin.topicPublish.isEmpty && addin.topicSubscribe.isEmpty)
    }

    /// What the outbox sends to, and what browsers are told of: `MCMSNames` and the bridge's streams.
    private static let outboxQueues = ["esprit-gen", "addin-result", "file-ingest", "storage-retry", "missingParts", "cas-gc"]
    private static let domainTopics = [
        "addin.job.created", "addin.job.updated", "routing.created", "routing.approval.changed", "file.updated", "notification.alert",
    ]
    /// Those whose messages' deaths are told of.
    private static let watchedQueues = ["esprit-gen", "addin-result", "file-ingest", "storage-retry"]

    @Test(arguments: files) func webAndWorkerMayDoWhatTheyDoAndNothingElse(file: String) throws {
        let configuration = try ClusterConfiguration.load(file: Repository.root.appendingPathComponent(file).path)
        let web = try #require(configuration.principals.first { $0.name == "web" }?.permissions)
        let worker = try #require(configuration.principals.first { $0.name == "worker" }?.permissions)
        for permissions in [web, worker] {
            #expect(permissions.publish.map(\.description) == Self.outboxQueues)
            #expect(permissions.topicPublish.map(\.description) == Self.domainTopics)
        }
        // It asks for operators, whose roles it checks itself.
        #expect(web.read.map(\.description) == ["*"] && web.admin.map(\.description) == ["*"])
        #expect(web.topicSubscribe.map(\.description) == Self.domainTopics)
        // Dead commands and results end jobs; commands of ended jobs are cancelled.
        #expect(worker.topicSubscribe.map(\.description) == ["message.dead"] && worker.admin.map(\.description) == ["esprit-gen"])
        #expect(worker.read.map(\.description) == Self.watchedQueues.map { $0 + ".dead" })
        #expect(configuration.queues.filter { $0.policy.deadLetterTopic == "message.dead" }.map(\.name) == Self.watchedQueues)
        #expect(web.lease.isEmpty && Set(worker.lease.map(\.description)) == Set(configuration.workers.flatMap(\.queues)))
        #expect(web.actFor && !worker.actFor)
        #expect(configuration.principals.filter(\.permissions.actFor).map(\.name) == ["web"])
    }

    @Test func valuesOfThePoc() throws {
        let poc = try ClusterConfiguration.poc
        let broker = try #require(poc.brokers.first)
        #expect(broker.ports.plain == 7400 && broker.ports.tls == nil && broker.ports.operations == 7403)
        #expect(broker.listen.plain == "127.0.0.1")
        #expect(broker.limits.frameBytes == 16 << 20)
        #expect(broker.log.segment == nil && broker.log.checkpointEvery == nil && broker.log.keepFree == nil)
        #expect(poc.webs.map(\.name) == ["web"] && poc.webs.first?.port == 7402)
        #expect(poc.domain?.database == "mcms/mcms.sqlite" && poc.files?.share == "mcms/share" && poc.files?.hosts == ["local"])
        #expect(poc.principals.map(\.role) == [.admin, .viewer, .addin, .approver])
        let generation = try #require(poc.queues.first { $0.name == "esprit-gen" }?.policy)
        #expect(generation.leaseMilliseconds == 300_000)
        #expect(generation.attemptsMax == 3)
        #expect(generation.backoffKind == 1 && generation.backoffInitialMilliseconds == 10_000)
        #expect(generation.backoffCapMilliseconds == 600_000 && generation.backoffJitterPercent == 20)
        #expect(generation.deduplicationWindowMilliseconds == 3_600_000)
        #expect(generation.bytesMax == 16 << 30)
        #expect(poc.queues.first { $0.name == "file-ingest.dead" }?.policy.deduplicationWindowMilliseconds == 0)
        #expect(poc.queues.first { $0.name == "file-ingest.dead" }?.policy.timeToLiveMilliseconds == 90 * 86_400_000)
        #expect(poc.queueDefaults.queue.deadLetterQueue == "{queue}.dead" && poc.queueDefaults.deadLetterQueue.deadLetterQueue == "")
        #expect(poc.topics.first?.retention.count == 100_000)
        #expect(poc.resolve("broker") == "spindle-data/broker")
        #expect(poc.resolve("broker", dataDirectory: "/d") == "/d/broker")
        #expect(poc.resolve("/abs") == "/abs")
    }

    @Test func theIntranetSaysWhatTheLogsDefaultsAre() throws {
        let intranet = try ClusterConfiguration.load(file: Repository.root.appendingPathComponent("cluster-config/intranet.yaml").path)
        let log = try #require(intranet.brokers.first?.log)
        #expect(log.segment == 64 << 20 && log.checkpointEvery == 256 << 20 && log.keepFree == 64 << 20)
    }

    // MARK: The schema

    /// The keys that editors know are the keys that the decoder asks for, and they agree on which must be there.
    @Test func schemaKeysAreTheDecodersKeys() throws {
        let definitions = try Self.schemaDefinitions()
        var shapes: [String: [String: Bool]] = [:]
        for file in Self.files {
            // The shipped files leave out four shapes: a topic's own retention, quotas, a scanner that is asked over HTTP, and a bucket.
            let text = try Repository.text(file).replacing("- pattern: notification.alert", with: "- pattern: notification.alert\n    retention: {age: 30d}")
                .replacing("    role: viewer", with: "    role: viewer\n    quotas: {waits: 100}")
                .replacing("scanner: none", with: "scanner: {http: {url: http://127.0.0.1:8080}}\n  s3: {endpoint: 'http://127.0.0.1', bucket: mcms, accessKeyFile: k}")
            let asked = try ClusterConfiguration.decode(yaml: text, fileName: file).shapes
            shapes.merge(asked) { $0.merging($1) { first, _ in first } }
        }
        let objects = definitions.filter { $0.value["type"] as? String == "object" }
        #expect(objects.keys.sorted() == shapes.keys.sorted())
        for (shape, keys) in shapes.sorted(by: { $0.key < $1.key }) {
            let definition = try #require(definitions[shape], "\(shape)")
            let properties = definition["properties"] as? [String: Any] ?? [:]
            #expect(properties.keys.sorted() == keys.keys.sorted(), "\(shape)")
            let required = definition["required"] as? [String] ?? []
            #expect(required.sorted() == keys.filter(\.value).keys.sorted(), "\(shape)")
            #expect(definition["additionalProperties"] as? Bool == false, "\(shape)")
        }
    }

    @Test(arguments: files) func filesSatisfyTheSchema(file: String) throws {
        let root = try #require(try Yams.compose(yaml: Repository.text(file)))
        let validator = SchemaValidator(definitions: try Self.schemaDefinitions())
        #expect(validator.problems(in: root, ["$ref": "#/$defs/cluster"], path: "") == [])
    }

    /// The validator finds what is wrong: otherwise the test above could not fail.
    @Test func validatorRefuses() throws {
        let text = try Repository.text("cluster-config/poc.yaml")
            .replacing("attemptsMax: 8", with: "attemptMax: 8").replacing("delay: 0s", with: "delay: 0x").replacing("concurrency: 4", with: "concurrency: 0")
        let root = try #require(try Yams.compose(yaml: text))
        let problems = SchemaValidator(definitions: try Self.schemaDefinitions()).problems(in: root, ["$ref": "#/$defs/cluster"], path: "")
        #expect(problems.count == 3, "\(problems)")
    }

    static func schemaDefinitions() throws -> [String: [String: Any]] {
        let json = try JSONSerialization.jsonObject(with: Data(Repository.text("cluster-config/schema.json").utf8))
        let schema = try #require(json as? [String: Any])
        return try #require(schema["$defs"] as? [String: [String: Any]])
    }
}

/// The part of JSON Schema that cluster-config/schema.json uses.
struct SchemaValidator {
    let definitions: [String: [String: Any]]

    func problems(in node: Node, _ schema: [String: Any], path: String) -> [String] {
        var problems: [String] = []
        if let reference = schema["$ref"] as? String, let target = definitions[String(reference.dropFirst("#/$defs/".count))] {
            problems += self.problems(in: node, target, path: path)
        }
        if let choices = schema["anyOf"] as? [[String: Any]], !choices.contains(where: { self.problems(in: node, $0, path: path).isEmpty }) {
            problems.append("\(path): fits none of the alternatives")
        }
        if let constant = schema["const"] as? String, node.string != constant { problems.append("\(path): is not \(constant)") }
        if let words = schema["enum"] as? [String], !words.contains(node.string ?? "") { problems.append("\(path): is not one of \(words)") }
        switch schema["type"] as? String {
        case "object": problems += objectProblems(node, schema, path)
        case "array":
            guard let sequence = node.sequence else { return problems + ["\(path): is no list"] }
            let items = schema["items"] as? [String: Any] ?? [:]
            for (index, element) in sequence.enumerated() { problems += self.problems(in: element, items, path: "\(path)[\(index)]") }
            if let least = schema["minItems"] as? Int, sequence.count < least { problems.append("\(path): has too few elements") }
        case "string":
            guard let text = node.scalar?.string else { return problems + ["\(path): is no text"] }
            if let pattern = schema["pattern"] as? String, text.range(of: pattern, options: .regularExpression) == nil {
                problems.append("\(path): \"\(text)\" does not match \(pattern)")
            }
        case "integer", "number":
            guard let number = node.float else { return problems + ["\(path): is no number"] }
            if let minimum = schema["minimum"] as? Double, number < minimum { problems.append("\(path): is under \(minimum)") }
            if let maximum = schema["maximum"] as? Double, number > maximum { problems.append("\(path): is over \(maximum)") }
        case "boolean": if node.bool == nil { problems.append("\(path): is no boolean") }
        default: break
        }
        return problems
    }

    private func objectProblems(_ node: Node, _ schema: [String: Any], _ path: String) -> [String] {
        guard let mapping = node.mapping else { return ["\(path): is no mapping"] }
        let properties = schema["properties"] as? [String: [String: Any]] ?? [:]
        var problems: [String] = []
        for (key, value) in mapping {
            let name = key.string ?? "?"
            guard let property = properties[name] else { problems.append("\(path): unknown key \(name)"); continue }
            problems += self.problems(in: value, property, path: "\(path).\(name)")
        }
        for key in schema["required"] as? [String] ?? [] where mapping[key] == nil { problems.append("\(path): \(key) is missing") }
        return problems
    }
}
