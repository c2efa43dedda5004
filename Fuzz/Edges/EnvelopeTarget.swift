internal import FuzzCore
internal import SpindleWorker

extension FuzzTarget {
    /// The body of a task, as producers in other languages write it.
    static let envelope = FuzzTarget(
        "envelope", inputBytesMax: 4096,
        seeds: { [#"{"taskType":"a","taskId":7,"payload":{"x":[1,2.5,null,true,"y"]}}"#, #"{"taskType":"a","z":1e999}"#, "[[[[", "{}"].map { Array($0.utf8) } }
    ) { input in
        let body = input.withUnsafeBytes { [UInt8]($0) }
        guard let envelope = try? TaskEnvelope(decoding: body) else { return }
        let encoded = envelope.encoded()
        guard let again = try? TaskEnvelope(decoding: encoded) else { throw FuzzFailure("a task that was read can't be read again") }
        try must(again.taskType == envelope.taskType && again.taskId == envelope.taskId, "a task is another one when it is written again")
        try must(again.encoded() == encoded, "a task's bytes change each time it is written")
        _ = envelope.message()
    }
}
