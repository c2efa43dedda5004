internal import SpindleWire

/// The id that the broker gave a stored message: its address in the log. Written in hexadecimal.
public struct MessageID: Sendable, Hashable, Comparable, LosslessStringConvertible {
    public let rawValue: UInt64

    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// Reads what ``description`` writes; nil for anything else.
    public init?(_ description: String) {
        guard let value = UInt64(description, radix: 16) else { return nil }
        rawValue = value
    }

    public var description: String { String(rawValue, radix: 16) }

    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// What settles a delivery: the message, and which lease of it. A token of an older lease is answered ``SettleOutcome/leaseLost``.
/// Its text form is `hexid.epoch`.
public struct DeliveryToken: Sendable, Hashable, LosslessStringConvertible {
    public let messageID: MessageID
    /// Counts the leases of the message; only rises.
    public let epoch: UInt32

    public init(messageID: MessageID, epoch: UInt32) {
        self.messageID = messageID
        self.epoch = epoch
    }

    /// Reads what ``description`` writes; nil for anything else.
    public init?(_ description: String) {
        let parts = description.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let id = MessageID(String(parts[0])), let epoch = UInt32(parts[1]) else { return nil }
        self.init(messageID: id, epoch: epoch)
    }

    public var description: String { "\(messageID).\(epoch)" }

    var wire: SpindleWire.DeliveryToken { .init(messageID: messageID.rawValue, epoch: epoch) }

    init(_ wire: SpindleWire.DeliveryToken) {
        self.init(messageID: MessageID(rawValue: wire.messageID), epoch: wire.epoch)
    }
}

/// A place in the history of all topics. `epoch` names the log, `offset` the event's address in it. Its text form is
/// `epoch:offset`, both in hexadecimal.
public struct TopicCursor: Sendable, Hashable, LosslessStringConvertible {
    public let epoch: UInt64
    public let offset: UInt64

    public init(epoch: UInt64, offset: UInt64) {
        self.epoch = epoch
        self.offset = offset
    }

    /// Reads what ``description`` writes; nil for anything else.
    public init?(_ description: String) {
        guard let wire = SpindleWire.TopicCursor(description) else { return nil }
        self.init(wire)
    }

    public var description: String { wire.description }

    var wire: SpindleWire.TopicCursor { .init(epoch: epoch, offset: offset) }

    init(_ wire: SpindleWire.TopicCursor) { self.init(epoch: wire.epoch, offset: wire.offset) }
}
