/// What the kernel tells of a TCP connection, as far as it is read: `struct tcp_info` of Linux. A kernel that knows fewer fields leaves
/// the rest zero.
struct TCPInfo: Sendable {
    /// `TCP_INFO` of `getsockopt`.
    static let option: CInt = 11

    /// Eight fields of a byte and four of four bytes.
    private var fields: (UInt64, UInt64, UInt64) = (0, 0, 0)
    /// `tcpi_unacked`, segments, at byte 24, and `tcpi_sacked`.
    private var unacknowledgedSegments: UInt32 = 0
    private var selectivelyAcknowledgedSegments: UInt32 = 0
    private var moreFields: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0)
    private var stillMoreFields: (UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0)
    /// `tcpi_bytes_acked`, at byte 120.
    private(set) var acknowledgedBytes: UInt64 = 0
    /// `tcpi_bytes_received`, `tcpi_segs_out` and `tcpi_segs_in`.
    private var received: (UInt64, UInt64) = (0, 0)
    /// `tcpi_notsent_bytes`, at byte 144.
    private var unsentBytes: UInt32 = 0
    private var roundTripMin: UInt32 = 0

    /// Whether the kernel holds output that the peer has not acknowledged.
    var holdsOutput: Bool { unacknowledgedSegments > 0 || unsentBytes > 0 }
}
