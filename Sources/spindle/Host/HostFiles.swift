import SpindleCluster

/// What the processes of one host read besides what they make themselves, below the data directory.
struct HostFiles {
    /// Without doubles, sorted.
    let paths: [String]

    init(_ cluster: ClusterConfiguration, host: String) {
        var paths: Set<String> = []
        /// A path of the description; absolute ones are the operator's own matter.
        func add(_ path: String) { if !path.hasPrefix("/") { paths.insert(path) } }
        /// What a client of a broker on another host shows.
        func addClient(_ principal: String) {
            guard !cluster.brokers.contains(where: { $0.host == host }), let tls = cluster.brokers.lazy.compactMap(\.tls).first else { return }
            add(tls.authority)
            let name = cluster.principals.first { $0.name == principal }?.certificateName ?? principal
            add("tls/client-\(name).pem")
            add("tls/client-\(name).key")
        }
        for broker in cluster.brokers where broker.host == host {
            for path in [broker.tls?.authority, broker.tls?.certificate, broker.tls?.key].compactMap(\.self) { add(path) }
        }
        for web in cluster.webs where web.host == host {
            addClient(web.principal)
            for path in [web.tls?.certificate, web.tls?.key].compactMap(\.self) { add(path) }
            // The API knows its callers by their tokens. A broker on the same host makes them.
            guard !cluster.brokers.contains(where: { $0.host == host }) else { continue }
            for principal in cluster.principals where principal.role != .none { add("tokens/\(principal.name)") }
        }
        for group in cluster.workers where group.host == host { addClient(group.principal) }
        if let addin = cluster.addin, addin.host == host { addClient(addin.principal) }
        self.paths = paths.sorted()
    }
}
