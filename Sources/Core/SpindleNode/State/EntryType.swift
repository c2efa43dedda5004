internal import SpindleWire

/// What the log entries of a node are about: the kind of their first operation, for readers of the log. The operations
/// themselves are in the payload. Source: `docs/decisions/0002-transactions.md`.
package enum EntryType: UInt16, CaseIterable, Sendable {
    case publish = 1
    case grant = 2
    case settle = 3
    case extend = 4
    case expire = 5
    case declare = 6
    case topicPublish = 7
    case pause = 9
    case purge = 10
    case delete = 11
    case cancel = 12
    case reschedule = 13
    case move = 14
    case relocate = 16
    /// A job began or took a step; what the step changed comes before it in the entry.
    case job = 20
    case topicRetention = 25
    case trim = 26

    package var name: String {
        switch self {
        case .publish: "publish"
        case .grant: "grant"
        case .settle: "settle"
        case .extend: "extend"
        case .expire: "expire"
        case .declare: "declare"
        case .topicPublish: "topic-publish"
        case .pause: "pause"
        case .purge: "purge"
        case .delete: "delete"
        case .cancel: "cancel"
        case .reschedule: "reschedule"
        case .move: "move"
        case .relocate: "relocate"
        case .job: "job"
        case .topicRetention: "topic-retention"
        case .trim: "trim"
        }
    }
}

/// Kinds of operation in an entry's payload.
///
/// A payload is `u32 head bytes · u64 time ms · operations · records`: the head says what happens, at one time and all or
/// nothing; the records are what producers sent, verbatim. A record's first address in the log is its message's id.
///
/// *messages* are `u32 count × (u32 group · u64 id)`: the group's number says where the message is; it may be wrong, or
/// `QueueEngine.noGroup`, and then every group is searched.
enum OperationKind: UInt8 {
    /// Messages that one operation names at most: those of one frame.
    static let messagesMax = WireLimits.messagesPerFrameMax

    /// `u32 queue · u64 producer · u64 first sequence · u32 count · u32 records offset · u32 records bytes`
    case publish = 1
    /// `u32 queue · u64 lease ms · string holder · u32 count × u64 id`
    case grant = 2
    /// `u32 count × u64 id`
    case acknowledge = 3
    /// `u64 id · u8 ending · u8 next · u64 until or queue · string reason`
    case end = 4
    /// `u64 lease ms · u32 count × u64 id`
    case extend = 5
    /// `u32 queue · string name · u32 policy bytes · policy tags`
    case declare = 6
    /// `u32 topic · string name`
    case topicDeclare = 7
    /// as `publish`, with a topic
    case topicPublish = 8
    /// `u32 queue · u8 what (1 deliveries, 2 publishes) · string reason`
    case pause = 9
    /// `u32 queue · u8 states (1 ready, 2 delayed)`
    case purge = 10
    /// `u32 queue`
    case delete = 11
    /// `u32 queue · string reason · messages`
    case cancel = 12
    /// `u32 queue · u64 until (0: at once) · messages`
    case reschedule = 13
    /// `u32 queue · u32 target · u8 flags (1: attempts count anew) · messages`
    case move = 14
    /// `u32 queue · u8 next (2 dead, 3 dropped) · u32 target · messages`
    case expire = 15
    /// `u32 queue · u32 group · u64 id · u64 former address · u32 record offset · u32 record bytes`
    case relocate = 16
    /// `u32 queue · u64 lease ms · string holder · messages`
    case grantFromGroups = 17
    /// ``Job/encode(into:)``
    case jobBegin = 20
    /// ``JobTable/Step/encode(into:)``
    case jobStep = 21
    /// `string pattern (empty: the standard) · u64 age ms · u64 bytes · u64 events`
    case topicRetention = 25
    /// `u32 events · u32 results`: as many whose time was over were dropped, in the order in which it was
    case trim = 26
    /// `u64 id · u32 queue · u8 ending (2 acknowledged, 3 dead, 4 cancelled) · u64 expires at · u32 records offset · u32 bytes`: what
    /// became of a message is remembered
    case result = 27
    /// `u64 offset · u32 records offset · u32 bytes`: the record of an event was written anew
    case relocateEvent = 28
    /// `u64 id · u32 records offset · u32 bytes`: the record of a result was written anew
    case relocateResult = 29
    /// `u64 settler · u64 sequence · string principal · u16 groups × u32 records offset`: a SETTLE is remembered, with where each group's
    /// records begin
    case settled = 30
}
