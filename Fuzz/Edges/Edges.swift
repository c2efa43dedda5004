package import FuzzCore

extension FuzzTarget {
    /// What the shells take from outside: these need NIO, Foundation and the rest.
    package static let edges: [FuzzTarget] = [.lz4, .configuration, .path, .token, .cursor, .events, .envelope]
}
