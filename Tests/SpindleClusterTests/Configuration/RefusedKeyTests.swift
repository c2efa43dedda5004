import Foundation
import SpindleCluster
import Testing

/// Keys that moved, were renamed or do nothing are refused in words of their own, at their place.
@Suite struct RefusedKeyTests {
    /// A shape, and where a line of it can be put into the built-in description: before `find`, indented like it.
    static let places: [String: (find: String, path: String)] = [
        "cluster": ("cluster: poc", ""), "broker": ("    portBase: 7400", "brokers[0]."), "files": ("  hosts: [local]", "files."),
        "web": ("    port: 7402", "webs[0]."), "queuePolicy": ("    timeToLive: 90d", "defaults.deadLetterQueue."), "webTLS": ("      certificate: web.pem", "webs[0].tls."),
    ]

    @Test(arguments: RefusedKey.all.map { ($0.shape, $0.key) }) func isRefusedAtItsPlace(shape: String, key: String) throws {
        let refused = try #require(RefusedKey.all.first { $0.shape == shape && $0.key == key })
        let place = try #require(Self.places[shape], "the table above has no place for \(shape)")
        let good = ClusterConfiguration.pocText.replacing(
            "    listen: 127.0.0.1\n", with: "    listen: 127.0.0.1\n    tls:\n      certificate: web.pem\n      key: web.key\n")
        let at = try #require(good.range(of: "\n" + place.find))
        let indent = place.find.prefix { $0 == " " }
        let bad = good.replacingCharacters(in: at, with: "\n\(indent)\(key): x\n\(place.find)")
        let line = good[..<at.lowerBound].split(separator: "\n", omittingEmptySubsequences: false).count + 1
        let errors = ConfigurationErrorTests.errors(in: bad)
        #expect(
            errors.map(\.description) == ["x.yaml:\(line):\(indent.count + 1): \(place.path)\(key): found \"\(key)\", \(refused.advice)"], "\(errors)")
    }

    /// What a description of the shape before this one gets to read.
    @Test func anOldDescriptionIsToldWhatToWrite() {
        let old = ClusterConfiguration.pocText
            .replacing(ConfigurationErrorTests.domainPart, with: "").replacing(ConfigurationErrorTests.filesPart, with: "")
            .replacing(
                "webs:\n  - name: web\n    host: local\n    principal: web\n    port: 7402\n    listen: 127.0.0.1\n"
                    + "    # For this trial only, until somebody has an account: one click signs you in on this PC. Never put a proxy in front of it.\n    signInVisitors: true\n",
                with: "web: {host: local, principal: web, port: 7402, database: mcms/mcms.sqlite, storeRoot: mcms/store, shareRoot: mcms/share}\n")
        let errors = ConfigurationErrorTests.errors(in: old)
        #expect(errors.map(\.path) == ["web"], "\(errors)")
        for word in ["\"webs\"", "- name: web", "domain:", "files:"] { #expect(errors.first?.problem.contains(word) == true, "\(errors)") }
    }

    /// A refused key would be unknown without its sentence: none of the decoder's own keys is refused.
    @Test func noRefusedKeyIsRead() throws {
        let definitions = try ShippedConfigurationTests.schemaDefinitions()
        for refused in RefusedKey.all {
            let properties = try #require(definitions[refused.shape]?["properties"] as? [String: Any], "\(refused.shape)")
            #expect(properties[refused.key] == nil, "\(refused.shape).\(refused.key)")
        }
    }
}
