import SpindleWire
import Testing

/// Limits that must work together.
@Suite struct FlowLimitsTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var limits: FlowLimits
        var says: String?
        var testDescription: String { name }

        init(
            _ name: String, frame: Int = 4 << 20, window: Int = 8 << 20, process: Int = 1 << 30, entry: Int = 20 << 20, says: String? = nil
        ) {
            self.name = name
            limits = FlowLimits(frameBytes: frame, outputWindowBytes: window, processBytes: process, entryBytes: entry)
            self.says = says
        }
    }

    @Test(arguments: [
        Row("the defaults"),
        Row("a frame that is larger than the window", frame: 16 << 20, window: 64 << 10),
        Row("the smallest frame", frame: 128 << 10),
        Row("a frame without room for a message", frame: 64 << 10, says: "allow at least 131072"),
        Row("a frame one byte too small", frame: (128 << 10) - 1, says: "allow at least 131072"),
        Row("the largest frame", frame: 16 << 20),
        Row("a frame that no client takes", frame: (16 << 20) + 1, says: "allow at most 16777216"),
        Row("a frame that the log can't hold", frame: 4 << 20, entry: 4 << 20, says: "segments larger"),
        Row("a window of nothing", window: 0, says: "allow at least 65536"),
        Row("a window that takes half of the process", window: 512 << 20, says: "allow at most 268435456"),
        Row("a frame that takes half of the process", window: 1 << 20, process: 8 << 20, says: "allow at most 2097152"),
    ])
    func limits(row: Row) {
        #expect(row.limits.contradiction?.contains(row.says ?? "nothing") == row.says.map { _ in true })
    }
}
