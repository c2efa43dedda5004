import Foundation

/// What happened when, from the start of the demonstration.
struct DemoTimeline {
    struct Step: Encodable {
        /// Since the start.
        let ms: Double
        /// Who: `you` (the demonstration's requests), `updates` or `alerts` (the event streams), `server` (what the API shows).
        let source: String
        let what: String
        let detail: String
    }

    private let started = ContinuousClock.now
    private let isPrinting: Bool
    private(set) var steps: [Step] = []

    init(isPrinting: Bool) { self.isPrinting = isPrinting }

    mutating func add(_ source: String, _ what: String, _ detail: String = "", at time: ContinuousClock.Instant = .now) {
        let step = Step(ms: ((time - started).milliseconds * 10).rounded() / 10, source: source, what: what, detail: detail)
        steps.append(step)
        guard isPrinting else { return }
        let milliseconds = String(format: "%9.1f ms", step.ms)
        Output.line("\(milliseconds)  \(source.padded(to: 7))  \(what.padded(to: 24))  \(detail)")
    }
}
