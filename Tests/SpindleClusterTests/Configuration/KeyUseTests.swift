import Foundation
import SpindleCluster
import SpindleWire
import Testing

/// Every key of the schema acts: changing it changes the configuration that the roles are given, and the named place in the sources
/// uses what changed. The settings of a queue's policy have `PolicySettingTests`; keys that are refused have `RefusedKeyTests`.
@Suite struct KeyUseTests {
    struct Use: Sendable, CustomTestStringConvertible {
        /// The kind of mapping in the schema, and the key.
        let key: String
        /// A change of the key in the text below.
        let find: String
        let replace: String
        /// What reads it, and where.
        let reads: String
        let file: String

        init(_ key: String, _ find: String, _ replace: String, reads: String, in file: String) {
            self.key = key
            self.find = find
            self.replace = replace
            self.reads = reads
            self.file = file
        }

        var testDescription: String { key }
    }

    private static let quotas = "quotas: {connections: 11, requests: 12, bytesInFlight: 13 MiB, leases: 14, subscriptions: 15, waits: 16}"

    /// The built-in description with every key in it.
    static let text = ClusterConfiguration.pocText
        .replacing("    portBase: 7400\n", with: """
                portBase: 7400
                ports: {plain: 7500, tls: 7501, operations: 7503}
                listen: {plain: 127.0.0.1, tls: 127.0.0.2, operations: 127.0.0.3}
                tls: {certificate: b.pem, key: b.key, authority: ca.pem}
                log: {segment: 64 MiB, checkpointEvery: 256 MiB, keepFree: 63 MiB}
                allowPlaintext: false

            """)
        .replacing("  - pattern: notification.alert\n", with: "  - pattern: notification.alert\n    retention: {age: 30d, bytes: 1 MiB, count: 9}\n")
        .replacing("  - name: addin\n    role", with: "  - name: addin\n    certificateName: cam\n    \(quotas)\n    role")
        .replacing("    listen: 127.0.0.1\n", with: "    listen: 127.0.0.1\n    allowPlaintext: false\n    tls: {certificate: w.pem, key: w.key}\n    redirectPort: 7410\n")
        .replacing("    signInVisitors: true\n", with: "    signInVisitors: false\n    origins: [https://a.example]\n")
        .replacing("  database: mcms/mcms.sqlite\n", with: "  database: mcms/mcms.sqlite\n  approval: anyone\n")
        .replacing("  scanner: none\n", with: "  scanner: {\(clamd), attemptsMax: 3, alertAfter: 10m}\n  s3: {\(bucket)}\n")

    private static let clamd = "clamd: {address: '127.0.0.1:3310', window: 1 GiB, overlap: 1 MiB, timeout: 2m}"

    private static let bucket = """
        endpoint: 'https://s3.example', bucket: mcms, accessKeyFile: s3.key, prefix: a, region: kr, addressing: path, caFile: s3.pem, \
        multipartAbove: 1 GiB, partSize: 32 MiB, timeout: 20s, alertAfter: 7m
        """

    /// A row for a key of the other kind of scanner.
    private static func http(_ key: String, _ value: String) -> Use {
        Use("httpScanner.\(key)", clamd, key == "url" ? "http: {url: http://a}" : "http: {url: http://a, \(key): \(value)}", reads: "http.\(key)", in: files)
    }

    private static let setup = "Broker/BrokerSetup.swift"
    private static let bridge = "Bridge/BridgeCommand.swift"
    private static let worker = "Worker/WorkerCommand.swift"
    private static let addin = "Addin/AddinCommand.swift"
    private static let files = "Roles/FilesSetup.swift"
    private static let bucketSetup = "Roles/ObjectStoreSetup.swift"
    private static let link = "Roles/BrokerLink.swift"
    /// Below the folder of the executable's sources.
    private static let plan = "../Shell/SpindleCluster/Configuration/ClusterPlan.swift"
    private static let decoder = "../Shell/SpindleCluster/Decoding/ClusterDecoder.swift"

    static let uses: [Use] = [
        Use("cluster.cluster", "cluster: poc", "cluster: other", reads: "configuration.name", in: "Cluster/UpCommand.swift"),
        Use("cluster.dataDirectory", "dataDirectory: spindle-data", "dataDirectory: d", reads: "configuration.dataDirectory", in: "Cluster/ClusterOptions.swift"),
        Use("host.name", "- name: local\n", "- name: local\n    address: 127.0.0.1\n  - name: further\n", reads: "configuration.hosts.map(\\.name)", in: "Cluster/UpCommand.swift"),
        Use("host.address", "address: 127.0.0.1", "address: 127.0.0.9", reads: "cluster.address(ofHost: broker.host)", in: link),
        Use("broker.name", "name: broker-1", "name: b", reads: "serverName: broker.name", in: setup),
        Use("broker.host", "    host: local\n    # 7400", "    host: further\n    # 7400", reads: "broker.host == host", in: link),
        Use("broker.portBase", "    portBase: 7400\n    ports: {plain: 7500, tls: 7501, operations: 7503}", "    portBase: 7410", reads: "ports(explicit, base: base ?? BrokerPorts.baseDefault)", in: decoder),
        Use("broker.allowPlaintext", "operations: 127.0.0.3}\n    tls: {certificate: b.pem, key: b.key, authority: ca.pem}\n    log: {segment: 64 MiB, checkpointEvery: 256 MiB, keepFree: 63 MiB}\n    allowPlaintext: false",
            "operations: 127.0.0.3}\n    tls: {certificate: b.pem, key: b.key, authority: ca.pem}\n    log: {segment: 64 MiB, checkpointEvery: 256 MiB, keepFree: 63 MiB}\n    allowPlaintext: true",
            reads: "allowPlaintext: broker.allowPlaintext", in: setup),
        Use("ports.plain", "plain: 7500", "plain: 7600", reads: "broker.ports.plain", in: setup),
        Use("ports.tls", "tls: 7501", "tls: 7601", reads: "broker.ports.tls", in: setup),
        Use("ports.operations", "operations: 7503", "operations: none", reads: "broker.ports.operations", in: setup),
        Use("listen.plain", "plain: 127.0.0.1", "plain: localhost", reads: "broker.listen.plain", in: setup),
        Use("listen.tls", "tls: 127.0.0.2", "tls: 0.0.0.0", reads: "broker.listen.tls", in: setup),
        Use("listen.operations", "operations: 127.0.0.3", "operations: 127.0.0.4", reads: "broker.listen.operations", in: setup),
        Use("tls.certificate", "certificate: b.pem", "certificate: c.pem", reads: "cluster.resolve(tls.certificate)", in: setup),
        Use("tls.key", "key: b.key", "key: c.key", reads: "cluster.resolve(tls.key)", in: setup),
        Use("tls.authority", "authority: ca.pem", "authority: c.pem", reads: "cluster.resolve(tls.authority)", in: setup),
        Use("limits.connections", "connections: 10000", "connections: 9", reads: "broker.limits.connections", in: setup),
        Use("limits.frameBytes", "frameBytes: 16 MiB", "frameBytes: 8 MiB", reads: "broker.limits.frameBytes", in: setup),
        Use("limits.inFlight", "inFlight: 10000", "inFlight: 9", reads: "broker.limits.inFlight", in: setup),
        Use("limits.outputBuffer", "outputBuffer: 8 MiB", "outputBuffer: 9 MiB", reads: "broker.limits.outputBuffer", in: setup),
        Use("log.segment", "segment: 64 MiB", "segment: 32 MiB", reads: "broker.log.segment", in: setup),
        Use("log.checkpointEvery", "checkpointEvery: 256 MiB", "checkpointEvery: 9 MiB", reads: "broker.log.checkpointEvery", in: setup),
        Use("log.keepFree", "keepFree: 63 MiB", "keepFree: 9 MiB", reads: "broker.log.keepFree", in: setup),
        Use("queue.name", "- name: storage-retry", "- name: storage-retry-2\n  - name: storage-retry", reads: "DeclaredQueue(name: $0.name", in: setup),
        Use("topicRetention.age", "age: 30d", "age: 31d", reads: "configured.age", in: setup),
        Use("topicRetention.bytes", "bytes: 1 MiB", "bytes: none", reads: "configured.bytes", in: setup),
        Use("topicRetention.count", "count: 9}", "count: 10}", reads: "configured.count", in: setup),
        Use("topicRetentionDefaults.age", "age: 7d", "age: none", reads: "Self.retention(cluster.topicDefaults)", in: setup),
        Use("topicRetentionDefaults.bytes", "    bytes: none", "    bytes: 1 GiB", reads: "Self.retention(cluster.topicDefaults)", in: setup),
        Use("topicRetentionDefaults.count", "count: 100000", "count: 7", reads: "Self.retention(cluster.topicDefaults)", in: setup),
        Use("topic.pattern", "pattern: addin.job.created", "pattern: addin.*", reads: "DeclaredTopic(pattern: $0.pattern.description", in: setup),
        Use("principal.name", "  - name: admin\n", "  - name: root\n", reads: "name: configured.name", in: setup),
        Use("principal.certificateName", "certificateName: cam", "certificateName: cam-2", reads: "configured.certificateName", in: setup),
        Use("principal.role", "role: viewer", "role: none", reads: "WebRole($0.role)", in: bridge),
        Use("permissions.publish", "publish: [addin-result]", "publish: [addin-result, esprit-gen]", reads: "publish: permissions.publish", in: setup),
        Use("permissions.lease", "lease: [esprit-gen]", "lease: [esprit-gen, addin-result]", reads: "lease: permissions.lease", in: setup),
        Use("permissions.read", "read: [\"*\"]", "read: []", reads: "read: permissions.read", in: setup),
        Use("permissions.admin", "admin: [\"*\"]", "admin: []", reads: "admin: permissions.admin", in: setup),
        Use("permissions.topicPublish", "topicPublish: [\"*\"]", "topicPublish: []", reads: "topicPublish: permissions.topicPublish", in: setup),
        Use("permissions.topicSubscribe", "topicSubscribe: [\"*\"]", "topicSubscribe: []", reads: "topicSubscribe: permissions.topicSubscribe", in: setup),
        Use("permissions.actFor", "actFor: true", "actFor: false", reads: "actFor: permissions.actFor", in: setup),
        Use("quotas.connections", "{connections: 11", "{connections: 21", reads: "configured.connections", in: setup),
        Use("quotas.requests", "requests: 12", "requests: 22", reads: "configured.requests", in: setup),
        Use("quotas.bytesInFlight", "bytesInFlight: 13 MiB", "bytesInFlight: 23 MiB", reads: "configured.bytesInFlight", in: setup),
        Use("quotas.leases", "leases: 14", "leases: 24", reads: "configured.leases", in: setup),
        Use("quotas.subscriptions", "subscriptions: 15", "subscriptions: 25", reads: "configured.subscriptions", in: setup),
        Use("quotas.waits", "waits: 16", "waits: 26", reads: "configured.waits", in: setup),
        Use("workerGroup.name", "- name: results", "- name: r", reads: "$0.name == name", in: worker),
        Use("workerGroup.host", "    host: local\n    principal: worker\n    queues: [addin-result]", "    host: further\n    principal: worker\n    queues: [addin-result]", reads: "host: first.host", in: worker),
        Use("workerGroup.principal", "    principal: worker\n    queues: [addin-result]", "    principal: admin\n    queues: [addin-result]", reads: "principal: first.principal", in: worker),
        Use("workerGroup.queues", "queues: [addin-result]", "queues: [addin-result, file-ingest]", reads: "group.queues.map", in: worker),
        Use("workerGroup.concurrency", "concurrency: 4", "concurrency: 5", reads: "concurrency: group.concurrency", in: worker),
        Use("workerGroup.processes", "processes: 1", "processes: 3", reads: "group.processes", in: plan),
        Use("domain.database", "database: mcms/mcms.sqlite", "database: x.sqlite", reads: "cluster.resolve(domain.database)", in: "Roles/DomainStore.swift"),
        Use("domain.approval", "approval: anyone", "approval: fourEyes", reads: "ApprovalRule(domain.approval)", in: "Roles/DomainStore.swift"),
        Use("web.signInVisitors", "signInVisitors: false\n    origins: [https://a.example]", "signInVisitors: true", reads: "web.signInVisitors", in: "Bridge/WebServerSetup.swift"),
        Use("web.origins", "origins: [https://a.example]", "origins: [https://b.example]", reads: "Set(web.origins)", in: "Bridge/WebServerSetup.swift"),
        Use("domain.outputAttemptsMax", "outputAttemptsMax: 3", "outputAttemptsMax: 4", reads: "outputAttemptsMax", in: worker),
        Use("sessions.idle", "{idle: 12h", "{idle: 1h", reads: "sessions.idle", in: "Bridge/WebServerSetup.swift"),
        Use("sessions.absolute", "absolute: 30d", "absolute: 31d", reads: "sessions.absolute", in: "Bridge/WebServerSetup.swift"),
        Use("outboxRetry.attemptsMax", "outbox: {attemptsMax: 50", "outbox: {attemptsMax: 51", reads: "retry.attemptsMax", in: "Roles/DomainStore.swift"),
        Use("outboxRetry.initial", "50, initial: 200ms", "50, initial: 201ms", reads: "retry.initial", in: "Roles/DomainStore.swift"),
        Use("outboxRetry.cap", "200ms, cap: 5m", "200ms, cap: 6m", reads: "retry.cap", in: "Roles/DomainStore.swift"),
        Use("files.windowsRoots", "windowsRoots: ['W:\\']", "windowsRoots: ['X:\\']", reads: "files.windowsRoots", in: "Roles/DomainStore.swift"),
        Use("files.hosts", "hosts: [local]", "hosts: [local, further]", reads: "files.hosts.contains", in: "../Shell/SpindleCluster/Decoding/ConsistencyChecks.swift"),
        Use("files.share", "share: mcms/share", "share: /srv/share", reads: "resolve(files.share)", in: "Roles/DomainStore.swift"),
        Use("files.store", "store: files", "store: /srv/files", reads: "resolve(files.store)", in: files),
        Use("files.uploadMax", "uploadMax: 20 GiB", "uploadMax: 1 GiB", reads: "files.uploadMax", in: files),
        Use("files.keepFree", "  keepFree: 1 GiB", "  keepFree: 2 GiB", reads: "files.keepFree", in: files),
        Use("files.uploadExpiry", "uploadExpiry: 7d", "uploadExpiry: 1d", reads: "files.uploadExpiry", in: files),
        Use("files.uploadsOpenMax", "uploadsOpenMax: 1000", "uploadsOpenMax: 999", reads: "files.uploadsOpenMax", in: files),
        Use("files.garbageGrace", "garbageGrace: 1d", "garbageGrace: 2d", reads: "files.garbageGrace", in: files),
        Use("files.retriesMax", "retriesMax: 5", "retriesMax: 6", reads: "files.retriesMax", in: files),
        Use("files.scanner", "  scanner: {", "  scanner: none #", reads: "files.scanner", in: files),
        Use("scanner.attemptsMax", "attemptsMax: 3, alertAfter", "attemptsMax: 4, alertAfter", reads: "retry.attemptsMax", in: files),
        Use("scanner.alertAfter", "alertAfter: 10m", "alertAfter: 11m", reads: "retry.alertAfter", in: files),
        Use("clamd.address", "127.0.0.1:3310", "127.0.0.1:3311", reads: "clamd.address", in: files),
        Use("clamd.window", "window: 1 GiB", "window: 2 MiB", reads: "clamd.window", in: files),
        Use("clamd.overlap", "overlap: 1 MiB", "overlap: 2 MiB", reads: "clamd.overlap", in: files),
        Use("clamd.timeout", "timeout: 2m", "timeout: 3m", reads: "clamd.timeout", in: files),
        http("url", ""), http("clean", "ok"), http("infected", "bad"), http("tokenFile", "t"), http("tokenHeader", "X-Key"), http("timeout", "1m"),
        http("bytesMax", "1 GiB"),
        Use("s3.endpoint", "'https://s3.example'", "'http://s3.example:9000'", reads: "store.endpoint", in: bucketSetup),
        Use("s3.bucket", "bucket: mcms", "bucket: other", reads: "store.bucket", in: bucketSetup),
        Use("s3.accessKeyFile", "accessKeyFile: s3.key", "accessKeyFile: s3-2.key", reads: "cluster.resolve(store.accessKeyFile)", in: bucketSetup),
        Use("s3.prefix", "prefix: a", "prefix: b", reads: "store.prefix", in: bucketSetup),
        Use("s3.region", "region: kr", "region: us", reads: "store.region", in: bucketSetup),
        Use("s3.addressing", "addressing: path", "addressing: virtualHost", reads: "store.addressing", in: bucketSetup),
        Use("s3.caFile", "caFile: s3.pem", "caFile: other.pem", reads: "store.caFile", in: bucketSetup),
        Use("s3.multipartAbove", "multipartAbove: 1 GiB", "multipartAbove: 2 GiB", reads: "store.multipartAbove", in: bucketSetup),
        Use("s3.partSize", "partSize: 32 MiB", "partSize: 33 MiB", reads: "store.partSize", in: bucketSetup),
        Use("s3.timeout", "timeout: 20s", "timeout: 21s", reads: "store.timeout", in: bucketSetup),
        Use("s3.alertAfter", "alertAfter: 7m", "alertAfter: 8m", reads: "bucket.alertAfter", in: files),
        Use("web.name", "  - name: web\n    host", "  - name: page\n    host", reads: "process = try RoleProcess(name: web.name", in: bridge),
        Use("web.host", "    host: local\n    principal: web\n", "    host: further\n    principal: web\n", reads: "host: web.host", in: bridge),
        Use("web.principal", "    principal: web\n    port", "    principal: admin\n    port", reads: "principal: web.principal", in: bridge),
        Use("web.port", "port: 7402", "port: 7409", reads: "port: web.port", in: bridge),
        Use("web.listen", "    listen: 127.0.0.1\n    allow", "    listen: localhost\n    allow", reads: ".hostname(web.listen", in: bridge),
        Use("web.allowPlaintext", "    listen: 127.0.0.1\n    allowPlaintext: false", "    listen: 127.0.0.1\n    allowPlaintext: true", reads: "!web.allowPlaintext", in: "../Shell/SpindleCluster/Decoding/WebDecoder.swift"),
        Use("web.redirectPort", "redirectPort: 7410", "redirectPort: 7411", reads: "port = web.redirectPort", in: "Bridge/TrustSetup.swift"),
        Use("webTLS.certificate", "certificate: w.pem", "certificate: v.pem", reads: "cluster.resolve(tls.certificate)", in: "Bridge/WebServerSetup.swift"),
        Use("webTLS.key", "key: w.key", "key: v.key", reads: "cluster.resolve(tls.key)", in: "Bridge/WebServerSetup.swift"),
        Use("addin.enabled", "enabled: true", "enabled: false", reads: "addin.enabled", in: plan),
        Use("addin.host", "  host: local\n  principal: addin", "  host: further\n  principal: addin", reads: "host: description.host", in: addin),
        Use("addin.principal", "  principal: addin", "  principal: admin", reads: "principal: description.principal", in: addin),
        Use("addin.queue", "  queue: esprit-gen\n  resultQueue", "  queue: file-ingest\n  resultQueue", reads: "description.queue", in: addin),
        Use("addin.resultQueue", "resultQueue: addin-result", "resultQueue: file-ingest", reads: "description.resultQueue", in: addin),
        Use("addin.workDuration", "workDuration: 4s", "workDuration: 5s", reads: "description.workDuration", in: addin),
        Use("addin.lease", "  lease: 10s", "  lease: 11s", reads: "description.lease", in: addin),
        Use("addin.failureRatio", "failureRatio: 0.0", "failureRatio: 0.5", reads: "description.failureRatio", in: addin),
    ]

    /// For rows that move a process to another host.
    private static let twoHosts = text.replacing("    address: 127.0.0.1\n", with: "    address: 127.0.0.1\n  - name: further\n    address: 127.0.0.2\n")

    @Test(arguments: uses) func changesWhatTheRolesAreGiven(use: Use) throws {
        let needsSecondHost = use.replace.contains("further") && use.key != "host.name"
        let good = needsSecondHost ? Self.twoHosts : Self.text
        let range = try #require(good.range(of: use.find), "the text has no “\(use.find)”")
        let changed = good.replacingCharacters(in: range, with: use.replace)
        let before = try ClusterConfiguration.parse(yaml: good, fileName: "x.yaml")
        do {
            #expect(try ClusterConfiguration.parse(yaml: changed, fileName: "x.yaml") != before)
        } catch {
            // Acts by being checked: a process where its folders are not, or a principal without the right.
            #expect(error.errors.allSatisfy { $0.problem.contains("host") || $0.problem.contains("may not") }, "\(error)")
        }
    }

    @Test(arguments: uses) func isReadWhereTheTableSays(use: Use) throws {
        #expect(try Repository.text("Sources/spindle/\(use.file)").contains(use.reads), "Sources/spindle/\(use.file) does not read “\(use.reads)”")
    }

    /// Keys whose value is another mapping or a list of them act by what is in them.
    @Test func everyKeyOfTheSchemaHasARow() throws {
        let definitions = try ShippedConfigurationTests.schemaDefinitions()
        func isMapping(_ property: [String: Any]) -> Bool {
            let reference = property["$ref"] ?? (property["items"] as? [String: Any])?["$ref"]
            guard let name = (reference as? String)?.split(separator: "/").last.map(String.init) else { return false }
            return definitions[name]?["type"] as? String == "object"
        }
        var keys: Set<String> = []
        for (shape, definition) in definitions where definition["type"] as? String == "object" && !["queuePolicy", "backoff"].contains(shape) {
            for (key, property) in definition["properties"] as? [String: [String: Any]] ?? [:] where !isMapping(property) { keys.insert("\(shape).\(key)") }
        }
        #expect(keys.symmetricDifference(Self.uses.map(\.key)) == [], "a key without a row, or a row without a key")
    }
}
