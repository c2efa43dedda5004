/// Limits of a broker that must work together, and the one rule that says whether they do: a broker's start and the check of a
/// cluster's description both ask it. Bytes.
package struct FlowLimits: Equatable, Sendable {
    /// Smallest frame cap: half of it is for what goes with a record.
    package static let frameBytesMin = 2 * WireLimits.recordOverheadBytesMax
    /// Smallest output window.
    package static let outputWindowBytesMin = 64 << 10
    /// A frame and a window take at most this part of what a broker's process may hold for all connections.
    package static let processDivisor = 4

    /// What a broker's process may hold for all connections, unless it is told otherwise.
    package static let processBytesDefault = 1 << 30

    /// Largest frame after authentication.
    package var frameBytes: Int
    /// Output that may wait for one connection.
    package var outputWindowBytes: Int
    /// Input and output that the process holds for all connections.
    package var processBytes: Int
    /// The largest entry of the log.
    package var entryBytes: Int

    package init(frameBytes: Int, outputWindowBytes: Int, processBytes: Int, entryBytes: Int) {
        self.frameBytes = frameBytes
        self.outputWindowBytes = outputWindowBytes
        self.processBytes = processBytes
        self.entryBytes = entryBytes
    }

    /// What is wrong with the limits, in a sentence that says what to do; nil where they work together.
    package var contradiction: String? {
        if frameBytes < Self.frameBytesMin {
            return "frames of \(frameBytes) bytes are too small: a message travels with up to \(WireLimits.recordOverheadBytesMax) bytes "
                + "beside it; allow at least \(Self.frameBytesMin)"
        }
        if frameBytes > WireLimits.frameBytesMax {
            return "frames of \(frameBytes) bytes are larger than the protocol allows; allow at most \(WireLimits.frameBytesMax)"
        }
        // What one frame asks for is one entry of the log, and a little more than the frame.
        let logged = entryBytes / 5 * 4
        if frameBytes > logged {
            return "frames of \(frameBytes) bytes do not fit the log, which takes \(logged) at once; make frames smaller or segments larger"
        }
        if outputWindowBytes < Self.outputWindowBytesMin {
            return "an output buffer of \(outputWindowBytes) bytes for a connection is too small; allow at least \(Self.outputWindowBytesMin)"
        }
        let share = processBytes / Self.processDivisor
        if outputWindowBytes > share {
            return "an output buffer of \(outputWindowBytes) bytes for a connection is more than a quarter of the \(processBytes) that all "
                + "connections may hold; allow at most \(share)"
        }
        if frameBytes > share {
            return "frames of \(frameBytes) bytes are more than a quarter of the \(processBytes) bytes that all connections may hold; allow at "
                + "most \(share)"
        }
        return nil
    }
}
