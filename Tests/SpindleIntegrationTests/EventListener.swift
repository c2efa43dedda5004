import Foundation

/// Listens to an event stream as a browser does: where it ends, it connects again with the last id that came.
actor EventListener {
    private let url: String
    private let options: [String]
    private var streams: [Curl.Stream]

    init(_ url: String, _ options: [String]) throws {
        self.url = url
        self.options = options
        streams = [try Curl.Stream(url, options)]
    }

    /// How often an event came, each id counted once. Looks after the connection too.
    func count(of event: String) throws -> Int {
        let events = streams.flatMap(\.events)
        if let latest = streams.last, !latest.isOpen {
            let place = events.last.map { "?lastEventId=\($0.id)" } ?? ""
            streams.append(try Curl.Stream(url + place, options))
        }
        return Set(events.filter { $0.name == event }.map(\.id)).count
    }

    var connections: Int { streams.count }
}
