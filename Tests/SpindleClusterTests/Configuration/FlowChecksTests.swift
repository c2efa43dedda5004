import SpindleCluster
import Testing

/// Limits of a broker that are each right by themselves and can't work together.
@Suite struct FlowChecksTests {
    @Test(arguments: [
        ("      frameBytes: 16 MiB", "      frameBytes: 64 KiB", "allow at least 131072"),
        ("      frameBytes: 16 MiB", "      frameBytes: 32 MiB", "allow at most 16777216"),
        ("      outputBuffer: 8 MiB", "      outputBuffer: 4 KiB", "allow at least 65536"),
        ("      outputBuffer: 8 MiB", "      outputBuffer: 512 MiB", "allow at most 268435456"),
        ("    limits:\n", "    log: {segment: 8 MiB}\n    limits:\n", "make frames smaller or segments larger"),
    ])
    func limitsThatCannotWorkTogether(find: String, replace: String, says: String) throws {
        let text = ClusterConfiguration.pocText.replacing(find, with: replace)
        #expect(text != ClusterConfiguration.pocText)
        let errors = ConfigurationErrorTests.errors(in: text)
        #expect(errors.count == 1, "\(errors)")
        #expect(errors.first?.path == "brokers[0].limits")
        #expect(errors.first?.problem.contains(says) == true, "\(errors)")
    }
}
