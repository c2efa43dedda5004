/// How a file is cut into chunks: always every 10 MiB, whatever the client sends.
package struct ChunkGrid: Hashable, Sendable {
    package static let chunkBytes: Int64 = 10 << 20

    /// Of the whole file.
    package let bytes: Int64

    package init(bytes: Int64) {
        self.bytes = bytes
    }

    /// An empty file has none.
    package var count: Int { Int((bytes + Self.chunkBytes - 1) / Self.chunkBytes) }

    package func offset(of index: Int) -> Int64 { Int64(index) * Self.chunkBytes }

    /// The last chunk is as short as the file needs.
    package func bytes(of index: Int) -> Int64 { min(Self.chunkBytes, bytes - offset(of: index)) }

    package func contains(_ index: Int) -> Bool { (0..<count).contains(index) }
}
