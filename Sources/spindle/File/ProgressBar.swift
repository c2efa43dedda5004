import Foundation
import Synchronization

/// A line on standard error that tells how far something is: only where a person looks.
final class ProgressBar: Sendable {
    private struct State {
        var phase = ""
        var bytes: Int64 = 0
        var done: Int64 = 0
        var began = ContinuousClock.now
        var shown: ContinuousClock.Instant?
        var isOpen = false
    }

    private static let interval = Duration.milliseconds(100)
    private static let cells = 24

    private let name: String
    private let state = Mutex(State())

    /// Nil where nobody looks.
    init?(_ name: String) {
        guard isatty(STDERR_FILENO) == 1 else { return nil }
        self.name = name
    }

    func begin(_ phase: String, bytes: Int64) {
        state.withLock { $0 = State(phase: phase, bytes: bytes, isOpen: $0.isOpen) }
        draw(force: true)
    }

    func advance(_ bytes: Int64) {
        state.withLock { $0.done += bytes }
        draw(force: false)
    }

    func say(_ text: String) {
        state.withLock { $0.phase = text }
        draw(force: false)
    }

    func end() {
        let wasOpen = state.withLock { state in
            defer { state.isOpen = false }
            return state.isOpen
        }
        if wasOpen { write("\r\u{1B}[K") }
    }

    private func draw(force: Bool) {
        let line = state.withLock { state -> String? in
            if let shown = state.shown, !force, shown.duration(to: .now) < Self.interval { return nil }
            state.shown = .now
            state.isOpen = true
            return Self.line(name, state)
        }
        if let line { write("\r\(line)\u{1B}[K") }
    }

    private static func line(_ name: String, _ state: State) -> String {
        guard state.bytes > 0 else { return "\(name)  \(state.phase)" }
        let share = Double(state.done) / Double(state.bytes)
        let full = Int(share * Double(cells))
        let seconds = state.began.duration(to: .now) / .seconds(1)
        let rate = seconds > 0 ? Double(state.done) / seconds : 0
        let left = rate > 0 ? Double(state.bytes - state.done) / rate : 0
        let bar = String(repeating: "█", count: full) + String(repeating: "░", count: cells - full)
        return "\(name)  \(state.phase)  \(bar) \(Int(share * 100)) %  \(size(rate))/s  \(time(left)) left"
    }

    private static func size(_ bytes: Double) -> String {
        bytes >= 1_073_741_824 ? String(format: "%.1f GiB", bytes / 1_073_741_824) : String(format: "%.0f MiB", bytes / 1_048_576)
    }

    private static func time(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded(.up))
        return whole >= 3_600 ? "\(whole / 3_600) h \(whole % 3_600 / 60) min" : whole >= 60 ? "\(whole / 60) min \(whole % 60) s" : "\(whole) s"
    }

    private func write(_ text: String) { FileHandle.standardError.write(Data(text.utf8)) }
}
