import SpindleQueue
import Testing

@Suite struct HeldMessagesTests {
    private static func leased(_ id: UInt64, at now: UInt64, for duration: UInt64) -> HeldMessage {
        HeldMessage(
            id: id, byteCount: 100, queue: 0, storedAt: 0, priority: 4,
            state: .leased(.init(deadline: now + duration, duration: duration, leasedAt: now, holder: "w")))
    }

    @Test func leasesEndInTheOrderOfTheirDeadlinesWhateverTheirDurations() {
        var held = HeldMessages()
        // id, granted at, duration
        for (id, at, duration) in [(1, 0, 32), (2, 1, 8), (3, 2, 32), (4, 3, 16), (5, 4, 8)] as [(UInt64, UInt64, UInt64)] {
            held.insert(Self.leased(id, at: at, for: duration))
        }
        var order: [UInt64] = []
        while let first = held.earliestLease {
            order.append(first.id)
            held.remove(first.id)
        }
        #expect(order == [2, 5, 4, 1, 3])
    }

    @Test func anExtendedLeaseEndsLater() {
        var held = HeldMessages()
        held.insert(Self.leased(1, at: 0, for: 32))
        held.insert(Self.leased(2, at: 1, for: 32))
        held.update(1) { $0.state = .leased(.init(deadline: 42, duration: 32, leasedAt: 0, holder: "w")) }
        #expect(held.earliestLease?.id == 2)
        held.update(2) { $0.state = .ready }
        #expect(held.earliestLease?.id == 1)
        #expect(held.lowestAddress == 1)
        held.remove(1)
        #expect(held.earliestLease == nil)
        #expect(held.all.map(\.id) == [2])
    }

    @Test(arguments: [1, 15, 16, 17, 100, 999, 30_000, 43_200_000, 315_576_000_000] as [UInt64])
    func aLeaseIsNeverShorterAndAtMostASixteenthLonger(_ asked: UInt64) {
        let given = HeldMessages.leaseDuration(asked)
        #expect(given >= asked)
        #expect(given <= asked + asked / 8)
        #expect(HeldMessages.leaseDuration(given) == given, "a duration that was given is given again")
    }

    /// Ids that meet in the table, come and go: each is found as long as it is there, and once only.
    @Test(arguments: [1, 170, 1 << 32, 0x9E37_79B9_7F4A_7C15] as [UInt64])
    func everyIDIsFoundHoweverTheyAreSpaced(_ spacing: UInt64) {
        var held = HeldMessages()
        var known: Set<UInt64> = []
        var chance = EngineRun.Chance(state: spacing)
        for _ in 0..<5000 {
            let id = UInt64(chance.below(700)) &* spacing
            if chance.percent(55) {
                #expect(held.insert(Self.leased(id, at: 0, for: 32)) == known.insert(id).inserted)
            } else {
                #expect(held.remove(id) == (known.remove(id) != nil))
            }
            #expect(held.count == known.count)
            let other = UInt64(chance.below(700)) &* spacing
            #expect(held.find(other)?.id == (known.contains(other) ? other : nil))
        }
        #expect(held.all.map(\.id) == known.sorted())
    }
}
