// The opening of a connection. Frozen: every later version can read these frames. Source: `protocol/connection.md`.

/// The first frame of a connection, client to broker.
/// `8 bytes "SPINDLE1" · u16 version min · u16 version max · u64 capabilities · string name · string version · u16 labels × (string, string) · tail`
package struct HelloRequest: Equatable, Sendable {
    package static let magic: [UInt8] = Array("SPINDLE1".utf8)

    package var versionMin: UInt16
    package var versionMax: UInt16
    package var capabilities: Capabilities
    package var clientName: String
    package var clientVersion: String
    package var labels: [Label]

    package struct Label: Equatable, Sendable {
        package var name: String
        package var value: String
        package init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    package init(
        versionMin: UInt16 = ProtocolVersion.min, versionMax: UInt16 = ProtocolVersion.max, capabilities: Capabilities = [],
        clientName: String, clientVersion: String, labels: [Label] = []
    ) {
        self.versionMin = versionMin
        self.versionMax = versionMax
        self.capabilities = capabilities
        self.clientName = clientName
        self.clientVersion = clientVersion
        self.labels = labels
    }

    package func encode(into writer: inout WireWriter) {
        writer.bytes(Self.magic)
        writer.u16(versionMin)
        writer.u16(versionMax)
        writer.u64(capabilities.rawValue)
        writer.string(clientName)
        writer.string(clientVersion)
        writer.u16(UInt16(clamping: labels.count))
        for label in labels.prefix(Int(UInt16.max)) {
            writer.string(label.name)
            writer.string(label.value)
        }
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        let magic = try reader.array(8, "magic")
        guard magic == Self.magic else {
            throw WireError(.helloRequired, "this is no Spindle client: the first frame must begin with \"SPINDLE1\"")
        }
        versionMin = try reader.u16("version min")
        versionMax = try reader.u16("version max")
        capabilities = Capabilities(known: try reader.u64("capabilities"))
        clientName = try reader.string("client name")
        clientVersion = try reader.string("client version")
        let count = Int(try reader.u16("label count"))
        guard count <= WireLimits.labelsMax else { throw .malformed("\(count) labels, at most \(WireLimits.labelsMax) are allowed") }
        labels = []
        for _ in 0..<count {
            labels.append(Label(name: try reader.string("label name"), value: try reader.string("label value")))
        }
        try reader.skipTail(hasCommonTags: false)
    }
}

package enum ProtocolVersion {
    package static let min: UInt16 = 1
    package static let max: UInt16 = 1
}

/// Optional behaviour that both sides name; what both named is in force.
package struct Capabilities: OptionSet, Sendable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    /// Bodies may be LZ4 blocks.
    package static let lz4 = Capabilities(rawValue: 1)
    /// SETTLEs that name themselves are remembered: ``SettleIdentity``.
    package static let settleIdentity = Capabilities(rawValue: 2)

    /// Those of the bits that this version knows; the others are ignored.
    init(known bits: UInt64) { self = Capabilities(rawValue: bits).intersection([.lz4, .settleIdentity]) }
}

/// `u16 version · u64 capabilities · u32 frame bytes max · u32 in flight max · u32 heartbeat ms · 16 bytes server id ·
/// string server name · string server version · u16 opcodes × (u16 opcode, u8 min, u8 max) · tail`
///
/// The tail may carry tag 1, `u64` output window in bytes.
package struct HelloReply: Equatable, Sendable {
    package var version: UInt16
    package var capabilities: Capabilities
    package var frameBytesMax: UInt32
    package var inFlightMax: UInt32
    package var heartbeatMilliseconds: UInt32
    /// Sixteen bytes that name the log behind the broker: the same after a restart, another after the data was replaced.
    package var serverID: [UInt8]
    package var serverName: String
    package var serverVersion: String
    package var opcodes: [OpcodeVersions]
    /// Output that may wait for this connection before the broker takes no further request of it; nil where the broker does not tell.
    package var outputWindowBytes: UInt64?

    /// Tags of the reply's tail.
    package enum Tag {
        package static let outputWindow: UInt16 = 1
    }

    package struct OpcodeVersions: Equatable, Sendable {
        package var opcode: UInt16
        package var versionMin: UInt8
        package var versionMax: UInt8
        package init(opcode: UInt16, versionMin: UInt8, versionMax: UInt8) {
            self.opcode = opcode
            self.versionMin = versionMin
            self.versionMax = versionMax
        }
    }

    package init(
        version: UInt16 = ProtocolVersion.max, capabilities: Capabilities, frameBytesMax: UInt32, inFlightMax: UInt32,
        heartbeatMilliseconds: UInt32, serverID: [UInt8], serverName: String, serverVersion: String, opcodes: [OpcodeVersions],
        outputWindowBytes: UInt64? = nil
    ) {
        self.version = version
        self.capabilities = capabilities
        self.frameBytesMax = frameBytesMax
        self.inFlightMax = inFlightMax
        self.heartbeatMilliseconds = heartbeatMilliseconds
        self.serverID = serverID
        self.serverName = serverName
        self.serverVersion = serverVersion
        self.opcodes = opcodes
        self.outputWindowBytes = outputWindowBytes
    }

    package func encode(into writer: inout WireWriter) {
        precondition(serverID.count == 16, "a server id has sixteen bytes")
        writer.u16(version)
        writer.u64(capabilities.rawValue)
        writer.u32(frameBytesMax)
        writer.u32(inFlightMax)
        writer.u32(heartbeatMilliseconds)
        writer.bytes(serverID)
        writer.name(serverName)
        writer.name(serverVersion)
        writer.u16(UInt16(clamping: opcodes.count))
        for opcode in opcodes {
            writer.u16(opcode.opcode)
            writer.u8(opcode.versionMin)
            writer.u8(opcode.versionMax)
        }
        if let outputWindowBytes { writer.tag(Tag.outputWindow, u64: outputWindowBytes) }
    }

    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        version = try reader.u16("version")
        capabilities = Capabilities(known: try reader.u64("capabilities"))
        frameBytesMax = try reader.u32("frame bytes max")
        inFlightMax = try reader.u32("in flight max")
        heartbeatMilliseconds = try reader.u32("heartbeat")
        serverID = try reader.array(16, "server id")
        serverName = try reader.string("server name")
        serverVersion = try reader.string("server version")
        let count = Int(try reader.u16("opcode count"))
        opcodes = []
        for _ in 0..<count {
            opcodes.append(OpcodeVersions(opcode: try reader.u16("opcode"), versionMin: try reader.u8("min"), versionMax: try reader.u8("max")))
        }
        let tail = try reader.span(reader.remaining, "tail")
        for field in try TaggedTail.fields(in: tail, known: [Tag.outputWindow]) {
            var value = WireReader(tail.extracting(field.range))
            outputWindowBytes = try value.u64("output window")
        }
    }
}

/// PING and its reply: nothing but a tail.
package enum PingBody {
    package static func check(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        try reader.skipTail(hasCommonTags: false)
    }
}

/// Pushed by a broker that is about to stop: finish, and connect again later or elsewhere.
/// `u32 grace ms · string reason · tail`
package struct GoingAwayNotice: Equatable, Sendable {
    package var graceMilliseconds: UInt32
    package var reason: String
    package init(graceMilliseconds: UInt32, reason: String) {
        self.graceMilliseconds = graceMilliseconds
        self.reason = reason
    }
    package func encode(into writer: inout WireWriter) {
        writer.u32(graceMilliseconds)
        writer.sentence(reason)
    }
    package init(_ body: RawSpan) throws(WireError) {
        var reader = WireReader(body)
        graceMilliseconds = try reader.u32("grace")
        reason = try reader.string("reason", bytesMax: WireLimits.sentenceBytesMax)
        try reader.skipTail()
    }
}
