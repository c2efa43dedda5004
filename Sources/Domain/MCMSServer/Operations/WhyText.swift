internal import Foundation
internal import MCMS
internal import SpindleText

/// Sentences about why something is where it is. Times are the server's local ones.
struct WhyText {
    let language: HealthLanguage
    var now = Date()
    var zone = TimeZone.current

    private func say(_ english: String, _ korean: String) -> String { language == .ko ? korean : english }

    /// The time of day; with its date where that is another day.
    func time(_ at: Timestamp) -> String {
        let date = Date(timeIntervalSince1970: Double(at.milliseconds) / 1000)
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = zone
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = zone
        formatter.dateFormat = calendar.isDate(date, inSameDayAs: now) ? "HH:mm:ss" : "yyyy-MM-dd HH:mm:ss"
        return formatter.string(from: date)
    }

    func text(of why: MessageWhy) -> String {
        guard let next = next(why) else { return cause(why) }
        return "\(cause(why)); \(next)"
    }

    private func cause(_ why: MessageWhy) -> String {
        let (queue, subject) = (why.queue, why.subject ?? "")
        let reason = why.reason.map { ": \($0)" } ?? ""
        let (count, limit) = (why.count ?? 0, why.limit ?? 0)
        switch why.cause {
        case "leased": return say("leased by ‘\(subject)’, attempt \(count)", "‘\(subject)’이(가) 처리 중입니다(\(count)번째 시도)")
        case "cancelled": return say("cancelled; still held by ‘\(subject)’", "취소되었고 아직 ‘\(subject)’이(가) 잡고 있습니다")
        case "delayed": return say("waits for its time", "예정된 시각을 기다립니다")
        case "backOff": return say("waits after attempt \(count) failed\(reason)", "\(count)번째 시도가 실패하여 잠시 기다립니다\(reason)")
        case "paused": return say("waits: deliveries of ‘\(queue)’ are paused\(reason)", "대기: ‘\(queue)’의 전달이 멈춰 있습니다\(reason)")
        case "concurrency": return say("waits: the queue has \(count) of \(limit) leases", "대기: 큐가 동시에 처리할 수 있는 \(limit)건 중 \(count)건을 처리 중입니다")
        case "rate": return say("waits: the queue delivers \(limit) a second at most", "대기: 큐는 1초에 \(limit)건까지만 전달합니다")
        case "groupOrder":
            return say("waits: an earlier message of group ‘\(subject)’ comes first", "대기: 그룹 ‘\(subject)’의 앞선 메시지가 먼저입니다")
        case "groupConcurrency":
            return say("waits: group ‘\(subject)’ has \(count) of \(limit) leases", "대기: 그룹 ‘\(subject)’이(가) \(limit)건 중 \(count)건을 처리 중입니다")
        case "groupRate": return say("waits: group ‘\(subject)’ gets \(limit) a second at most", "대기: 그룹 ‘\(subject)’은(는) 1초에 \(limit)건까지입니다")
        case "timeToLiveEnded": return say("its time to live ended", "유효 시간이 끝났습니다")
        case "deadLetter": return say("a dead letter of ‘\(subject)’\(reason)", "‘\(subject)’에서 실패하여 보관된 메시지입니다\(reason)")
        case "noConsumer": return say("waits: no worker takes messages of ‘\(queue)’", "대기: ‘\(queue)’의 메시지를 가져가는 작업자가 없습니다")
        case "consumersBusy":
            return say("waits: every worker of ‘\(queue)’ is busy, \(count) messages are leased", "대기: ‘\(queue)’의 작업자가 모두 작업 중입니다(\(count)건 처리 중)")
        case "consumersQuiet": return say("waits: the workers of ‘\(queue)’ were told to be quiet", "대기: ‘\(queue)’의 작업자에게 쉬라고 했습니다")
        case "consumersFull": return say("waits: the workers of ‘\(queue)’ do not read what they were sent", "대기: ‘\(queue)’의 작업자가 받은 것을 읽지 않습니다")
        case "behind": return say("waits: other messages come first", "대기: 다른 메시지가 먼저입니다")
        case "logFull": return say("waits: the broker's log has no room", "대기: 브로커의 로그에 공간이 없습니다")
        case "next": return say("is next, and is delivered now", "다음 차례이며 지금 전달됩니다")
        case "ended": return say("ended: \(why.state)", "끝났습니다: \(why.state)")
        case "moved": return say("is in queue ‘\(subject)’ now\(reason)", "지금은 큐 ‘\(subject)’에 있습니다\(reason)")
        default: return say("waits for what this server does not know: it is older than the broker", "이 서버가 모르는 이유로 기다립니다: 브로커가 더 새롭습니다")
        }
    }

    private func next(_ why: MessageWhy) -> String? {
        guard let next = why.next else { return nil }
        let at = time(next.at)
        switch next.event {
        case "leaseEnds": return say("the lease ends at \(at) unless it is extended", "연장하지 않으면 \(at)에 임대가 끝납니다")
        case "becomesReady": return say("ready at \(at)", "\(at)에 준비됩니다")
        case "rateAllows": return say("next at \(at)", "다음: \(at)")
        case "otherLeaseEnds", "otherBecomesReady": return say("next at the latest \(at)", "늦어도 \(at)에 다음 차례")
        case "timeToLiveEnds": return say("its time to live ends at \(at)", "\(at)에 유효 시간이 끝납니다")
        case "forgotten": return say("known until \(at)", "\(at)까지 기록이 남습니다")
        default: return nil
        }
    }

    // MARK: Jobs

    func ended(_ job: AddinJob) -> String {
        let message = job.message.map { ": \($0)" } ?? ""
        return job.status == .completed ? say("completed\(message)", "완료되었습니다\(message)") : say("failed\(message)", "실패했습니다\(message)")
    }

    func outbox(error: String?, dead: Bool) -> String {
        let reason = error.flatMap { $0.isEmpty ? nil : ": \($0)" } ?? ""
        if dead { return say("its command could not be sent, and is not tried again\(reason)", "명령을 보내지 못했고 다시 시도하지 않습니다\(reason)") }
        return say("its command waits to be sent to the broker\(reason)", "명령이 브로커로 보내지기를 기다립니다\(reason)")
    }

    var resultUnderWay: String {
        say("the add-in has answered; its answer is being taken in", "애드인이 답했고, 그 답을 처리하는 중입니다")
    }

    var unreachable: String {
        say("The broker does not answer: leases of jobs that are under way are missing here.", "브로커가 답하지 않아, 진행 중인 작업의 임대 기록이 빠져 있습니다.")
    }
}
