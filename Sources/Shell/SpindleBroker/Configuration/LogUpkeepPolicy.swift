/// How much of the disk's time goes into keeping the log small and known to be whole.
package struct LogUpkeepPolicy: Sendable {
    /// Sealed segments are read again at this rate, bytes a second; 0: never.
    package var scrubBytesPerSecond: UInt64 = 2 << 20
    /// From the end of one pass over the log to the beginning of the next, milliseconds.
    package var scrubPauseMilliseconds: UInt64 = 3_600_000
    /// How many bytes one read of the scrubbing takes.
    package var scrubBytesPerRead = 256 << 10

    /// Stragglers are moved while the log from the oldest live byte on is larger than this many times the live bytes …
    package var logPerLiveBytesMax: UInt64 = 2
    /// … and so many segments.
    package var slackSegments: UInt64 = 4
    /// What is moved a second at most, bytes; or `movedPerLogged` times what was logged, if that is more.
    package var moveBytesPerSecond: UInt64 = 16 << 20
    /// A pass over the whole log copies what lives and frees the rest, which is at least as much: to keep up it must copy as many
    /// bytes as are logged, and twice as many to catch up.
    package var movedPerLogged: UInt64 = 2
    /// Most bytes and messages in one step.
    package var moveBytesPerStep = 1 << 20
    package var moveMessagesPerStep = 1024

    package init() {}
}
