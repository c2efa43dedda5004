import Foundation
import Synchronization
import Testing

/// Work as it is every day: nothing is wrong, and nothing is said to be.
@Suite struct HealthCalmTests {
    /// A restart that takes longer may be told.
    private static let shortRestart = Duration.seconds(4)

    private struct Day: Sendable {
        var approved = 0
        var files = 0
        var restarts = 0
        var answers = 0
        /// Numbers other than zero that were told.
        var busy: Set<String> = []
        var wrong: [String] = []
        /// Nil: none is under way.
        var restartBegan: ContinuousClock.Instant?
        /// A restart took so long that it could be told.
        var wasSlow = false

        var isSlow: Bool { wasSlow || restartBegan.map { ContinuousClock.now - $0 > HealthCalmTests.shortRestart } ?? false }
    }

    private final class Log: Sendable {
        private let day = Mutex(Day())
        func note<Value: Sendable>(_ body: (inout Day) -> Value) -> Value { day.withLock { body(&$0) } }
    }

    private struct Jobs: Decodable {
        struct Job: Decodable { let status: String }
        let items: [Job]
    }

    /// Generations, uploads, restarts of workers and of the add-in, reloads. In CI for 45 s; `./dev soak health 60` for an hour.
    @Test func nothingIsInventedInNormalWork() async throws {
        let seconds = Machine.count("SPINDLE_HEALTH_SECONDS", 45)
        let roles = try RunningRoles(addin: ["--slow", "700ms"])
        try await roles.startAll(["broker", "bridge", "worker", "files", "addin"])
        try await roles.waitUntil("all is well") { try await HealthAnswer.read(roles).severity == "ok" }
        let day = Log()
        let end = ContinuousClock.now + .seconds(seconds)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await Self.watch(roles, day, until: end) }
            group.addTask { try await Self.approve(roles, day, until: end) }
            group.addTask { try await Self.upload(roles, day, until: end) }
            group.addTask { try await Self.restart(roles, day, until: end) }
            try await group.waitForAll()
        }
        let seen = day.note { $0 }
        let lines = await roles.lastLines()
        #expect(seen.wrong.isEmpty, "\(seen.wrong.count) answers of \(seen.answers) told of problems: \(seen.wrong.prefix(5))\n\(lines)")
        #expect(seen.approved > seconds / 5 && seen.files > 0 && seen.restarts > 0 && seen.answers > seconds, "\(seen)")
        #expect(seen.busy.contains("jobsRunning"), "work was seen: \(seen.busy)")
        try await roles.waitUntil("all generations have ended") {
            try await roles.http("GET", "/api/addin/jobs?limit=500").decode(Jobs.self).items.allSatisfy { $0.status == "completed" }
        }
        print("normal work without a problem: \(seen.restarts) cycles, \(seen.approved) confirmed publishes, \(seen.approved) confirmed acks, \(seen.answers) answers, \(seen.files) files")
        try await roles.stop()
    }

    private static func watch(_ roles: RunningRoles, _ day: Log, until end: ContinuousClock.Instant) async throws {
        while ContinuousClock.now < end {
            let answer = try await HealthAnswer.read(roles)
            day.note { day in
                day.answers += 1
                for number in answer.numbers where (number.value ?? 0) > 0 { day.busy.insert(number.name) }
                let told = answer.problems.filter { !(day.isSlow && ["workers.missing", "addin.missing"].contains($0.kind)) }
                if !told.isEmpty || answer.problems.isEmpty && !answer.sentence.hasPrefix("All is well: ") {
                    day.wrong.append("\(answer.sentence) \(told.map { "\($0.name): \($0.why)" })")
                }
            }
            // Asked again until the deadline, as pages do.
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private static func approve(_ roles: RunningRoles, _ day: Log, until end: ContinuousClock.Instant) async throws {
        struct Routing: Decodable { let id: String }
        while ContinuousClock.now < end {
            let routing = try await roles.http("POST", "/api/routings", body: #"{"name": "day"}"#).decode(Routing.self)
            for action in ["submit", "approve"] {
                #expect(try await roles.http("POST", "/api/routings/\(routing.id)/\(action)", body: "{}").status == 200)
            }
            day.note { $0.approved += 1 }
            // The add-in takes about as long for each; ends with the deadline.
            try await Task.sleep(for: .milliseconds(900))
        }
    }

    private static func upload(_ roles: RunningRoles, _ day: Log, until end: ContinuousClock.Instant) async throws {
        let source = roles.directory.path + "/part.nc"
        let routing = try await FileTools.routing(roles)
        while ContinuousClock.now < end {
            try FileTools.write(300_000, to: source)
            _ = try await FileTools.put(roles, source, routing: routing)
            day.note { $0.files += 1 }
            // Until the deadline.
            try await Task.sleep(for: .seconds(3))
        }
    }

    /// As on a day when programs are renewed: each is stopped and started again at once; broker and web server read their files again.
    private static func restart(_ roles: RunningRoles, _ day: Log, until end: ContinuousClock.Instant) async throws {
        for role in Array(repeating: ["worker", "addin", "files"], count: 1_000).joined() {
            // Until the deadline.
            try await Task.sleep(for: .seconds(5))
            guard ContinuousClock.now < end else { return }
            let began = ContinuousClock.now
            day.note { $0.restartBegan = began }
            try await roles.send(SIGTERM, to: role)
            #expect(try await roles.end(of: role) == 0)
            try await roles.start(role)
            try await roles.waitUntil("\(role) is back") { await roles.errors(of: role).contains("is ready") }
            day.note { day in
                day.restarts += 1
                // From then on it can't be told what was invented.
                day.wasSlow = day.isSlow
                day.restartBegan = nil
            }
            for other in ["broker", "bridge"] { try await roles.send(SIGHUP, to: other) }
        }
    }
}
