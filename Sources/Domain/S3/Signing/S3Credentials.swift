/// Who asks. Printing it shows no secret, whoever prints it.
package struct S3Credentials: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package struct Unreadable: Error, Hashable, CustomStringConvertible {
        package let description: String
    }

    package let accessKey: String
    let secretKey: String
    /// Of credentials that expire; nil for others.
    let sessionToken: String?

    package init(accessKey: String, secretKey: String, sessionToken: String? = nil) {
        self.accessKey = accessKey
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }

    /// Reads the form that AWS's tools write: `aws_access_key_id = …`, `aws_secret_access_key = …`. Sections and comments are skipped.
    package init(file text: String) throws(Unreadable) {
        var values: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.drop { $0.isWhitespace }
            guard let first = line.first, first != "#", first != ";", first != "[", let equals = line.firstIndex(of: "=") else { continue }
            let name = line[..<equals].filter { !$0.isWhitespace }
            let value = String(line[line.index(after: equals)...].drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
            guard values.updateValue(value, forKey: name) == nil else { throw Unreadable(description: "it has \(name) twice, expected one set of keys") }
        }
        func value(_ name: String) throws(Unreadable) -> String {
            guard let value = values[name], !value.isEmpty else {
                throw Unreadable(description: "it has no line \"\(name) = …\"; expected are aws_access_key_id and aws_secret_access_key")
            }
            return value
        }
        self.init(
            accessKey: try value("aws_access_key_id"), secretKey: try value("aws_secret_access_key"), sessionToken: values["aws_session_token"])
    }

    package var description: String { "access key \(accessKey)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["accessKey": accessKey]) }
}
