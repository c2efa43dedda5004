internal import SpindleWire

/// Whoever holds leases that a CANCELLED push may name. Called on the link's event loop.
protocol LeaseHolder: AnyObject {
    /// Tokens that it does not hold are no concern of it.
    func cancelled(_ tokens: [DeliveryToken])
}

/// The lease holders of one link; they are held weakly.
struct LeaseHolders {
    private struct Weak {
        weak var holder: (any LeaseHolder)?
    }

    private var holders: [Weak] = []

    mutating func add(_ holder: any LeaseHolder) {
        holders.removeAll { $0.holder == nil || $0.holder === holder }
        holders.append(Weak(holder: holder))
    }

    func cancelled(_ notice: CancelledNotice) {
        let tokens = notice.tokens.map { DeliveryToken($0) }
        for weak in holders { weak.holder?.cancelled(tokens) }
    }
}
