/// What is wrong, in English.
struct EnglishHealth: HealthWords {
    var starting: String { "Spindle is starting: not everything was looked at yet" }

    func allIsWell(_ numbers: HealthReport.Numbers?) -> String {
        guard let numbers else { return "All is well" }
        let running = numbers.jobsRunning == 0 ? "no job runs" : numbers.jobsRunning == 1 ? "1 job runs" : "\(numbers.jobsRunning) jobs run"
        return "All is well: \(running), " + (numbers.jobsWaiting == 0 ? "none waits" : "the oldest waits \(duration(Double(numbers.oldestWaitSeconds)))")
    }

    func sentence(_ parts: HealthText.Parts) -> String {
        let more = parts.more == 0 ? nil : parts.more == 1 ? "1 more problem" : "\(parts.more) more problems"
        return ([parts.headline + (parts.since.map { " " + $0 } ?? "")] + [parts.waits, parts.calm, more].compactMap { $0 }).joined(separator: "; ")
    }

    func since(_ time: HealthText.Moment) -> String {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let month = months.indices.contains(time.month - 1) ? months[time.month - 1] : "\(time.month)"
        return "since \(time.clock)" + (time.isToday ? "" : " on \(time.day) \(month)")
    }

    func headline(_ problem: HealthProblem) -> String {
        let subject = problem.key.subject
        let (count, amount) = (problem.count ?? 0, problem.amount ?? 0)
        switch problem.key.kind {
        case .brokerUnreachable: return "The broker doesn't answer"
        case .brokerRefuses: return "The broker refuses the web server"
        case .databaseUnavailable: return "The database can't be used"
        case .shareUnreadable: return "The share \(subject) can't be read"
        case .shareReadOnly: return "The share \(subject) can't be written"
        case .storeUnwritable: return "The store of files can't be written"
        case .scannerUnreachable: return "The virus scanner doesn't answer"
        case .scannerUndecided: return "No virus scanner is set up"
        case .workersMissing: return amount > 1 ? "\(Int(amount)) workers of “\(subject)” are missing" : "A worker of “\(subject)” is missing"
        case .workersQuiet: return "All workers of “\(subject)” are told to be quiet"
        case .addinMissing: return "No add-in is connected"
        case .queuePaused: return "The queue “\(subject)” is paused"
        case .queueFull: return amount >= 100 ? "The queue “\(subject)” is full" : "The queue “\(subject)” is \(Int(amount)) % full"
        case .queueWaits: return "The oldest message of “\(subject)” waits \(duration(amount))"
        case .queueFails: return "Every attempt in “\(subject)” fails"
        case .deadLetters: return count == 1 ? "1 dead letter lies in “\(subject)”" : "\(count) dead letters lie in “\(subject)”"
        case .outboxStuck: return "Messages can't leave the outbox"
        case .outboxDead: return count == 1 ? "1 message of the outbox was given up" : "\(count) messages of the outbox were given up"
        case .diskFull: return "The disk of \(subject) is \(problem.severity == .error ? "full" : "nearly full"): \(HealthFigures.bytes(amount)) are free"
        case .diskFiles: return "The disk of \(subject) takes hardly any more files"
        case .certificateEnds:
            let name = HealthFigures.fileName(subject)
            return amount <= 0 ? "The certificate \(name) has expired" : "The certificate \(name) expires in \(days(amount))"
        case .certificateUnusable: return "The certificate \(HealthFigures.fileName(subject)) can't be used"
        case .clockJumped: return "The clock of the web server was set \(amount < 0 ? "back" : "forward") by \(duration(abs(amount)))"
        case .clockDiffers: return "The broker's clock is \(duration(abs(amount))) \(amount < 0 ? "behind" : "ahead of") the web server's"
        }
    }

    func waits(_ problem: HealthProblem) -> String? {
        guard let count = problem.count, count > 0 else { return nil }
        func say(_ one: String, _ many: String) -> String { count == 1 ? "1 \(one) waits" : "\(count) \(many) wait" }
        switch problem.key.kind {
        case .brokerUnreachable, .brokerRefuses, .queuePaused, .outboxStuck, .queueWaits: return say("message", "messages")
        case .shareUnreadable, .shareReadOnly, .workersMissing, .workersQuiet, .addinMissing: return say("job", "jobs")
        case .storeUnwritable, .scannerUnreachable, .scannerUndecided: return say("file", "files")
        case .databaseUnavailable, .queueFull, .queueFails, .deadLetters, .outboxDead, .diskFull, .diskFiles, .certificateEnds, .certificateUnusable,
            .clockJumped, .clockDiffers:
            return nil
        }
    }

    func calm(_ kind: HealthKind) -> String? {
        switch kind {
        case .brokerUnreachable, .brokerRefuses, .databaseUnavailable, .shareUnreadable, .shareReadOnly, .storeUnwritable, .scannerUnreachable,
            .scannerUndecided, .workersMissing, .workersQuiet, .addinMissing, .queuePaused, .queueFull, .queueWaits, .queueFails, .deadLetters,
            .outboxStuck, .outboxDead, .diskFull:
            "nothing is lost"
        case .diskFiles, .certificateEnds, .certificateUnusable, .clockJumped, .clockDiffers: nil
        }
    }

    func why(_ problem: HealthProblem) -> String {
        let reason = problem.reason.isEmpty ? "" : "\(problem.reason). "
        switch problem.key.kind {
        case .brokerUnreachable: return "\(reason)What is new waits in the database, and is sent when the broker is back."
        case .brokerRefuses:
            return "\(reason)Its token was changed, or its principal lacks “read” for all queues. Correct that, then restart the web server."
        case .databaseUnavailable: return "\(reason)Changes are refused meanwhile. What was confirmed is on the disk."
        case .shareUnreadable: return "\(reason)Files and results that need the share wait, and go on when it is back."
        case .shareReadOnly: return "It is mounted read-only. Files that go there wait, and go on when it can be written."
        case .storeUnwritable: return "\(reason)Uploads are refused, and files that have come wait."
        case .scannerUnreachable: return "\(reason)Files wait unscanned, and are scanned when it is back."
        case .scannerUndecided: return "The description of the cluster has no “scanner:” under “files:”. Uploads wait until it says who scans, or “none”."
        case .workersMissing: return "The description says that they run, and they are not connected to the broker: they have ended, or can't reach it."
        case .workersQuiet: return "An operator told them to take nothing new."
        case .addinMissing: return "It has ended, or can't reach the broker. Generations wait for it."
        case .queuePaused: return problem.reason.isEmpty ? "An operator paused it, without a reason." : "An operator paused it: \(problem.reason)."
        case .queueFull: return "It is at its limit of messages or bytes: publishes are refused, and wait with those who publish."
        case .queueWaits: return "Nobody takes it, or the workers have too much to do."
        case .queueFails: return "\(problem.count ?? 0) attempts failed one after another, and none succeeded. After the last attempt a message becomes a dead letter."
        case .deadLetters: return "All attempts of these messages failed. They are kept until somebody puts them back or removes them."
        case .outboxStuck:
            return problem.reason.isEmpty ? "No process sends them, though the broker answers." : "The broker refuses the oldest: \(problem.reason)."
        case .outboxDead: return "The broker refused them too often. They are kept until somebody sends them again."
        case .diskFull: return "\(problem.reason): when it is full, uploads and new messages are refused; work that was taken goes on."
        case .diskFiles: return "\(problem.reason): of the files that the file system can hold, \(Int(problem.amount ?? 0)) % are left."
        case .certificateEnds: return "\(problem.key.subject): from then on nobody accepts it. Replace it, then send SIGHUP."
        case .certificateUnusable:
            return problem.reason.isEmpty
                ? "\(problem.key.subject) is good only in \(days(problem.amount ?? 0)): is the clock of this machine right?" : "\(reason)Replace it, then send SIGHUP."
        case .clockJumped: return "Times of what happened around then are not in order. Let the clock be set by NTP, in small steps."
        case .clockDiffers: return "Times from the two machines don't fit together. Let NTP set both clocks."
        }
    }

    func label(_ kind: HealthKind) -> String {
        switch kind {
        case .brokerUnreachable, .databaseUnavailable, .brokerRefuses, .shareUnreadable, .shareReadOnly, .storeUnwritable, .scannerUnreachable,
            .scannerUndecided, .diskFull, .diskFiles, .clockJumped, .clockDiffers:
            "Show the system"
        case .workersMissing, .workersQuiet, .addinMissing: "Show the workers"
        case .queuePaused, .queueFull, .queueWaits, .queueFails: "Show the queue"
        case .deadLetters: "Show the dead letters"
        case .outboxStuck, .outboxDead: "Show the outbox"
        case .certificateEnds, .certificateUnusable: "Show the certificates"
        }
    }

    private func days(_ count: Double) -> String { count < 1 ? "less than a day" : Int(count) == 1 ? "1 day" : "\(Int(count)) days" }

    private func duration(_ seconds: Double) -> String {
        switch seconds {
        case ..<120: "\(Int(seconds)) s"
        case ..<7_200: "\(Int(seconds / 60)) min"
        case ..<172_800: "\(Int(seconds / 3_600)) h"
        default: "\(Int(seconds / 86_400)) days"
        }
    }
}
