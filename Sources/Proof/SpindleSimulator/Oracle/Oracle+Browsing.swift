internal import SpindleWire

// What one who only looks must see.
extension Oracle {
    /// What is certain now of the messages behind `after` that are asked for.
    func sight(of queue: Int, isDead: Bool, after: UInt64, now: UInt64, _ isMeant: (MessageModel) -> Bool) -> Sight {
        var sight = Sight(after: after)
        for tag in messages.indices where Int(messages[tag].queue) == queue && messages[tag].id > after && isMeant(messages[tag]) {
            let model = messages[tag]
            if model.fate == .gone {
                sight.gone.insert(model.id)
            } else if !model.mayBeRedriven, isSurelyAt(tag, isDead: isDead, at: now) {
                sight.sure.append(.init(tag: tag, epoch: model.epoch, attempts: model.attemptsLow))
            }
        }
        return sight
    }

    /// What was shown. `next`: messages up to this id were looked at; 0: all.
    mutating func looked(_ sight: Sight, isDead: Bool, _ items: [BrowseReplyHead.Item], next: UInt64, now: UInt64) {
        checks += 1
        var shown: [UInt64: BrowseReplyHead.Item] = [:]
        var last = sight.after
        for item in items {
            if item.id <= last { fail(8, "message \(item.id) is shown behind message \(last)") }
            if sight.gone.contains(item.id) { fail(3, "message \(item.id) is shown, and it was gone") }
            last = item.id
            shown[item.id] = item
        }
        for sure in sight.sure where next == 0 || messages[sure.tag].id <= next {
            // Nothing happened to it meanwhile either.
            let model = messages[sure.tag]
            guard model.epoch == sure.epoch, !model.mayBeRedriven, isSurelyAt(sure.tag, isDead: isDead, at: now) else { continue }
            guard let item = shown[model.id] else {
                fail(1, "\(name(sure.tag)) is not shown to one who looks, and nothing took it away")
                continue
            }
            if item.attempts < min(sure.attempts, model.attemptsLow) {
                fail(5, "\(name(sure.tag)) is shown with \(item.attempts) attempts, after \(sure.attempts)")
            }
        }
    }
}
