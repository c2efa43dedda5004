import ContentStore
import MCMSFiles
import NIOCore
import Testing

/// The pieces of a file that is sent.
@Suite struct FilePiecesTests {
    @Test(arguments: [0, 1, 255 << 10, 256 << 10, 256 << 10 | 1, 3 << 20 | 5]) func piecesAreTheFileAlsoWhereTheyAreKept(count: Int) async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let bytes = pattern(count)
        let file = try StagingArea(test.folder).make("x", bytes: Int64(count))
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        // Kept until the end: a piece whose memory were used again would have another's bytes.
        var pieces: [[UInt8]] = []
        var kept: [FilePieces.Element] = []
        for try await piece in FilePieces(file: file, bytes: Int64(count)) {
            pieces.append(Array(piece.readableBytesView))
            kept.append(piece)
        }
        #expect(pieces.flatMap { $0 } == bytes)
        #expect(kept.flatMap { Array($0.readableBytesView) } == bytes)
        var middle: [UInt8] = []
        for try await piece in FilePieces(file: file, from: Int64(count / 3), bytes: Int64(count / 2)) { middle += Array(piece.readableBytesView) }
        #expect(middle == Array(bytes[(count / 3)..<(count / 3 + count / 2)]))
    }

    @Test func aFileThatEndsEarlyIsAnError() async throws {
        let test = try TestFiles()
        defer { test.remove() }
        let file = try StagingArea(test.folder).make("x", bytes: 10)
        await #expect(throws: StoreFolderError.self) { for try await _ in FilePieces(file: file, bytes: 11) {} }
    }
}
