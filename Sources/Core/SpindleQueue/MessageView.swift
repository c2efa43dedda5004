/// A message as it is looked at: packed or held, in any state.
package struct MessageView: Equatable, Sendable {
    package var id: UInt64
    /// Where the record lies in the log.
    package var address: UInt64
    package var byteCount: UInt32
    package var queue: UInt32
    /// Number of its group in that queue: makes it quick to find again.
    package var group: UInt32
    package var storedAt: UInt64
    package var priority: UInt8
    package var epoch: UInt32
    package var attempts: UInt32
    package var state: HeldMessage.State
    package var isCancelled: Bool

    var isLeased: Bool {
        if case .leased = state { return true }
        return false
    }

    package init(_ message: HeldMessage) {
        id = message.id
        address = message.address
        byteCount = message.byteCount
        queue = message.queue
        group = message.group
        storedAt = message.storedAt
        priority = message.priority
        epoch = message.epoch
        attempts = message.attempts
        state = message.state
        isCancelled = message.isCancelled
    }

    init(_ message: PackedMessages.Message, queue: UInt32, group: UInt32, priority: UInt8) {
        id = message.id
        address = message.address
        byteCount = message.byteCount
        self.queue = queue
        self.group = group
        storedAt = message.storedAt
        self.priority = priority
        epoch = 0
        attempts = 0
        state = .ready
        isCancelled = false
    }
}
