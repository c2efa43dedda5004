import Foundation
import NIOPosix
import PythonTools
import SpindleObservability
import Synchronization
import Tracing

/// Keeps the spans that a tracer finishes.
final class KeptSpans: SpanSink {
    private let spans = Mutex<[FinishedSpan]>([])
    func ended(_ span: FinishedSpan) { spans.withLock { $0.append(span) } }
    var all: [FinishedSpan] { spans.withLock { $0 } }
}

struct Fault: Error, CustomStringConvertible { var description: String { "no “tool” \\ 공구" } }

/// A task that failed, and the span within it, as a worker makes them. The inner one ends first.
func failedTask(attempt: Int = 2) -> [FinishedSpan] {
    let kept = KeptSpans()
    let tracer = SpanTracer(sinks: [kept])
    var context = ServiceContext.topLevel
    context.correlationID = "order-7"
    let published = tracer.startSpan("publish", context: context, ofKind: .producer, at: DefaultTracerClock.now)
    try? tracer.withSpan("queue.process", context: published.context, ofKind: .consumer) { span in
        span.attributes["messaging.destination.name"] = "esprit-gen"
        span.attributes["attempt"] = attempt
        span.attributes["ratio"] = -0.5
        span.attributes["isLast"] = false
        span.attributes["sizes"] = SpanAttribute.int64Array([1, -1, Int64.max])
        span.addLink(SpanLink(context: published.context, attributes: [:]))
        tracer.withSpan("db.commit") { $0.addEvent("locked") }
        throw Fault()
    }
    return kept.all
}

/// What a foreign decoder, a Python program, makes of the bytes on its standard input.
func decode(_ program: String, _ bytes: [UInt8]) async throws -> [String: Any] {
    let data = try await NIOThreadPool.singleton.runIfActive { try run(program, bytes) }
    guard let object = try JSONSerialization.jsonObject(with: data) as? [String: Any] else {
        throw CocoaError(.coderInvalidValue)
    }
    return object
}

private func run(_ program: String, _ bytes: [UInt8]) throws -> Data {
    let process = Process()
    process.executableURL = try PythonTools.python
    process.arguments = ["-c", program]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try input.fileHandleForWriting.write(contentsOf: bytes)
    try input.fileHandleForWriting.close()
    let data = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.coderInvalidValue) }
    return data
}
