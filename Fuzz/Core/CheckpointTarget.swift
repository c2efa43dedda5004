internal import SpindleNode
internal import SpindleSimulator
internal import SpindleWire

extension FuzzTarget {
    /// A checkpoint's payload. What is taken over must encode to the same bytes, and a node must be able to go on from it.
    static let checkpoint = FuzzTarget("checkpoint", inputBytesMax: 8192, seeds: samples) { input in
        var state = NodeState(configuration: NodeShell.configuration)
        guard (try? state.restore(checkpoint: input)) != nil else { return }
        _ = state.oldestLiveAddress
        try StateCheck.survivesCheckpoint(state)
        StateCheck.serves(state)
    }

    /// States that scripts of the session target lead to.
    private static func samples() -> [[UInt8]] {
        var random = SeededGenerator(seed: 1)
        return (0..<24).map { index in
            let script = SessionScript(FuzzBytes((0..<(40 * index)).map { _ in UInt8.random(in: 0...255, using: &random) }.span.bytes))
            try? script.run()
            return NodeShell.encoded(script.shell.node.state)
        }
    }
}
