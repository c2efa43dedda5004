import SpindleText
import Yams

/// Reads the document into a `ClusterConfiguration`. Each function reads one kind of mapping; the shape's name is that
/// of the definition in cluster-config/schema.json.
struct ClusterDecoder {
    /// Lists in the file are no longer than this.
    static let elementsMax = 10_000

    let diagnostics: Diagnostics

    func cluster(_ root: ConfigNode) -> ClusterConfiguration {
        let reader = MappingReader(root, shape: "cluster", diagnostics)
        let name = reader.required("cluster", .name)
        let dataDirectory = reader.required("dataDirectory", .path)
        let hosts = elements(reader.list("hosts", required: true, of: "hosts")).map(host)
        let brokers = elements(reader.list("brokers", required: true, of: "brokers", countMin: 1)).map(broker)
        let defaults = reader.mapping("defaults", shape: "defaults", required: true)
        let queueDefaults = QueueDecoder.defaults(defaults)
        let topicDefaults = self.topicDefaults(defaults)
        defaults?.finish()
        let declared = elements(reader.list("queues", required: true, of: "queues")).map { QueueDecoder.queue($0, queueDefaults.queue, diagnostics) }
        let topics = elements(reader.list("topics", required: true, of: "topics")).compactMap { topic($0, topicDefaults) }
        let principals = elements(reader.list("principals", required: true, of: "principals")).map(principal)
        let workers = elements(reader.list("workers", required: false, of: "worker groups")).map(workerGroup)
        let domain = reader.mapping("domain", shape: "domain", required: false).map(self.domain)
        let files = reader.mapping("files", shape: "files", required: false).map(self.files)
        let webs = elements(reader.list("webs", required: false, of: "web servers")).map { WebDecoder.web($0, diagnostics) }
        let addin = reader.mapping("addin", shape: "addin", required: false).map(self.addin)
        reader.finish()

        let queues = declared + QueueDecoder.impliedDeadLetterQueues(of: declared, queueDefaults.deadLetterQueue)
        return ClusterConfiguration(
            name: name, dataDirectory: dataDirectory, hosts: hosts, brokers: brokers, queueDefaults: queueDefaults,
            queues: queues, topicDefaults: topicDefaults, topics: topics, principals: principals, workers: workers, domain: domain,
            files: files, webs: webs, addin: addin)
    }

    private func elements(_ nodes: [ConfigNode]) -> [ConfigNode] {
        if nodes.count > Self.elementsMax, let first = nodes.first {
            diagnostics.report("found \(nodes.count) elements, expected at most \(Self.elementsMax)", at: first.location)
        }
        return Array(nodes.prefix(Self.elementsMax))
    }

    // MARK: Hosts and brokers

    private func host(_ node: ConfigNode) -> HostConfiguration {
        let reader = MappingReader(node, shape: "host", diagnostics)
        defer { reader.finish() }
        return HostConfiguration(name: reader.declaredName(as: .host), address: reader.required("address", .address))
    }

    private func broker(_ node: ConfigNode) -> BrokerConfiguration {
        let reader = MappingReader(node, shape: "broker", diagnostics)
        defer { reader.finish() }
        let name = reader.declaredName(as: .broker)
        let host = reader.reference("host", to: .host)
        let base = reader.optional("portBase", .number(1...(65536 - BrokerPorts.span), of: "a port base"))
        let explicit = reader.mapping("ports", shape: "ports", required: false)
        let listen = self.listen(reader.mapping("listen", shape: "listen", required: false))
        let tls = reader.mapping("tls", shape: "tls", required: false).map(self.tls)
        let limits = self.limits(reader.mapping("limits", shape: "limits", required: true))
        let log = self.log(reader.mapping("log", shape: "log", required: false))
        let allowPlaintext = reader.optional("allowPlaintext", .bool) ?? false

        var ports = ports(explicit, base: base ?? BrokerPorts.baseDefault)
        if tls == nil {
            if let explicit, ports.tlsIsExplicit {
                diagnostics.report("found a TLS port, expected a \"tls\" section with the certificate beside it", at: explicit.place(of: "tls"))
            }
            ports.value.tls = nil
        }
        if ports.value.plain != nil, !allowPlaintext, !Self.isLoopback(listen.plain) {
            diagnostics.report(
                "found the plaintext address \"\(listen.plain)\", expected a loopback address (127.0.0.1), or allowPlaintext: true",
                at: reader.place(of: "listen"))
        }
        if ports.value.operations != nil, !allowPlaintext, !Self.isLoopback(listen.operations) {
            diagnostics.report(
                "found the operations address \"\(listen.operations)\", which is plain HTTP; expected a loopback address (127.0.0.1), or allowPlaintext: true",
                at: reader.place(of: "listen"))
        }
        return BrokerConfiguration(
            name: name, host: host, ports: ports.value, listen: listen, tls: tls, limits: limits, log: log,
            allowPlaintext: allowPlaintext)
    }

    /// The ports of the section, or those that follow the base; a port of the section may be switched off by `none`.
    private func ports(_ reader: MappingReader?, base: Int) -> (value: BrokerPorts, tlsIsExplicit: Bool) {
        let plain = reader?.optional("plain", ScalarType.port.orNone())
        let tls = reader?.optional("tls", ScalarType.port.orNone())
        let operations = reader?.optional("operations", ScalarType.port.orNone())
        reader?.finish()
        let ports = BrokerPorts(plain: plain ?? base, tls: tls ?? (base + 1), operations: operations ?? (base + 3))
        return (ports, (tls ?? nil) != nil)
    }

    private func listen(_ reader: MappingReader?) -> BrokerListenAddresses {
        defer { reader?.finish() }
        return BrokerListenAddresses(
            plain: reader?.optional("plain", .address) ?? "127.0.0.1", tls: reader?.optional("tls", .address) ?? "0.0.0.0",
            operations: reader?.optional("operations", .address) ?? "127.0.0.1")
    }

    /// Whether the address is reached from this machine only. A name that merely begins like one is not.
    static func isLoopback(_ address: String) -> Bool {
        if address == "localhost" || address == "::1" { return true }
        let parts = address.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    private func tls(_ reader: MappingReader) -> TLSConfiguration {
        defer { reader.finish() }
        return TLSConfiguration(
            certificate: reader.required("certificate", .path), key: reader.required("key", .path),
            authority: reader.required("authority", .path))
    }

    private func limits(_ reader: MappingReader?) -> BrokerLimits {
        guard let reader else { return BrokerLimits(connections: 1, frameBytes: 4096, inFlight: 1, outputBuffer: 4096) }
        defer { reader.finish() }
        return BrokerLimits(
            connections: reader.required("connections", .number(1...1_000_000)),
            frameBytes: reader.required("frameBytes", .bytes(4096...(256 << 20))),
            inFlight: reader.required("inFlight", .number(1...10_000_000)),
            outputBuffer: reader.required("outputBuffer", .bytes(4096...(4 << 30))))
    }

    private func log(_ reader: MappingReader?) -> BrokerLogConfiguration {
        defer { reader?.finish() }
        let segment = ScalarType(expected: "a multiple of 4 KiB such as 64 MiB, from 256 KiB to 1 GiB", placeholder: 64 << 20) { scalar in
            Units.bytes(scalar.text).flatMap { (256 << 10...1 << 30).contains($0) && $0.isMultiple(of: 4096) ? $0 : nil }
        }
        return BrokerLogConfiguration(
            segment: reader?.optional("segment", segment), checkpointEvery: reader?.optional("checkpointEvery", .bytes(64 << 10...1 << 40)),
            keepFree: reader?.optional("keepFree", .bytes(0...1 << 40)))
    }

    // MARK: Topics

    private func topicDefaults(_ reader: MappingReader?) -> TopicRetentionConfiguration {
        guard let retention = reader?.mapping("topic", shape: "topicRetentionDefaults", required: true) else {
            return TopicRetentionConfiguration(age: nil, bytes: nil, count: nil)
        }
        return self.retention(retention, inherited: nil)
    }

    private func retention(_ reader: MappingReader, inherited: TopicRetentionConfiguration?) -> TopicRetentionConfiguration {
        defer { reader.finish() }
        return TopicRetentionConfiguration(
            age: reader.valueOrNone("age", .duration(.seconds(1)...Units.durationMax), inherited: inherited.map(\.age)),
            bytes: reader.valueOrNone("bytes", .bytes(4096...(1 << 50)), inherited: inherited.map(\.bytes)),
            count: reader.valueOrNone("count", .number(1...1_000_000_000), inherited: inherited.map(\.count)))
    }

    private func topic(_ node: ConfigNode, _ defaults: TopicRetentionConfiguration) -> TopicConfiguration? {
        let reader = MappingReader(node, shape: "topic", diagnostics)
        defer { reader.finish() }
        let pattern = reader.required("pattern", ScalarType<NamePattern>.pattern())
        if let pattern { diagnostics.declare(.topic, pattern.description, at: reader.place(of: "pattern")) }
        let retention = reader.mapping("retention", shape: "topicRetention", required: false)
            .map { self.retention($0, inherited: defaults) }
        return pattern.map { TopicConfiguration(pattern: $0, retention: retention ?? defaults) }
    }

    // MARK: Principals

    private func principal(_ node: ConfigNode) -> PrincipalConfiguration {
        let reader = MappingReader(node, shape: "principal", diagnostics)
        defer { reader.finish() }
        return PrincipalConfiguration(
            name: reader.declaredName(as: .principal), certificateName: reader.optional("certificateName", .name),
            role: reader.optional("role", .oneOf(.none)) ?? .none,
            permissions: permissions(reader.mapping("permissions", shape: "permissions", required: true)),
            quotas: quotas(reader.mapping("quotas", shape: "quotas", required: false)))
    }

    private func quotas(_ reader: MappingReader?) -> QuotaConfiguration {
        guard let reader else { return QuotaConfiguration() }
        defer { reader.finish() }
        return QuotaConfiguration(
            connections: reader.optional("connections", .number(1...1_000_000)), requests: reader.optional("requests", .number(1...10_000_000)),
            bytesInFlight: reader.optional("bytesInFlight", .bytes(4096...(64 << 30))), leases: reader.optional("leases", .number(1...100_000_000)),
            subscriptions: reader.optional("subscriptions", .number(1...1_000_000)), waits: reader.optional("waits", .number(1...1_000_000)))
    }

    private func permissions(_ reader: MappingReader?) -> PermissionConfiguration {
        guard let reader else { return PermissionConfiguration() }
        defer { reader.finish() }
        return PermissionConfiguration(
            publish: patterns(reader, "publish", over: .queue), lease: patterns(reader, "lease", over: .queue),
            read: patterns(reader, "read", over: .queue), admin: patterns(reader, "admin", over: .queue),
            topicPublish: patterns(reader, "topicPublish", over: nil), topicSubscribe: patterns(reader, "topicSubscribe", over: nil),
            actFor: reader.optional("actFor", .bool) ?? false)
    }

    /// A pattern over queues without a `*` names one queue, which must be there.
    private func patterns(_ reader: MappingReader, _ key: String, over kind: Declared?) -> [NamePattern] {
        reader.scalars(key, ScalarType<NamePattern>.pattern(), of: "names and patterns").compactMap { pattern, location in
            if let kind, let pattern, !pattern.hasWildcard { diagnostics.refer(to: kind, pattern.description, at: location) }
            return pattern
        }
    }

    // MARK: Processes

    private func workerGroup(_ node: ConfigNode) -> WorkerGroupConfiguration {
        let reader = MappingReader(node, shape: "workerGroup", diagnostics)
        defer { reader.finish() }
        let name = reader.declaredName(as: .workerGroup)
        let host = reader.reference("host", to: .host)
        let principal = reader.reference("principal", to: .principal)
        let queues = reader.scalars("queues", required: true, .name, of: "queue names", countMin: 1)
        for queue in queues { diagnostics.refer(to: .queue, queue.value, at: queue.location) }
        return WorkerGroupConfiguration(
            name: name, host: host, principal: principal, queues: queues.map(\.value),
            concurrency: reader.required("concurrency", .number(1...10_000)), processes: reader.required("processes", .number(1...256)))
    }

    private func domain(_ reader: MappingReader) -> DomainConfiguration {
        defer { reader.finish() }
        var domain = DomainConfiguration(
            database: reader.required("database", .path), approval: reader.optional("approval", .oneOf(.anyone)) ?? .anyone)
        if let outbox = reader.mapping("outbox", shape: "outboxRetry", required: false) { domain.outbox = outboxRetry(outbox) }
        domain.outputAttemptsMax = reader.optional("outputAttemptsMax", .number(1...1_000)) ?? domain.outputAttemptsMax
        if let sessions = reader.mapping("sessions", shape: "sessions", required: false) { domain.sessions = WebDecoder.sessions(sessions) }
        return domain
    }

    private func outboxRetry(_ reader: MappingReader) -> OutboxRetryConfiguration {
        defer { reader.finish() }
        var retry = OutboxRetryConfiguration()
        retry.attemptsMax = reader.optional("attemptsMax", .number(1...1_000_000)) ?? retry.attemptsMax
        retry.initial = reader.optional("initial", .duration(.milliseconds(1)...Units.durationMax)) ?? retry.initial
        retry.cap = reader.optional("cap", .duration(.milliseconds(1)...Units.durationMax)) ?? retry.cap
        if retry.initial > retry.cap, reader.mayCompare("initial", "cap") {
            reader.diagnostics.report(
                "found initial \(Units.text(retry.initial)), expected at most cap, which is \(Units.text(retry.cap))", at: reader.place(of: "initial"))
        }
        return retry
    }

    private func files(_ reader: MappingReader) -> FilesConfiguration {
        defer { reader.finish() }
        let hosts = reader.scalars("hosts", required: true, .name, of: "host names", countMin: 1)
        for host in hosts { diagnostics.refer(to: .host, host.value, at: host.location) }
        var files = FilesConfiguration(hosts: hosts.map(\.value), share: reader.required("share", .path))
        let roots = reader.scalars("windowsRoots", Self.windowsRoot, of: "drives and UNC prefixes").map(\.value)
        if !roots.isEmpty { files.windowsRoots = roots }
        FilesDecoder.read(reader, into: &files)
        return files
    }

    private static let windowsRoot = ScalarType.text(#"a drive or a UNC prefix such as 'W:\' or '\\files\cam'"#) { text in
        let slashed = text.replacing("\\", with: "/")
        let isDrive = slashed.count >= 2 && slashed.first?.isLetter == true && slashed.dropFirst().first == ":"
        return text.utf8.count <= 255 && (isDrive || slashed.hasPrefix("//") && slashed.dropFirst(2).split(separator: "/").count >= 2)
    }

    private func addin(_ reader: MappingReader) -> AddinConfiguration {
        defer { reader.finish() }
        return AddinConfiguration(
            enabled: reader.required("enabled", .bool), host: reader.reference("host", to: .host),
            principal: reader.reference("principal", to: .principal), queue: reader.reference("queue", to: .queue),
            resultQueue: reader.reference("resultQueue", to: .queue),
            workDuration: reader.required("workDuration", .duration(.zero...Duration.seconds(3600))),
            failureRatio: reader.required("failureRatio", .fraction()),
            lease: reader.optional("lease", .duration(.seconds(1)...Duration.seconds(86_400))) ?? .seconds(10))
    }
}
