/// A JSON value, with the accessors that reading a vector's meaning needs. A wrong shape throws, naming the key.
enum JSONValue: Decodable, Sendable {
    case null
    case bool(Bool)
    case number(UInt64)
    case text(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(UInt64.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    struct WrongShape: Error { var key: String }

    /// The value of `key`, nil where it is absent.
    subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[key]
    }

    func number<T: FixedWidthInteger>(_ key: String, as type: T.Type = T.self) throws -> T {
        guard case .number(let value) = self[key], let number = T(exactly: value) else { throw WrongShape(key: key) }
        return number
    }

    func optionalNumber(_ key: String) throws -> UInt64? {
        self[key] == nil ? nil : try number(key)
    }

    func text(_ key: String) throws -> String {
        guard case .text(let value) = self[key] else { throw WrongShape(key: key) }
        return value
    }

    func optionalText(_ key: String) throws -> String? {
        self[key] == nil ? nil : try text(key)
    }

    func bool(_ key: String) throws -> Bool {
        guard case .bool(let value) = self[key] else { throw WrongShape(key: key) }
        return value
    }

    func array(_ key: String) throws -> [JSONValue] {
        guard case .array(let values) = self[key] else { throw WrongShape(key: key) }
        return values
    }

    /// The texts in an array that may be absent.
    func texts(in key: String) -> [String] {
        guard case .array(let values) = self[key] else { return [] }
        return values.compactMap { try? $0.textValue }
    }

    func isNull(_ key: String) -> Bool {
        guard case .null = self[key] else { return false }
        return true
    }

    /// A 64-bit identifier: JSON has it as text, `"0x…"`.
    func identifier(_ key: String) throws -> UInt64 { try Self.identifier(try text(key), key) }

    static func identifier(_ text: String, _ key: String) throws -> UInt64 {
        guard text.hasPrefix("0x"), let value = UInt64(text.dropFirst(2), radix: 16) else { throw WrongShape(key: key) }
        return value
    }

    var textValue: String {
        get throws {
            guard case .text(let value) = self else { throw WrongShape(key: "(text)") }
            return value
        }
    }
}
