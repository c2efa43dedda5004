/// Every operation of the protocol. Numbers are final once published; source: `protocol/README.md`, "Opcodes".
package enum Opcode: UInt16, CaseIterable, Sendable {
    // Connection
    case hello = 0x0001
    case auth = 0x0002
    case ping = 0x0003
    case goingAway = 0x0004
    case quiet = 0x0005

    // Messages
    case publish = 0x0010
    case lease = 0x0011
    case ack = 0x0012
    case nack = 0x0013
    case extend = 0x0014
    case settle = 0x0015
    case await = 0x0016
    case cancelled = 0x0017
    case withdraw = 0x0018

    // Queues
    case declare = 0x0020
    case delete = 0x0021
    case purge = 0x0022
    case pause = 0x0023
    case resume = 0x0024
    case stats = 0x0025
    case browse = 0x0026
    case get = 0x0027
    case cancel = 0x0028
    case reschedule = 0x0029
    case redrive = 0x002A
    case bulk = 0x002B

    // Topics
    case topicPublish = 0x0030
    case topicSubscribe = 0x0031
    case topicUnsubscribe = 0x0032
    case topicCredit = 0x0033
    case topicEvents = 0x0034
    case topicGap = 0x0035
    case topicDeclare = 0x0036
    case topicStats = 0x0037

    // Workers
    case workers = 0x0040
    case workerControl = 0x0041

    // Explanations
    case why = 0x0042

    /// The name used by the specification, the logs and the metrics.
    package var name: String {
        switch self {
        case .hello: "HELLO"
        case .auth: "AUTH"
        case .ping: "PING"
        case .goingAway: "GOING_AWAY"
        case .quiet: "QUIET"
        case .publish: "PUBLISH"
        case .lease: "LEASE"
        case .ack: "ACK"
        case .nack: "NACK"
        case .extend: "EXTEND"
        case .settle: "SETTLE"
        case .await: "AWAIT"
        case .cancelled: "CANCELLED"
        case .withdraw: "WITHDRAW"
        case .declare: "DECLARE"
        case .delete: "DELETE"
        case .purge: "PURGE"
        case .pause: "PAUSE"
        case .resume: "RESUME"
        case .stats: "STATS"
        case .browse: "BROWSE"
        case .get: "GET"
        case .cancel: "CANCEL"
        case .reschedule: "RESCHEDULE"
        case .redrive: "REDRIVE"
        case .bulk: "BULK"
        case .topicPublish: "TOPIC_PUBLISH"
        case .topicSubscribe: "TOPIC_SUBSCRIBE"
        case .topicUnsubscribe: "TOPIC_UNSUBSCRIBE"
        case .topicCredit: "TOPIC_CREDIT"
        case .topicEvents: "TOPIC_EVENTS"
        case .topicGap: "TOPIC_GAP"
        case .topicDeclare: "TOPIC_DECLARE"
        case .topicStats: "TOPIC_STATS"
        case .workers: "WORKERS"
        case .workerControl: "WORKER_CONTROL"
        case .why: "WHY"
        }
    }
}

/// Numbers of operations to come: no other operation takes them, and this version answers them `UNSUPPORTED`. An operation that is built moves to
/// ``Opcode``. Source: `protocol/README.md`, "Reserved numbers".
package enum ReservedOpcode: UInt16, CaseIterable, Sendable {
    case locate = 0x0043

    package var name: String {
        switch self {
        case .locate: "LOCATE"
        }
    }
}
