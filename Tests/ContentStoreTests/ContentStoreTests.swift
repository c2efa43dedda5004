import ContentStore
import Digests
import Foundation
import Testing

@Suite struct ContentStoreTests {
    let root: URL
    let folder: DiskFolder

    init() throws {
        root = FileManager.default.temporaryDirectory.appendingPathComponent("content-\(UUID().uuidString)")
        folder = try DiskFolder(path: root.path)
    }

    private func clean() { try? FileManager.default.removeItem(at: root) }

    private func stage(_ upload: String, _ bytes: [UInt8]) throws -> ContentAddress {
        let file = try StagingArea(folder).make(upload, bytes: Int64(bytes.count))
        try bytes.withUnsafeBytes { try file.write($0, at: 0) }
        try file.sync()
        return ContentAddress(sha256: try DigestStream.digest(of: bytes))
    }

    @Test func aPayloadLiesUnderItsDigestReadOnlyAndOnce() throws {
        defer { clean() }
        let payloads = LocalPayloads(folder)
        let address = try stage("one", Array("hello".utf8))
        #expect(try payloads.add(staged: StagingArea.path(of: "one"), as: address) == .moved)
        #expect(address.payload == "cas/sha256/2c/2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/payload")
        #expect(try payloads.verify(address))
        let mode = try FileManager.default.attributesOfItem(atPath: root.path + "/" + address.payload)[.posixPermissions] as? Int
        #expect(mode == 0o440)

        _ = try stage("two", Array("hello".utf8))
        #expect(try payloads.add(staged: StagingArea.path(of: "two"), as: address) == .wasThere)
        #expect(try payloads.all() == [address])
    }

    @Test func aDamagedPayloadGivesWayToAWholeOne() throws {
        defer { clean() }
        let payloads = LocalPayloads(folder)
        let address = try stage("one", Array("hello".utf8))
        try folder.makeFolder(address.folder)
        try folder.write(address.payload, Array("hellO".utf8))
        #expect(try !payloads.verify(address))
        #expect(try payloads.add(staged: StagingArea.path(of: "one"), as: address) == .moved)
        #expect(try payloads.verify(address))
        #expect(try folder.read(address.payload + ".damaged", bytesMax: 100) == Array("hellO".utf8))
    }

    @Test func aRefIsCommittedInItsOrderAndCanBeWithdrawn() throws {
        defer { clean() }
        let refs = RefFolder(folder)
        let place = RefPlace(routing: "r1", revision: 2, logicalName: "op10/A.nc")
        #expect(place.ref == "refs/r1/2/op10%2FA.nc.json")
        try refs.announce(place, [1])
        #expect(try refs.ref(place) == nil)
        #expect(try refs.pending(place) == [1])
        try refs.withdraw(place)
        #expect(try refs.pending(place) == nil)
        try refs.announce(place, [2])
        try refs.writeMeta(place, [3])
        try refs.commit(place, [2])
        #expect(try refs.ref(place) == [2])
        #expect(try refs.meta(place) == [3])
        #expect(try refs.pending(place) == nil)
        #expect(try folder.names(in: place.folder).sorted() == ["op10%2FA.nc.json", "op10%2FA.nc.meta.json"])
    }

    @Test(arguments: [
        ("A.nc", "A.nc"), ("a/b", "a%2Fb"), ("100%.nc", "100%25.nc"), ("x.json", "x.json"), ("x.meta", "x%2Emeta"), ("한글.nc", "한글.nc"),
    ])
    func refNames(logicalName: String, expected: String) {
        #expect(RefName(logicalName).text == expected)
    }

    @Test func longRefNamesAreCutAndStayApart() {
        let one = RefName(String(repeating: "가", count: 200) + "1").text
        let other = RefName(String(repeating: "가", count: 200) + "2").text
        #expect(one.utf8.count <= RefName.bytesMax)
        #expect(one != other)
        #expect(one.hasPrefix("가가가"))
    }

    /// Whatever is asked for, nothing outside the folder is touched.
    @Test(arguments: ["../outside", "a/../../outside", "/etc/passwd", "link/secret", "link", "up/secret"])
    func pathsThatLeadOutAreRefused(path: String) throws {
        defer { clean() }
        let outside = root.path + "-outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: outside) }
        try Data("secret".utf8).write(to: URL(fileURLWithPath: outside + "/secret"))
        try FileManager.default.createSymbolicLink(atPath: root.path + "/link", withDestinationPath: outside)
        try FileManager.default.createSymbolicLink(atPath: root.path + "/up", withDestinationPath: "..")
        #expect(throws: StoreFolderError.self) { try folder.write(path, [1]) }
        let read = try? folder.read(path, bytesMax: 100)
        #expect(read == nil || read == .some(nil))
    }

    /// Somebody swaps a folder for a link, over and over, while the store writes below it.
    @Test func aLinkThatIsSwappedInNeverLeadsOut() throws {
        defer { clean() }
        let outside = root.path + "-outside"
        try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: outside) }
        let swapped = root.path + "/swapped"
        let swaps = Thread {
            for round in 0..<2_000 {
                try? FileManager.default.removeItem(atPath: swapped)
                if round.isMultiple(of: 2) {
                    try? FileManager.default.createSymbolicLink(atPath: swapped, withDestinationPath: outside)
                } else {
                    try? FileManager.default.createDirectory(atPath: swapped, withIntermediateDirectories: false)
                }
            }
        }
        swaps.start()
        var written = 0
        while !swaps.isFinished {
            if (try? folder.write("swapped/file", [1])) != nil { written += 1 }
        }
        #expect(written > 0)
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside).isEmpty)
    }

    @Test func holesAreFound() throws {
        defer { clean() }
        let file = try StagingArea(folder).make("u", bytes: 3 * ChunkGrid.chunkBytes)
        let chunk = [UInt8](repeating: 7, count: Int(ChunkGrid.chunkBytes))
        for index in [0, 2] { try chunk.withUnsafeBytes { try file.write($0, at: Int64(index) * ChunkGrid.chunkBytes) } }
        try file.sync()
        #expect(try (0..<3).map { try file.hasHole(from: Int64($0) * ChunkGrid.chunkBytes, bytes: ChunkGrid.chunkBytes) } == [false, true, false])
    }

    @Test(arguments: [
        (0, 0, 0), (1, 1, 1), (10 << 20, 1, 10 << 20), ((10 << 20) + 1, 2, 1), (20 << 30, 2_048, 10 << 20),
    ] as [(Int64, Int, Int64)])
    func grids(bytes: Int64, count: Int, last: Int64) {
        let grid = ChunkGrid(bytes: bytes)
        #expect(grid.count == count)
        if count > 0 { #expect(grid.bytes(of: count - 1) == last) }
    }
}
