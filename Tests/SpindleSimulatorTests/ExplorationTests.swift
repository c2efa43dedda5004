import SpindleSimulator
import Testing

@Suite struct ExplorationTests {
    @Test func crashAtEveryInputOutputAndInEveryRecovery() {
        var exploration = CrashExploration()
        exploration.run()
        print("exhaustive:", exploration.description)
        #expect(exploration.violations.isEmpty, "\(exploration.violations)")
        #expect(exploration.inputOutputs > 50)
        #expect(exploration.crashes > 300)
        #expect(exploration.crashesInRecovery > 2_000)
    }

    @Test func everyBitOfALog() throws {
        var exploration = BitExploration()
        try exploration.run()
        print("bits:", exploration.description)
        #expect(exploration.violations.isEmpty, "\(exploration.violations.prefix(5))")
        #expect(exploration.bits == 524_288)
        #expect(exploration.refused > 400_000)
    }
}
