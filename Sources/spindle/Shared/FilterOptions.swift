public import ArgumentParser
public import SpindleClient

extension MessageID: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument.hasPrefix("0x") ? String(argument.dropFirst(2)) : argument) }
}

/// Which messages of a queue a command means: those that meet every condition that is given.
struct FilterOptions: ParsableArguments {
    enum State: String, ExpressibleByArgument, CaseIterable {
        case ready, leased, delayed

        var state: MessageState {
            switch self {
            case .ready: .ready
            case .leased: .leased
            case .delayed: .delayed
            }
        }
    }

    @Option(help: ArgumentHelp("Only in this state; may be repeated.", valueName: "ready|leased|delayed"))
    var state: [State] = []
    @Option(help: "Only those stored so long ago, or longer.", transform: DurationArgument.parse) var olderThan: DurationArgument?
    @Option(help: "Only those stored so long ago at most.", transform: DurationArgument.parse) var newerThan: DurationArgument?
    @Option(help: ArgumentHelp("Only those delivered so often, or oftener.", valueName: "n")) var attemptsMin: Int?
    @Option(help: ArgumentHelp("Only those delivered so often at most.", valueName: "n")) var attemptsMax: Int?
    @Option(help: "Only those of this group.") var group: String?
    @Option(
        name: .customLong("header"),
        help: ArgumentHelp(
            "Only with this header; taskType, correlationId, contentType and dedupKey are meant by these names. May be repeated.",
            valueName: "name=value"))
    var headers: [HeaderArgument] = []
    @Option(help: ArgumentHelp("Only with this text in one of the headers' values; may be repeated.", valueName: "text"))
    var text: [String] = []
    @Option(help: ArgumentHelp("Only dead letters that came from this queue.", valueName: "queue")) var origin: String?
    @Option(help: ArgumentHelp("Only with this text in the reason of the latest attempt.", valueName: "text")) var reasonContains: String?
    @Option(name: .customLong("id"), help: ArgumentHelp("Only the one with this id; may be repeated.", valueName: "id"))
    var ids: [MessageID] = []

    func validate() throws {
        for (name, value) in [("--attempts-min", attemptsMin), ("--attempts-max", attemptsMax)] {
            if let value, value < 0 { throw ValidationError("\(name) must not be below 0.") }
        }
        if let attemptsMin, let attemptsMax, attemptsMin > attemptsMax {
            throw ValidationError("--attempts-min is above --attempts-max: no message can meet both.")
        }
        if headers.count + text.count > 32 { throw ValidationError("--header and --text may be given 32 times together at most.") }
        for part in headers.flatMap({ [$0.name, $0.value] }) + text + [group, origin].compactMap(\.self) where part.utf8.count > 255 {
            throw ValidationError("“\(part.prefix(40))…” is longer than the 255 bytes that a condition may have.")
        }
    }

    var filter: MessageFilter {
        var filter = MessageFilter()
        filter.states = state.isEmpty ? nil : Set(state.map(\.state))
        filter.olderThan = olderThan?.duration
        filter.newerThan = newerThan?.duration
        filter.attemptsMin = attemptsMin
        filter.attemptsMax = attemptsMax
        filter.group = group
        filter.headers = headers.map { .init(name: $0.name, value: $0.value) }
        filter.headersContaining = text.map { .init(name: "", value: $0) }
        filter.originQueue = origin
        filter.lastReasonContains = reasonContains
        filter.ids = ids.isEmpty ? nil : ids
        return filter
    }
}
