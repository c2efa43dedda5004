import Foundation
import Testing

/// The files of this checkout, found from where this source lies.
enum Repository {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static let protocolFolder = root.appending(path: "protocol")
    static let vectorsFolder = protocolFolder.appending(path: "vectors")

    /// Every Markdown file of the specification, in name order.
    static func specification() throws -> [(name: String, text: String)] {
        let names = try FileManager.default.contentsOfDirectory(atPath: protocolFolder.path).filter { $0.hasSuffix(".md") }.sorted()
        return try names.map { ($0, try String(contentsOf: protocolFolder.appending(path: $0), encoding: .utf8)) }
    }
}

enum Direction: String, Decodable, Sendable {
    case request, reply, error, push

    /// The header's flags byte: 1 reply, 2 error, 4 push.
    var flags: UInt8 {
        switch self {
        case .request: 0
        case .reply: 1
        case .error: 3
        case .push: 4
        }
    }
}

/// A whole frame and what it means.
struct FrameVector: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var opcode: String
    var direction: Direction
    var hex: String
    var meaning: JSONValue
    /// What numbered fields the frame has: their kind (`tail`, `policy`, `filter`, `retention`, `figure`) and number.
    var tags: [String]?
    var testDescription: String { "\(opcode) \(direction): \(name)" }

    static let files = ["connection", "messages", "queues", "topics", "workers", "errors"]
    static let all: [FrameVector] = files.flatMap { load($0) }
    /// Frames that every decoder must take, though nobody writes them today.
    static let tolerated: [FrameVector] = load("tolerated")
}

/// One message record and what it means.
struct RecordVector: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var hex: String
    var meaning: JSONValue
    var testDescription: String { name }

    static let all: [RecordVector] = load("records")
    static let tolerated: [RecordVector] = load("tolerated-records")
}

/// A request that says for whom it is made.
struct ActorVector: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var opcode: String
    var actor: String
    var isCritical: Bool
    /// The frame without the field.
    var plain: String
    var hex: String
    var testDescription: String { "\(opcode): \(name)" }

    static let all: [ActorVector] = load("actors")
}

/// A frame that must be refused.
struct RejectedVector: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    /// The cap in force on this connection.
    var frameBytesMax: Int
    var hex: String
    var error: UInt16
    var errorName: String
    var blastRadius: String
    /// Whose frame it is: a reply, error or push must be refused by a client.
    var direction: Direction
    /// `broker` where the frame can be read and what the broker knows refuses it.
    var judge: String?
    /// Which record of the batch is refused; absent where it is the frame.
    var item: Int?
    var testDescription: String { name }

    static let all: [RejectedVector] = load("rejected")
}

/// The vectors of one file; a file that cannot be read is reported, and leaves none (which `Vectors are there` refuses).
private func load<T: Decodable>(_ name: String) -> [T] {
    do {
        return try JSONDecoder().decode([T].self, from: Data(contentsOf: Repository.vectorsFolder.appending(path: "\(name).json")))
    } catch {
        Issue.record("protocol/vectors/\(name).json cannot be read: \(error)")
        return []
    }
}

struct BadHexadecimal: Error { var text: String }

/// The bytes of hexadecimal text; spaces between bytes are ignored.
func bytes(_ hex: String) throws -> [UInt8] {
    let digits = hex.utf8.filter { $0 != UInt8(ascii: " ") }
    guard digits.count.isMultiple(of: 2) else { throw BadHexadecimal(text: hex) }
    return try stride(from: 0, to: digits.count, by: 2).map { at in
        guard let byte = UInt8(String(decoding: digits[at..<(at + 2)], as: UTF8.self), radix: 16) else { throw BadHexadecimal(text: hex) }
        return byte
    }
}
