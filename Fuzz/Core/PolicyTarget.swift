internal import SpindleNode
internal import SpindleSimulator
internal import SpindleWire

extension FuzzTarget {
    /// Policy tags of DECLARE. What is taken must survive encoding, a checkpoint, and being declared again.
    static let policy = FuzzTarget("policy", inputBytesMax: 512) { input in
        guard let fields = try? QueuePolicyFields(input) else { return }
        var writer = WireWriter()
        fields.encode(into: &writer)
        guard let again = try? QueuePolicyFields(writer.span) else { throw FuzzFailure("policy tags that were taken are refused when encoded again") }
        try must(again == fields, "policy tags mean something else when encoded again")

        let shell = NodeShell()
        guard (try? shell.node.declareFromConfiguration(queue: "p", policy: fields, now: shell.now)) != nil else { return }
        let outcome = try? shell.node.declareFromConfiguration(queue: "p", policy: fields, now: shell.now)
        try must(outcome == .unchanged, "the same policy declared twice is \(String(describing: outcome))")
        shell.settle()
        try StateCheck.survivesCheckpoint(shell.node.state)
        let recovered = try NodeShell(recovering: shell.storage.disk, now: shell.now)
        try must(NodeShell.encoded(recovered.node.state) == NodeShell.encoded(shell.node.state), "a policy is another one after a restart")
    }
}
