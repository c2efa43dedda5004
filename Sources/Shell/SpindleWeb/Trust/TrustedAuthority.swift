internal import Foundation

/// The company's own certificate authority, as `/trust` shows and serves it.
package struct TrustedAuthority: Sendable, Equatable {
    package let name: String
    package let der: [UInt8]
    package let pem: String
    /// As dialogs show it: `AB:CD:…`.
    package let sha256: String
    package let sha1: String
    /// When it ends, for people: a date.
    package let end: String

    package init(name: String, der: [UInt8], pem: String, sha256: String, sha1: String, end: String) {
        self.name = name
        self.der = der
        self.pem = pem
        self.sha256 = sha256
        self.sha1 = sha1
        self.end = end
    }

    /// A configuration profile, by which iPhones, iPads and Macs install it. Its identifiers come from the fingerprint: the same
    /// authority is installed once.
    package var profile: String {
        let digits = sha256.filter { $0 != ":" }
        func identifier(_ start: Int) -> String {
            let part = digits.dropFirst(start).prefix(32).padding(32)
            let cuts = [8, 4, 4, 4, 12]
            var rest = Substring(part)
            return cuts.map { count in
                defer { rest = rest.dropFirst(count) }
                return String(rest.prefix(count))
            }.joined(separator: "-")
        }
        return """
            <?xml version="1.0" encoding="UTF-8"?>
            <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
            <plist version="1.0">
            <dict>
              <key>PayloadContent</key>
              <array>
                <dict>
                  <key>PayloadCertificateFileName</key><string>spindle-ca.crt</string>
                  <key>PayloadContent</key><data>\(Data(der).base64EncodedString())</data>
                  <key>PayloadDisplayName</key><string>\(name.escapedForMarkup)</string>
                  <key>PayloadIdentifier</key><string>spindle.authority.\(identifier(0))</string>
                  <key>PayloadType</key><string>com.apple.security.root</string>
                  <key>PayloadUUID</key><string>\(identifier(0))</string>
                  <key>PayloadVersion</key><integer>1</integer>
                </dict>
              </array>
              <key>PayloadDisplayName</key><string>\(name.escapedForMarkup)</string>
              <key>PayloadIdentifier</key><string>spindle.trust.\(identifier(32))</string>
              <key>PayloadRemovalDisallowed</key><false/>
              <key>PayloadType</key><string>Configuration</string>
              <key>PayloadUUID</key><string>\(identifier(32))</string>
              <key>PayloadVersion</key><integer>1</integer>
            </dict>
            </plist>

            """
    }
}

extension Substring {
    fileprivate func padding(_ count: Int) -> String { self + String(repeating: "0", count: Swift.max(0, count - self.count)) }
}

extension String {
    /// As text or an attribute's value of HTML and XML.
    var escapedForMarkup: String {
        var result = ""
        for character in unicodeScalars {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(character)
            }
        }
        return result
    }
}
