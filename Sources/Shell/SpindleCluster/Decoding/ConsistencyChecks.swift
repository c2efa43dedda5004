import SpindleText

/// What must hold between the parts of a file that are each right by themselves.
struct ConsistencyChecks {
    let configuration: ClusterConfiguration
    /// Where the top-level lists stand, to point at.
    let place: (_ key: String, _ index: Int?, _ field: String?) -> Location
    let diagnostics: Diagnostics

    func run() {
        checkPorts()
        checkPermissions()
        checkCertificateNames()
    }

    /// No two listeners of one host on one port.
    private func checkPorts() {
        var taken: [(host: String, port: Int, owner: String)] = []
        func take(_ port: Int?, _ host: String, _ owner: String, _ location: Location) {
            guard let port else { return }
            if let first = taken.first(where: { $0.host == host && $0.port == port }) {
                diagnostics.report("found port \(port) for \(owner), but \(first.owner) has it on the same host", at: location)
            }
            taken.append((host, port, owner))
        }
        for (index, broker) in configuration.brokers.enumerated() {
            let location = place("brokers", index, nil)
            take(broker.ports.plain, broker.host, "\(broker.name)'s plaintext", location)
            take(broker.ports.tls, broker.host, "\(broker.name)'s TLS", location)
            take(broker.ports.operations, broker.host, "\(broker.name)'s operations", location)
        }
        if let web = configuration.web { take(web.port, web.host, "the web server", place("web", nil, "port")) }
    }

    /// Workers and the add-in may lease what they are told to lease, and answer where they are told to.
    private func checkPermissions() {
        for (index, group) in configuration.workers.enumerated() {
            for queue in group.queues {
                check(group.principal, "lease", \.lease, queue, at: place("workers", index, "principal"))
            }
        }
        if let addin = configuration.addin {
            check(addin.principal, "lease", \.lease, addin.queue, at: place("addin", nil, "principal"))
            check(addin.principal, "publish", \.publish, addin.resultQueue, at: place("addin", nil, "principal"))
        }
    }

    private func check(
        _ name: String, _ verb: String, _ permission: KeyPath<PermissionConfiguration, [NamePattern]>, _ queue: String, at location: Location
    ) {
        // An unknown principal or queue was reported as such.
        guard let principal = configuration.principals.first(where: { $0.name == name }),
            configuration.queues.contains(where: { $0.name == queue }),
            !principal.permissions[keyPath: permission].contains(where: { $0.matches(queue) })
        else { return }
        diagnostics.report(
            "found the principal \"\(name)\", which may not \(verb) \"\(queue)\"; add it to that principal's permissions.\(verb)", at: location)
    }

    /// One certificate, one principal.
    private func checkCertificateNames() {
        var seen: [String] = []
        for (index, principal) in configuration.principals.enumerated() {
            guard let name = principal.certificateName else { continue }
            if seen.contains(name) {
                diagnostics.report("found the certificate name \"\(name)\" a second time", at: place("principals", index, "certificateName"))
            }
            seen.append(name)
        }
    }
}
