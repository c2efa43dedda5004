/// A key that a description may not have: it has another place or name, or it has no function in this version. A key that
/// was accepted and did nothing would be worse than one that is refused.
package struct RefusedKey: Sendable {
    /// The kind of mapping, as `MappingReader` names it.
    package let shape: String
    package let key: String
    /// Follows `found "KEY", `.
    package let advice: String

    private init(_ shape: String, _ key: String, _ advice: String) {
        self.shape = shape
        self.key = key
        self.advice = advice
    }

    static func find(_ key: String, shape: String) -> RefusedKey? {
        all.first { $0.key == key && $0.shape == shape }
    }

    package static let all: [RefusedKey] = moved + renamed + withoutFunction

    private static let moved = [
        RefusedKey(
            "cluster", "web",
            "expected the list \"webs\"; write its settings below \"webs:\" as \"- name: web\", and move database to \"domain:\", "
                + "shareRoot to \"files:\" as share"),
        RefusedKey("web", "database", "expected it once for all processes, as \"database\" below the top-level \"domain:\""),
        RefusedKey("web", "shareRoot", "expected it once for all processes, as \"share\" below the top-level \"files:\""),
    ]

    private static let renamed = [
        ("leaseDuration", "lease"), ("leaseDurationMax", "leaseMax"), ("dedupWindow", "deduplicationWindow"),
        ("concurrencyPerKey", "concurrencyPerGroup"), ("ratePerSecondPerKey", "ratePerSecondPerGroup"),
    ].map { RefusedKey("queuePolicy", $0, "which is called \"\($1)\" now") }

    private static let withoutFunction = [
        RefusedKey("files", "staging", "which is a folder below \"store\" always, so that staged files can be moved; leave it out"),
        RefusedKey("files", "reserve", "which is called \"keepFree\""),
        RefusedKey("web", "storeRoot", "expected it once for all processes, as \"store\" below the top-level \"files:\""),
        RefusedKey("web", "scanner", "expected it once for all processes, below the top-level \"files:\""),
        RefusedKey("queuePolicy", "grants", "which has no function in this version, as every lease is synced before it is delivered; leave it out"),
        RefusedKey("broker", "dataDirectory", "which has no function, as the log is in broker/log of the cluster's dataDirectory; leave it out"),
        RefusedKey("broker", "shards", "which has no function in this version, whose broker has one event loop; leave it out"),
        RefusedKey("webTLS", "authority", "which has no function here, as browsers show no certificate; leave it out"),
    ]
}
