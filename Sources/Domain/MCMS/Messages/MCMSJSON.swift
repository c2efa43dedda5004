internal import Foundation

/// How everything of this domain is written as JSON: UTF-8, keys in alphabetical order (so that the same value is always the same
/// bytes), slashes and Korean text as they are.
package enum MCMSJSON {
    package static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(value))
    }

    /// Reads JSON of this domain. Names of members may begin with a capital letter, as C# writes them: `JobId` is `jobId`.
    package static func decode<Value: Decodable>(_ type: Value.Type, from bytes: some Sequence<UInt8>) throws(MalformedJSON) -> Value {
        do {
            let decoder = JSONDecoder()
            decoder.keyDecodingStrategy = .custom { path in
                guard let key = path.last, key.intValue == nil else { return path.last ?? MemberName(stringValue: "") }
                return MemberName(stringValue: MemberName.camelCase(key.stringValue))
            }
            return try decoder.decode(type, from: Data(bytes))
        } catch let error as DecodingError {
            let malformed = MalformedJSON(error)
            if malformed.field == nil, let number = JSONNumber.unrepresentable(in: Array(bytes)) {
                throw MalformedJSON(
                    field: nil, problem: "holds the number \(number): whole numbers from \(Int64.min) to \(Int64.max) are understood here")
            }
            throw malformed
        } catch {
            throw MalformedJSON(field: nil, problem: "\(error)")
        }
    }
}

private struct MemberName: CodingKey {
    let stringValue: String
    let intValue: Int? = nil

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }

    /// `JobId` and `SHA256` as `jobId` and `sha256`: the capital letters that begin a name, but for the last where a small one follows.
    static func camelCase(_ name: String) -> String {
        let capitals = name.prefix { $0.isASCII && $0.isUppercase }
        guard !capitals.isEmpty else { return name }
        let rest = name.dropFirst(capitals.count)
        let lowered = capitals.count > 1 && rest.first?.isLowercase == true ? capitals.count - 1 : capitals.count
        return name.prefix(lowered).lowercased() + name.dropFirst(lowered)
    }
}

/// The decoder calls a text invalid as a whole where one number of it does not fit; this finds which.
private enum JSONNumber {
    /// A number of valid JSON that no `Int64` holds: one that is too large, else one with a fraction or an exponent. Nil where there is none, or
    /// where the text is no JSON.
    static func unrepresentable(in bytes: [UInt8]) -> String? {
        guard (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil else { return nil }
        let numbers = numbers(in: bytes).filter { Int64($0) == nil }
        return numbers.first { $0.allSatisfy { $0.isWholeNumber || $0 == "-" } } ?? numbers.first
    }

    /// The numbers outside of strings.
    private static func numbers(in bytes: [UInt8]) -> [String] {
        var numbers: [String] = []
        var isInString = false
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if isInString {
                if byte == UInt8(ascii: "\\") { index += 1 }
                if byte == UInt8(ascii: "\"") { isInString = false }
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            } else if byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
                let number = bytes[index...].prefix { "+-.0123456789Ee".utf8.contains($0) }
                numbers.append(String(decoding: number, as: UTF8.self))
                index = number.endIndex
                continue
            }
            index += 1
        }
        return numbers
    }
}

/// JSON that isn't what was expected: which field, and what is wrong with it.
package struct MalformedJSON: Error, Hashable, CustomStringConvertible {
    /// Such as `outputs[2].size`; `nil` when it isn't JSON at all.
    package let field: String?
    package let problem: String

    package init(field: String?, problem: String) {
        self.field = field
        self.problem = problem
    }

    package var description: String { field.map { "the field “\($0)” \(problem)" } ?? "the content \(problem)" }

    init(_ error: DecodingError) {
        switch error {
        case .keyNotFound(let key, let context):
            self.init(field: Self.path(context.codingPath + [key]), problem: "is missing")
        case .valueNotFound(_, let context):
            self.init(field: Self.path(context.codingPath), problem: "must not be null")
        case .typeMismatch(let type, let context):
            self.init(field: Self.path(context.codingPath), problem: "must be \(Self.name(of: type))")
        case .dataCorrupted(let context):
            if context.codingPath.isEmpty {
                self.init(field: nil, problem: "is not valid JSON")
            } else {
                self.init(field: Self.path(context.codingPath), problem: context.debugDescription)
            }
        @unknown default:
            self.init(field: nil, problem: "cannot be read")
        }
    }

    private static func path(_ keys: [any CodingKey]) -> String? {
        var text = ""
        for key in keys {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += text.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
        return text.isEmpty ? nil : text
    }

    private static func name(of type: any Any.Type) -> String {
        switch type {
        case is String.Type: "text"
        case is Int.Type, is Int64.Type, is Double.Type: "a number"
        case is Bool.Type: "true or false"
        case is [Any].Type: "a list"
        default: "an object"
        }
    }
}
