internal import SpindleWire

/// What was asked of the queues between which jobs move messages.
enum BulkAsk {
    case declare
    case publish(tags: Range<Int>, isStrangers: Bool)
    case lease(BulkModel.Place, isStrangers: Bool)
    case acknowledge([BulkToken])
    case negativeAcknowledge([BulkToken])
    case begin(BulkModel.Job)
    case look(UInt64)
    case browse(BulkModel.Place)
    /// What the stranger may not do: nothing may come of it.
    case trespass(String)
    /// Tokens of others.
    case theft(count: Int)
}

struct BulkToken {
    var tag: Int
    var token: DeliveryToken
    var place: BulkModel.Place
}

/// The operator and the stranger.
struct BulkClients {
    var model = BulkModel()
    var operatorsTokens: [BulkToken] = []
    var strangersTokens: [BulkToken] = []
    /// Places that are still to be looked at.
    var unseen: [BulkModel.Place] = []
    var isShown = true
}
