import ArgumentParser
import SpindleCluster

/// A duration as the configuration writes it: `250ms`, `30s`, `5m`, `2h`, `7d`.
struct DurationArgument: Equatable, CustomStringConvertible {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    /// For `transform:` of an option: says what is wrong. No unit is needed for zero.
    static func parse(_ argument: String) throws -> DurationArgument {
        if argument == "0" { return DurationArgument(.zero) }
        guard let duration = Units.duration(argument) else {
            throw ValidationError("write a whole number and one of the units ms, s, m, h and d, such as 90m, and at most \(Units.text(Units.durationMax))")
        }
        return DurationArgument(duration)
    }

    /// As the wire has it.
    var milliseconds: UInt64 {
        let (seconds, attoseconds) = duration.components
        return UInt64(clamping: seconds) * 1000 + UInt64(clamping: attoseconds / 1_000_000_000_000_000)
    }

    var description: String { Units.text(duration) }
}

/// A size as the configuration writes it: `64 KiB`, `16MiB`; a number alone is bytes.
struct SizeArgument: ExpressibleByArgument {
    let bytes: Int

    init?(argument: String) {
        guard let bytes = Int(argument) ?? Units.bytes(argument), bytes >= 0 else { return nil }
        self.bytes = bytes
    }
}

/// `NAME=VALUE`.
struct HeaderArgument: ExpressibleByArgument {
    let name: String
    let value: String

    init?(argument: String) {
        guard let split = argument.firstIndex(of: "="), split != argument.startIndex else { return nil }
        name = String(argument[..<split])
        value = String(argument[argument.index(after: split)...])
    }
}

/// Where a cluster's ports begin: N broker, N+1 broker with TLS, N+2 web, N+3 the broker's operations.
struct PortBaseArgument: ExpressibleByArgument, CustomStringConvertible {
    static let allowed = 1...(65535 - BrokerPorts.span + 1)

    let base: Int

    init(_ base: Int) { self.base = base }

    init?(argument: String) {
        guard let base = Int(argument), Self.allowed.contains(base) else { return nil }
        self.base = base
    }

    var description: String { "\(base)" }
    var plain: Int { base }
    var tls: Int { base + 1 }
    var web: Int { base + 2 }
    var operations: Int { base + 3 }
    /// Of the web server: the port in the clear that leads to HTTPS.
    var redirect: Int { base + 4 }
}
