internal import SpindleWire

// What holders tell of their work with EXTEND, for operators to see.
extension Node {
    struct Progress: Sendable {
        /// Most messages of which something is kept; of others nothing is shown.
        static let messagesMax = 16_384
        /// The lease that it was told with.
        var epoch: UInt32
        /// ``ExtendRequest/Item/noPercent`` for none.
        var percent: UInt8
        var note: String
    }

    /// What an EXTEND that was accepted tells replaces what was there.
    mutating func note(_ item: ExtendRequest.Item) {
        let id = item.token.messageID
        if item.percent == ExtendRequest.Item.noPercent, item.note.isEmpty { return forgetProgress(id) }
        guard progress.count < Progress.messagesMax || progress[id] != nil else { return }
        progress[id] = Progress(epoch: item.token.epoch, percent: item.percent, note: item.note)
    }

    /// The lease of the message is over.
    mutating func forgetProgress(_ id: UInt64) {
        if !progress.isEmpty { progress[id] = nil }
    }
}
