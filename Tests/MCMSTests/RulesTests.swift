import Foundation
import MCMS
import SpindleText
import Testing

@Suite struct RulesTests {
    /// Every action in every state: what isn't in this table must be refused.
    @Test(arguments: RoutingStatus.allCases, GenerationStatus.allCases)
    func routingTransitions(status: RoutingStatus, generation: GenerationStatus) {
        let state = RoutingState(status: status, generation: generation)
        let expected: [RoutingAction: RoutingState] =
            switch (status, generation) {
            case (.draft, _), (.rejected, _): [.submit: RoutingState(status: .pendingApproval, generation: generation)]
            case (.pendingApproval, _):
                [
                    .approve: RoutingState(status: .approved, generation: .queued),
                    .reject: RoutingState(status: .rejected, generation: generation),
                ]
            case (.approved, .failed): [.retryGeneration: RoutingState(status: .approved, generation: .queued)]
            case (.approved, _): [:]
            }
        for action in RoutingAction.allCases {
            #expect((try? RoutingRules.next(state, action)) == expected[action], "\(action) in \(state)")
        }
        #expect(Set(RoutingRules.legalActions(in: state)) == Set(expected.keys))
    }

    @Test func anIllegalTransitionSaysWhatIsPossible() {
        do throws(IllegalTransition) {
            _ = try RoutingRules.next(RoutingState(status: .approved, generation: .failed), .approve)
            Issue.record("an approved routing was approved")
        } catch {
            #expect(
                error.description
                    == "“approve” is not possible while the routing is approved, generation failed. Possible now: retry-generation.")
        }
    }

    @Test(arguments: [
        (job: AddinJobStatus.created, recorded: String?.none, report: AddinResultStatus.running, expected: AddinReportDecision.progress),
        (.created, nil, .completed, .finish), (.created, nil, .failed, .finish),
        (.leased, nil, .running, .progress), (.leased, nil, .completed, .finish), (.leased, nil, .failed, .finish),
        (.completed, "x", .running, .late), (.completed, "x", .completed, .repeated), (.completed, "y", .completed, .ignored),
        (.completed, "y", .failed, .ignored),
        (.failed, "x", .running, .late), (.failed, "x", .failed, .repeated), (.failed, "y", .failed, .ignored),
        (.failed, "y", .completed, .ignored),
    ])
    func reports(job: AddinJobStatus, recorded: String?, report: AddinResultStatus, expected: AddinReportDecision) {
        #expect(AddinJobRules.decide(job: job, recorded: recorded, report: report, reported: "x") == expected)
    }

    @Test(arguments: [
        (Int64(0), "1970-01-01T00:00:00.000Z"), (1, "1970-01-01T00:00:00.001Z"), (999, "1970-01-01T00:00:00.999Z"),
        (1_769_851_800_250, "2026-01-31T09:30:00.250Z"), (951_782_399_999, "2000-02-28T23:59:59.999Z"), (-1, "1969-12-31T23:59:59.999Z"),
    ])
    func timestampsAreRFC3339WithMilliseconds(milliseconds: Int64, text: String) {
        #expect(Timestamp(milliseconds: milliseconds).rfc3339 == text)
        #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test func everyMillisecondOfASecondComesBack() {
        for milliseconds in Int64(1_769_851_800_000)..<1_769_851_801_000 {
            let time = Timestamp(milliseconds: milliseconds)
            #expect(Timestamp(rfc3339: time.rfc3339) == time)
        }
    }

    @Test func idsSortByTimeAndAreUUIDsOfVersion7() throws {
        let ids = (0..<100).map { TimeOrderedID.make(at: Timestamp(milliseconds: 1_800_000_000_000 + $0)) }
        #expect(ids == ids.sorted())
        for id in ids {
            #expect(UUID(uuidString: id) != nil)
            #expect(id.dropFirst(14).first == "7")
            #expect("89ab".contains(try #require(id.dropFirst(19).first)))
        }
        #expect(Set((0..<1_000).map { _ in TimeOrderedID.make(at: Timestamp(milliseconds: 5)) }).count == 1_000)
    }

    @Test(arguments: [
        (#"{}"#, "the field “jobId” is missing"),
        (#"{"jobId":7,"resultStatus":"failed"}"#, "the field “jobId” must be text"),
        (#"{"jobId":"j","resultStatus":"done"}"#, "the field “resultStatus” is “done”, and must be one of running, completed, failed"),
        (#"{"jobId":"j","resultStatus":"completed","outputs":{}}"#, "the field “outputs” must be a list"),
        (#"{"jobId":"j","resultStatus":"completed","outputs":["a",{"size":1}]}"#, "the field “outputs[1].path” is missing"),
        (#"{"jobId":"j","resultStatus":"completed","outputs":[{"path":"a","size":-1}]}"#, "the field “outputs[0].size” must not be negative"),
        (
            #"{"jobId":"j","resultStatus":"completed","outputs":[{"path":"a","sha256":"xyz"}]}"#,
            "the field “outputs[0].sha256” must be 64 hexadecimal digits"
        ),
        (#"{"jobId":"j","resultStatus":"running","progress":101}"#, "the field “progress” must be from 0 to 100"),
        (
            #"{"jobId":"7e3","resultStatus":"completed","outputs":[{"path":"a 1.5 \"2e9\"","size":1.5},{"path":"b","size":9223372036854775808}]}"#,
            "the content holds the number 9223372036854775808: whole numbers from -9223372036854775808 to 9223372036854775807 are understood here"
        ),
        (
            #"{"jobId":"j","resultStatus":"running","progress":1e30}"#,
            "the content holds the number 1e30: whole numbers from -9223372036854775808 to 9223372036854775807 are understood here"
        ),
        (#"{"jobId":"j","progress":9223372036854775808"#, "the content is not valid JSON"),
        (#"{"jobId":"j""#, "the content is not valid JSON"),
        ("", "the content is not valid JSON"),
    ])
    func malformedCommandsAreExplained(json: String, problem: String) {
        #expect(throws: MalformedJSON.self) { try MCMSJSON.decode(AddinJobResultCommand.self, from: json.utf8) }
        do throws(MalformedJSON) {
            _ = try MCMSJSON.decode(AddinJobResultCommand.self, from: json.utf8)
        } catch {
            #expect(error.description == problem)
        }
    }

    @Test func commandsOfOtherLanguagesAreUnderstood() throws {
        let json = #"{"jobId":"j","resultStatus":"Completed","outputs":["W:\\a.nc",{"path":"b","sha256":null,"extra":1}],"unknown":{"x":[]}}"#
        let command = try MCMSJSON.decode(AddinJobResultCommand.self, from: json.utf8)
        #expect(command.report == AddinReport(.completed, outputs: [ReportedOutput(path: #"W:\a.nc"#), ReportedOutput(path: "b")]))
        #expect(command.routingId == nil)
    }

    @Test func theOrderOfOutputsMakesNoDifferenceAndEverythingElseDoes() throws {
        let a = ReportedOutput(path: "a", size: 1)
        let b = ReportedOutput(path: "b")
        let base = AddinReport(.completed, message: "m", outputs: [a, b])
        #expect(try base.fingerprint == AddinReport(.completed, message: "m", outputs: [b, a]).fingerprint)
        for other in [
            AddinReport(.failed, message: "m", outputs: [a, b]), AddinReport(.completed, message: "n", outputs: [a, b]),
            AddinReport(.completed, outputs: [a, b]), AddinReport(.completed, message: "m", outputs: [a]),
            AddinReport(.completed, message: "m", outputs: [ReportedOutput(path: "a", size: 2), b]),
        ] {
            #expect(try base.fingerprint != other.fingerprint)
        }
    }

    @Test func commandsComeBackAsTheyWereWritten() throws {
        let command = AddinJobResultCommand(
            jobId: "j", routingId: "r", report: AddinReport(.completed, message: "완료 \"/\" \u{1F600}", outputs: [ReportedOutput(path: "가/나.nc")]),
            reportedBy: "addin")
        let bytes = try MCMSJSON.encode(command)
        #expect(try MCMSJSON.decode(AddinJobResultCommand.self, from: bytes) == command)
        #expect(String(decoding: bytes, as: UTF8.self).contains(#""path":"가/나.nc""#))
    }
}
