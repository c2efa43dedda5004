import MCMSServer
import SpindleText
import Testing

/// How long guessing takes.
@Suite struct SignInBrakeTests {
    private static func at(_ milliseconds: Int64) -> Timestamp { Timestamp(milliseconds: milliseconds) }

    /// Tries of one name from one address, each as soon as the last one's pause is over. Returns the pauses.
    private func pauses(_ brake: inout SignInBrake, _ count: Int, name: (Int) -> String, address: (Int) -> String) -> [Int64] {
        var now: Int64 = 0
        return (0..<count).map { number in
            var waited: Int64 = 0
            while true {
                let wait = brake.begin(name: name(number), address: address(number), now: Self.at(now))
                if wait == 0 { return waited }
                waited += wait
                now += wait
            }
        }
    }

    @Test func aNameThatIsGuessedAtAnswersSlowerAndSlower() {
        var brake = SignInBrake()
        let pauses = pauses(&brake, 14, name: { _ in "kim" }, address: { "10.0.0.\($0)" })
        #expect(pauses == [0, 0, 0, 0, 0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000])
    }

    @Test func anAddressThatGuessesNamesWaitsLonger() {
        var brake = SignInBrake()
        let pauses = pauses(&brake, 33, name: { "name-\($0)" }, address: { _ in "10.0.0.5" })
        #expect(pauses.prefix(21).allSatisfy { $0 == 0 } && pauses[21] == 1_000 && pauses.max() == 900_000, "\(pauses)")
    }

    @Test func manyAtOnceGainNothing() {
        var brake = SignInBrake()
        let let_in = (0..<100).filter { _ in brake.begin(name: "kim", address: "a", now: Self.at(0)) == 0 }.count
        #expect(let_in == 6)
    }

    @Test func aRightPasswordForgivesTheNameAndNotTheAddress() {
        var brake = SignInBrake()
        // Somebody with an account of their own guesses at others between two sign-ins.
        var tries = 0
        while brake.begin(name: "victim-\(tries)", address: "a", now: Self.at(0)) == 0, tries < 1_000 {
            tries += 1
            if brake.begin(name: "own", address: "a", now: Self.at(0)) == 0 { brake.succeeded(name: "own", address: "a") }
        }
        #expect(tries <= 21, "\(tries)")
        for _ in 0..<5 { #expect(brake.begin(name: "kim", address: "b", now: Self.at(0)) == 0) }
        brake.succeeded(name: "kim", address: "b")
        for _ in 0..<6 { #expect(brake.begin(name: "kim", address: "c", now: Self.at(0)) == 0, "the count begins again") }
    }

    @Test func whatWasNotComparedCountsNothing() {
        var brake = SignInBrake()
        for _ in 0..<100 {
            #expect(brake.begin(name: "kim", address: "a", now: Self.at(0)) == 0)
            brake.abandoned(name: "kim", address: "a")
        }
    }

    @Test func failuresAreForgottenAndTheMemoryIsBounded() {
        var brake = SignInBrake()
        for _ in 0..<6 { _ = brake.begin(name: "kim", address: "a", now: Self.at(0)) }
        #expect(brake.begin(name: "kim", address: "b", now: Self.at(500)) > 0)
        #expect(brake.begin(name: "kim", address: "b", now: Self.at(SignInBrake.memoryMilliseconds)) == 0)
        var other = SignInBrake()
        for _ in 0..<6 { _ = other.begin(name: "kim", address: "a", now: Self.at(0)) }
        for number in 1...SignInBrake.entriesMax { _ = other.begin(name: "n\(number)", address: "a\(number)", now: Self.at(Int64(number))) }
        #expect(other.begin(name: "kim", address: "z", now: Self.at(500)) == 0, "the one that was quiet longest is forgotten")
    }
}
