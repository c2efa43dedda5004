import SpindleWorker
import Testing

@Suite struct TaskEnvelopeTests {
    /// C# writes names with capital letters, unless it is told otherwise.
    @Test func namesMayBeginWithACapitalLetter() throws {
        let text = #"{"TaskType":"Pack","TaskId":7,"CorrelationId":"c","SchemaVersion":"2","CreatedAt":"2026-01-31T09:30:00Z","Payload":{"JobId":"j"},"Extra":1}"#
        let envelope = try TaskEnvelope(decoding: Array(text.utf8))
        #expect(envelope.taskType == "Pack" && envelope.taskId == "7" && envelope.correlationId == "c" && envelope.schemaVersion == 2)
        #expect(envelope.createdAt == "2026-01-31T09:30:00Z" && envelope.payload == .object(["JobId": .string("j")]))
        #expect(envelope.other == ["Extra": .int(1)])
    }

    @Test func theExactNameGoesFirst() throws {
        let envelope = try TaskEnvelope(decoding: Array(#"{"taskType":"a","TaskType":"b"}"#.utf8))
        #expect(envelope.taskType == "a" && envelope.other == ["TaskType": .string("b")])
    }
}
