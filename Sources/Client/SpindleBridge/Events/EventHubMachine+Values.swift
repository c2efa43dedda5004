package import SpindleClient

extension EventHubMachine {
    package struct ClientID: Hashable, Sendable { package let number: Int }
    package struct ReplayID: Hashable, Sendable { package let number: Int }

    /// Where a client wants to go on.
    package enum Resume: Sendable, Hashable {
        /// It is new.
        case now
        case after(TopicCursor)
        /// It sent something that is no cursor.
        case unreadable

        /// - Parameter text: `Last-Event-ID`; nil and empty: none.
        package init(_ text: String?) {
            guard let text, !text.isEmpty else {
                self = .now
                return
            }
            self = TopicCursor(text).map { .after($0) } ?? .unreadable
        }
    }

    /// Why a stream ends.
    package enum End: String, Sendable, Hashable {
        /// By plan; the client comes back.
        case rotation
        /// The client did not take what it was sent.
        case slow
        /// Its history can't be read now.
        case replayFailed
        /// Its right to listen is over.
        case reauthenticate
        /// This process stops.
        case shutdown
        /// The client left.
        case left
    }

    /// A client that wants in.
    package struct Newcomer: Sendable {
        package let caller: String
        /// Of the configuration's.
        package let topics: [String]
        package let framing: EventFraming
        package let resume: Resume
        /// When it should end by plan.
        package let rotateAt: Int64
        package let retryMilliseconds: Int64

        package init(caller: String, topics: [String], framing: EventFraming, resume: Resume, rotateAt: Int64, retryMilliseconds: Int64) {
            self.caller = caller
            self.topics = topics
            self.framing = framing
            self.resume = resume
            self.rotateAt = rotateAt
            self.retryMilliseconds = retryMilliseconds
        }
    }

    /// What a client's task does next.
    package enum Step: Sendable, Equatable {
        case write([UInt8])
        /// Until it is woken.
        case wait
        /// See whether the caller may still listen; if not, call ``leave(_:_:)``.
        case recheck
        /// Write `farewell`, then end the response.
        case end(End, farewell: [UInt8])
    }

    /// What a replay's task does next.
    package enum ReplayStep: Sendable, Equatable {
        case read
        case wait
        case stop
    }

    package enum Effect: Sendable, Hashable {
        case wake(ClientID)
        /// Close its connection, even if a write is under way.
        case cut(ClientID)
        case startReplay(ReplayID, from: TopicCursor)
        case stopReplay(ReplayID)
        case wakeReplay(ReplayID)
    }

    package enum Connected: Sendable, Equatable {
        case client(ClientID, [Effect])
        /// ``EventBridgeConfiguration/clientsMax`` are here.
        case full
        /// ``EventBridgeConfiguration/clientsPerCallerMax`` of this caller are here.
        case callerFull
        case stopping
    }

    struct Client {
        enum Place: Hashable {
            /// The broker hasn't told yet where its log ends.
            case starting(Resume)
            /// Sent is all up to `after` of the ring.
            case live(after: UInt64)
            /// Sent is all up to `after` of the replay's own ring.
            case replaying(ReplayID, after: UInt64)
        }

        let caller: String
        /// The topics it hears.
        let mask: UInt64
        let framing: EventFraming
        var place: Place
        /// Frames that go out before anything else.
        var notices: [UInt8]
        /// And behind them the last gap that it was not told of: one says as much as many.
        var gap: [UInt8] = []
        /// Its task is writing since then.
        var writingSince: Int64?
        /// Gathered for it since that write began.
        var backlogBytes = 0
        var heartbeatAt: Int64
        var recheckAt: Int64
        let rotateAt: Int64
        var end: End?

        var isWriting: Bool { writingSince != nil }
    }

    /// History that is read for clients whose cursor is older than the ring.
    struct Replay {
        var ring: EventRing
        /// From here on the hub's ring has everything; or, with a cursor ahead of the hub, that cursor.
        var until: UInt64
        /// The clients' cursor lay ahead of the hub: the broker must say whether it is real.
        let isAhead: Bool
        var events = 0
        var isComplete = false
        var followers: Set<ClientID> = []

        /// Whether a client at `offset` can follow it, and then the hub's ring.
        func canServe(_ offset: UInt64, ringFloor: UInt64) -> Bool {
            !isAhead && ring.floor <= offset && offset <= until && until >= ringFloor
        }
    }
}
