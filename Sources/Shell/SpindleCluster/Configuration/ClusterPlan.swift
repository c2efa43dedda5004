/// Which processes of a cluster belong on one host, in the order in which they start.
package struct ClusterPlan: Sendable, Equatable {
    package enum Role: Sendable, Equatable {
        case broker(BrokerConfiguration)
        case web(WebConfiguration)
        /// One process of a group, counted from 1.
        case worker(WorkerGroupConfiguration, number: Int)
        case addin(AddinConfiguration)
    }

    package struct Process: Sendable, Equatable {
        /// Unique on the host: the broker's name, the web server's name, `GROUP-1` …, `addin`.
        package var name: String
        package var role: Role
        /// Brokers 0, web servers 1, workers 2, add-in 3.
        package var tier: Int
        package var ports: [Int]
    }

    package var processes: [Process]

    /// - Parameter host: a host of the file. Nil: all of them, for a cluster on one machine.
    package init(_ configuration: ClusterConfiguration, host: String?) {
        func isHere(_ name: String) -> Bool { host == nil || host == name }
        processes = []
        for broker in configuration.brokers where isHere(broker.host) {
            let ports = [broker.ports.plain, broker.ports.tls, broker.ports.operations].compactMap(\.self)
            processes.append(Process(name: broker.name, role: .broker(broker), tier: 0, ports: ports))
        }
        for web in configuration.webs where isHere(web.host) {
            processes.append(Process(name: web.name, role: .web(web), tier: 1, ports: [web.port, web.redirectPort].compactMap(\.self)))
        }
        for group in configuration.workers where isHere(group.host) {
            for number in 1...group.processes {
                processes.append(Process(name: "\(group.name)-\(number)", role: .worker(group, number: number), tier: 2, ports: []))
            }
        }
        if let addin = configuration.addin, addin.enabled, isHere(addin.host) {
            processes.append(Process(name: "addin", role: .addin(addin), tier: 3, ports: []))
        }
    }
}
