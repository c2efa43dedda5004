/// The protocol's limits. Source: `protocol/README.md`, "Limits".
package enum WireLimits {
    /// Largest frame before authentication, bytes.
    package static let preAuthenticationFrameBytesMax = 4096
    /// Largest frame a broker may announce, bytes; the announced cap is in HELLO's reply.
    package static let frameBytesMax = 16 * 1024 * 1024
    /// Largest name (queue, topic, principal, pattern, client), bytes of UTF-8.
    package static let nameBytesMax = 255
    /// Largest sentence (a reason, a progress note, an error's message), bytes of UTF-8.
    package static let sentenceBytesMax = 2048
    /// Largest header area of one message record, bytes.
    package static let recordHeaderBytesMax = 32 * 1024
    /// Largest expanded body, bytes: what a compressed record may announce.
    package static let bodyBytesMax = 64 * 1024 * 1024
    /// Most messages in one frame.
    package static let messagesPerFrameMax = 65_536
    /// Most labels in HELLO.
    package static let labelsMax = 32
}
