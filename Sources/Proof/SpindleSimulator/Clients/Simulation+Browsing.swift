internal import SpindleNode
internal import SpindleWire

// The administrator looks at messages: BROWSE and GET, which change nothing.
extension Simulation {
    func look(_ queue: Int) {
        if random.chance(1, in: 4) { get(queue) } else { browse(queue) }
    }

    private func browse(_ queue: Int) {
        let isDead = random.chance(1, in: 4)
        var filter = MessageFilter()
        var (group, key): (UInt8?, UInt16?)
        switch random.below(6) {
        case 0:
            group = UInt8(1 + random.below(4))
            filter.group = group.map(groupText)
        case 1:
            key = UInt16(1 + random.below(Int(Oracle.keyMax)))
            filter.headersEqual = key.map { [.init(name: "dedupKey", text: keyText($0))] } ?? []
        case _: break
        }
        let after = random.chance(1, in: 3) ? someMessages(queue).first.map { oracle.messages[$0].id } ?? 0 : 0
        let max = random.chance(1, in: 3) ? UInt32(1 + random.below(4)) : 1_000
        let parts: BrowseParts = random.chance(1, in: 2) ? .records : .histories
        note("\(name(queue, isDead)) is browsed behind \(after)\(group.map { ", group \($0)" } ?? "")\(key.map { ", key \($0)" } ?? "")")
        let sight = oracle.sight(of: queue, isDead: isDead, after: after, now: now) { model in
            (group ?? model.group) == model.group && (key ?? model.key) == model.key
        }
        send(administrator, .browse, .browse(isDead: isDead, sight)) {
            BrowseRequest(queue: name(queue, isDead), after: after, messagesMax: max, bytesMax: 60_000, parts: parts, filter: filter).encode(into: &$0)
        }
    }

    private func get(_ queue: Int) {
        guard let tag = someMessages(queue).first else { return }
        let isDead = random.chance(1, in: 5)
        let id = oracle.messages[tag].id
        note("message \(tag) of \(name(queue, isDead)) is looked at")
        let sight = oracle.sight(of: queue, isDead: isDead, after: id - 1, now: now) { $0.id == id }
        send(administrator, .get, .browse(isDead: isDead, sight)) {
            GetRequest(queue: name(queue, isDead), id: id, parts: .records).encode(into: &$0)
        }
    }

    func looked(_ isDead: Bool, _ sight: Sight, _ correlation: UInt32, _ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let head = try BrowseReplyHead(&reader)
        note("answer \(correlation): \(head.items.count) messages, then from \(head.next)")
        for item in head.items where item.recordByteCount > 0 {
            let record = try reader.span(Int(item.recordByteCount), "record")
            guard let (tag, crc) = Self.tag(of: record), CRC32C.extend(with: record.extracting(8..<record.byteCount)) == crc else {
                oracle.fail(10, "message \(item.id) is shown damaged")
                continue
            }
            if !oracle.messages.indices.contains(tag) || (oracle.messages[tag].id != 0 && oracle.messages[tag].id != item.id) {
                oracle.fail(10, "message \(item.id) is shown with the record of message \(tag)")
            }
        }
        oracle.looked(sight, isDead: isDead, head.items, next: head.next, now: now)
    }
}
