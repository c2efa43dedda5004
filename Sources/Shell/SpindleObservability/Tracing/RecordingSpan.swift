internal import Synchronization
package import Tracing

/// A span of ``SpanTracer``. It may be used from any thread; whatever follows its end is ignored.
package final class RecordingSpan: Tracing.Span {
    private struct State {
        var name: String
        var attributes: SpanAttributes = [:]
        var events: [FinishedSpan.Event] = []
        var links: [TraceContext] = []
        var errors: [FinishedSpan.Failure] = []
        var status: SpanStatus?
        var hasEnded = false
    }

    package let context: ServiceContext
    private let identity: TraceContext
    private let parent: TraceContext?
    private let kind: SpanKind
    private let startNanoseconds: UInt64
    private let sinks: [any SpanSink]
    private let state: Mutex<State>

    init(
        name: String, context: ServiceContext, identity: TraceContext, parent: TraceContext?, kind: SpanKind,
        startNanoseconds: UInt64,
        sinks: [any SpanSink]
    ) {
        self.context = context
        self.identity = identity
        self.parent = parent
        self.kind = kind
        self.startNanoseconds = startNanoseconds
        self.sinks = sinks
        state = Mutex(State(name: name))
    }

    package var operationName: String {
        get { state.withLock { $0.name } }
        set { update { $0.name = newValue } }
    }

    package var attributes: SpanAttributes {
        get { state.withLock { $0.attributes } }
        set { update { $0.attributes = newValue } }
    }

    package var isRecording: Bool { state.withLock { !$0.hasEnded } }

    package func setStatus(_ status: SpanStatus) {
        update { $0.status = status }
    }

    package func addEvent(_ event: SpanEvent) {
        let kept = FinishedSpan.Event(
            name: event.name, atNanoseconds: event.nanosecondsSinceEpoch, attributes: event.attributes)
        update { if $0.events.count < FinishedSpan.itemsMax { $0.events.append(kept) } }
    }

    package func addLink(_ link: SpanLink) {
        guard let linked = link.context.traceContext else { return }
        update { if $0.links.count < FinishedSpan.itemsMax { $0.links.append(linked) } }
    }

    package func recordError<Instant: TracerInstant>(
        _ error: any Error, attributes: SpanAttributes, at instant: @autoclosure () -> Instant
    ) {
        let failure = FinishedSpan.Failure(
            text: "\(error)", type: "\(type(of: error))", atNanoseconds: instant().nanosecondsSinceEpoch)
        update { if $0.errors.count < FinishedSpan.itemsMax { $0.errors.append(failure) } }
    }

    package func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        let last = state.withLock { state -> State? in
            guard !state.hasEnded else { return nil }
            state.hasEnded = true
            return state
        }
        guard let last, identity.isSampled else { return }
        let finished = FinishedSpan(
            name: last.name, context: context, identity: identity, parent: parent, kind: kind,
            startNanoseconds: startNanoseconds,
            endNanoseconds: max(instant().nanosecondsSinceEpoch, startNanoseconds), attributes: last.attributes,
            notes: .init(events: last.events, links: last.links, errors: last.errors), status: last.status)
        for sink in sinks { sink.ended(finished) }
    }

    private func update(_ change: (inout State) -> Void) {
        state.withLock { if !$0.hasEnded { change(&$0) } }
    }
}
