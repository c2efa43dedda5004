internal import Foundation
internal import ServiceContextModule
public import SpindleClient

/// What every task is: JSON with the routing key `taskType`, and what belongs to it.
///
/// Decoding is tolerant where producers in other languages differ: unknown members are kept and written again, optional members that
/// are absent, null or of another kind are absent; `TaskType`, as C# writes it, is `taskType`. Only that must be there.
public struct TaskEnvelope: Sendable, Hashable {
    /// Why a body is no task. The message goes to the dead-letter queue with ``reason``.
    public struct Invalid: Error, Sendable, Hashable, CustomStringConvertible {
        public var reason: String
        public var description: String { reason }
    }

    /// The media type of an encoded envelope.
    public static let contentType = "application/json"
    static let missingTaskType = "envelope has no taskType"

    /// Chooses the handler.
    public var taskType: String
    public var taskId: String?
    /// Joins everything that one cause led to.
    public var correlationId: String?
    /// ISO 8601 as a rule; kept as it came.
    public var createdAt: String?
    public var schemaVersion: Int?
    public var payload: JSONValue?
    /// Members that this version does not know, by name.
    public var other: [String: JSONValue]

    public init(
        taskType: String, taskId: String? = nil, correlationId: String? = nil, createdAt: String? = nil, schemaVersion: Int? = nil,
        payload: JSONValue? = nil, other: [String: JSONValue] = [:]
    ) {
        self.taskType = taskType
        self.taskId = taskId
        self.correlationId = correlationId
        self.createdAt = createdAt
        self.schemaVersion = schemaVersion
        self.payload = payload
        self.other = other
    }

    /// Reads the body of a message.
    public init(decoding body: [UInt8]) throws(Invalid) {
        let value: JSONValue
        do {
            value = try JSONDecoder().decode(JSONValue.self, from: Data(body))
        } catch {
            throw Invalid(reason: "envelope is not JSON: \(Self.brief(error))")
        }
        guard case .object(var members) = value else { throw Invalid(reason: "envelope is not a JSON object") }
        func take(_ name: String) -> JSONValue? {
            // The exact name goes first; the other is a member that is not known then.
            members.removeValue(forKey: name) ?? members.removeValue(forKey: name.prefix(1).uppercased() + name.dropFirst())
        }
        guard let taskType = take("taskType")?.string, !taskType.isEmpty else {
            throw Invalid(reason: Self.missingTaskType)
        }
        self.taskType = taskType
        taskId = Self.text(take("taskId"))
        correlationId = Self.text(take("correlationId"))
        createdAt = Self.text(take("createdAt"))
        schemaVersion = Self.number(take("schemaVersion"))
        payload = take("payload")
        other = members
    }

    /// Identifiers of some producers are numbers; an empty text says nothing.
    private static func text(_ value: JSONValue?) -> String? {
        switch value {
        case .string(let text): text.isEmpty ? nil : text
        case .int(let number): String(number)
        case .double(let number): String(number)
        case .null, .bool, .array, .object, nil: nil
        }
    }

    /// Some producers write numbers as texts.
    private static func number(_ value: JSONValue?) -> Int? {
        switch value {
        case .int, .double: (value?.int).flatMap { Int(exactly: $0) }
        case .string(let text): Int(text)
        case .null, .bool, .array, .object, nil: nil
        }
    }

    private static func brief(_ error: any Error) -> String {
        guard case DecodingError.dataCorrupted(let context) = error else { return "\(error)" }
        let detail = (context.underlyingError as? NSError)?.userInfo["NSDebugDescription"] as? String
        return detail ?? context.debugDescription
    }

    /// The envelope as JSON.
    public func encoded() -> [UInt8] {
        var members = other
        members["taskType"] = .string(taskType)
        if let taskId { members["taskId"] = .string(taskId) }
        if let correlationId { members["correlationId"] = .string(correlationId) }
        if let createdAt { members["createdAt"] = .string(createdAt) }
        if let schemaVersion { members["schemaVersion"] = .int(Int64(schemaVersion)) }
        if let payload { members["payload"] = payload }
        // Fails only for numbers that JSON can't say; such a member is left out rather than the task lost.
        if let data = try? JSON.encoder().encode(JSONValue.object(members)) { return [UInt8](data) }
        let finite = JSONValue.object(members).withoutNonFinite
        return (try? JSON.encoder().encode(finite)).map { [UInt8]($0) } ?? Array("{}".utf8)
    }

    /// Reads the payload as a type; an absent payload reads as an empty object.
    public func decodePayload<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
        try (payload ?? .object([:])).decode(as: type)
    }

    /// A message that carries a task: a new `taskId`, the time of now, and headers that say the same.
    ///
    /// - Parameter correlationID: nil: that of the task being handled, if there is one.
    /// - Throws: what encoding `payload` throws.
    public static func make(
        taskType: String, payload: some Encodable, taskId: String? = nil, correlationID: String? = nil, schemaVersion: Int = 1
    ) throws -> Message {
        let correlation = correlationID ?? ServiceContext.current?.taskCorrelationID
        let envelope = TaskEnvelope(
            taskType: taskType, taskId: taskId ?? UUID().uuidString.lowercased(), correlationId: correlation,
            createdAt: Date.now.formatted(.iso8601), schemaVersion: schemaVersion, payload: try JSONValue(encoding: payload))
        return envelope.message()
    }

    /// The envelope as a message, with `taskType` and `correlationId` in its headers too.
    public func message() -> Message {
        Message(body: encoded(), correlationID: (correlationId ?? taskId).map(CorrelationID.bounded), contentType: Self.contentType, taskType: taskType)
    }
}

extension JSONValue {
    fileprivate var withoutNonFinite: JSONValue {
        switch self {
        case .double(let number): number.isFinite ? self : .null
        case .array(let values): .array(values.map(\.withoutNonFinite))
        case .object(let members): .object(members.mapValues(\.withoutNonFinite))
        case .null, .bool, .int, .string: self
        }
    }
}
