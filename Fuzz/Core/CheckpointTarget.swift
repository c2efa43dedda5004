internal import SpindleNode
internal import SpindleWire

extension FuzzTarget {
    /// A checkpoint's payload. What is taken over must encode to the same bytes, and a node must be able to go on from it.
    static let checkpoint = FuzzTarget("checkpoint", inputBytesMax: 4096) { input in
        var state = NodeState(configuration: NodeShell.configuration)
        guard (try? state.restore(checkpoint: input)) != nil else { return }
        _ = state.oldestLiveAddress
        try StateCheck.survivesCheckpoint(state)
        StateCheck.serves(state)
    }
}
