import SpindleText

/// What must hold between the parts of a file that are each right by themselves.
struct ConsistencyChecks {
    let configuration: ClusterConfiguration
    /// Where the top-level lists stand, to point at.
    let place: (_ key: String, _ index: Int?, _ field: String?) -> Location
    let diagnostics: Diagnostics

    func run() {
        checkPorts()
        checkBrokersPerHost()
        checkProcessNames()
        checkPermissions()
        checkFolders()
        checkCertificateNames()
        checkFlow()
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
        for (index, web) in configuration.webs.enumerated() {
            take(web.port, web.host, "the web server \"\(web.name)\"", place("webs", index, "port"))
            take(web.redirectPort, web.host, "the web server \"\(web.name)\" in the clear", place("webs", index, "redirectPort"))
        }
    }

    /// The log of a broker is in the data directory of its host, which holds one.
    private func checkBrokersPerHost() {
        for (index, broker) in configuration.brokers.enumerated() {
            guard let first = configuration.brokers[..<index].first(where: { $0.host == broker.host }) else { continue }
            diagnostics.report(
                "found the host \"\(broker.host)\", expected another one: its data directory holds one broker's log, that of \"\(first.name)\"",
                at: place("brokers", index, "host"))
        }
    }

    /// The name of a process is that of its log file, and how it finds its part of the description.
    private func checkProcessNames() {
        let plan = ClusterPlan(configuration, host: nil)
        for (index, process) in plan.processes.enumerated() where plan.processes[..<index].contains(where: { $0.name == process.name }) {
            diagnostics.report("found a second process called \"\(process.name)\", expected another name", at: place(of: process.role))
        }
    }

    private func place(of role: ClusterPlan.Role) -> Location {
        switch role {
        case .broker(let broker): place("brokers", configuration.brokers.firstIndex(of: broker), "name")
        case .web(let web): place("webs", configuration.webs.firstIndex(of: web), "name")
        case .worker(let group, _): place("workers", configuration.workers.firstIndex(of: group), "name")
        case .addin: place("addin", nil, nil)
        }
    }

    /// Web servers and workers open the database; they and the simulated add-in open the folders of the files.
    private func checkFolders() {
        let openers =
            configuration.webs.enumerated().map { (key: "webs", index: Int?($0), host: $1.host) }
            + configuration.workers.enumerated().map { (key: "workers", index: Int?($0), host: $1.host) }
        let addin = configuration.addin.map { [(key: "addin", index: Int?.none, host: $0.host)] } ?? []
        if configuration.domain == nil, let first = openers.first {
            diagnostics.report("found \"\(first.key)\" without the top-level \"domain\", expected it with the database that they open", at: place(first.key, nil, nil))
        }
        if configuration.files == nil, let first = (openers + addin).first {
            diagnostics.report("found \"\(first.key)\" without the top-level \"files\", expected it with the share that they open", at: place(first.key, nil, nil))
        }
        if let database = configuration.domain?.database, let first = openers.first {
            for opener in openers where opener.host != first.host {
                diagnostics.report(
                    "found the host \"\(opener.host)\", expected \"\(first.host)\" as in \(first.key): the database \(database) is a file, which one host can open",
                    at: place(opener.key, opener.index, "host"))
            }
        }
        if let files = configuration.files {
            for opener in openers + (configuration.addin?.enabled == true ? addin : []) where !files.hosts.contains(opener.host) {
                diagnostics.report(
                    "found the host \"\(opener.host)\", which does not see the files; expected one of files.hosts: \(files.hosts.joined(separator: ", "))",
                    at: place(opener.key, opener.index, "host"))
            }
        }
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
