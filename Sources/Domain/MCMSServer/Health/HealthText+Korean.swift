/// What is wrong, in Korean.
struct KoreanHealth: HealthWords {
    var starting: String { "Spindle을 시작하는 중입니다. 아직 모두 확인하지 못했습니다" }

    func allIsWell(_ numbers: HealthReport.Numbers?) -> String {
        guard let numbers else { return "모두 정상입니다" }
        let running = numbers.jobsRunning == 0 ? "실행 중인 작업이 없고" : "작업 \(numbers.jobsRunning)건이 실행 중이고"
        return "모두 정상입니다: \(running), "
            + (numbers.jobsWaiting == 0 ? "대기 중인 작업이 없습니다" : "가장 오래 기다린 작업은 \(duration(Double(numbers.oldestWaitSeconds)))째 대기 중입니다")
    }

    func sentence(_ parts: HealthText.Parts) -> String {
        let more = parts.more == 0 ? nil : "다른 문제 \(parts.more)건"
        return ([(parts.since.map { $0 + " " } ?? "") + parts.headline] + [parts.waits, parts.calm, more].compactMap { $0 }).joined(separator: "; ")
    }

    func since(_ time: HealthText.Moment) -> String { (time.isToday ? "" : "\(time.month)월 \(time.day)일 ") + "\(time.clock)부터" }

    func headline(_ problem: HealthProblem) -> String {
        let subject = problem.key.subject
        let (count, amount) = (problem.count ?? 0, problem.amount ?? 0)
        switch problem.key.kind {
        case .brokerUnreachable: return "브로커가 응답하지 않습니다"
        case .brokerRefuses: return "브로커가 웹 서버를 거부합니다"
        case .databaseUnavailable: return "데이터베이스를 사용할 수 없습니다"
        case .shareUnreadable: return "공유 폴더(\(subject))를 읽을 수 없습니다"
        case .shareReadOnly: return "공유 폴더(\(subject))에 쓸 수 없습니다"
        case .storeUnwritable: return "파일 저장소에 쓸 수 없습니다"
        case .scannerUnreachable: return "바이러스 검사기가 응답하지 않습니다"
        case .scannerUndecided: return "바이러스 검사기가 설정되지 않았습니다"
        case .workersMissing: return "“\(subject)” 그룹의 작업자 \(max(1, Int(amount)))개가 연결되어 있지 않습니다"
        case .workersQuiet: return "“\(subject)” 그룹의 작업자가 모두 대기 지시를 받은 상태입니다"
        case .addinMissing: return "연결된 애드인이 없습니다"
        case .queuePaused: return "“\(subject)” 대기열이 일시 중지되었습니다"
        case .queueFull: return amount >= 100 ? "“\(subject)” 대기열이 가득 찼습니다" : "“\(subject)” 대기열이 \(Int(amount)) % 찼습니다"
        case .queueWaits: return "“\(subject)” 대기열에서 가장 오래된 메시지가 \(duration(amount))째 대기 중입니다"
        case .queueFails: return "“\(subject)” 대기열의 시도가 모두 실패합니다"
        case .deadLetters: return "“\(subject)” 대기열에 처리하지 못한 메시지가 \(count)건 있습니다"
        case .outboxStuck: return "메시지를 아웃박스에서 보내지 못하고 있습니다"
        case .outboxDead: return "아웃박스에서 전송을 포기한 메시지가 \(count)건 있습니다"
        case .diskFull: return "디스크(\(uses(subject)))가 \(problem.severity == .error ? "가득 찼습니다" : "거의 가득 찼습니다"): 남은 공간 \(HealthFigures.bytes(amount))"
        case .diskFiles: return "디스크(\(uses(subject)))에 파일을 더 만들 수 없게 되어 갑니다"
        case .certificateEnds:
            let name = HealthFigures.fileName(subject)
            return amount <= 0 ? "인증서 \(name): 만료되었습니다" : "인증서 \(name): \(days(amount)) 후 만료됩니다"
        case .certificateUnusable: return "인증서 \(HealthFigures.fileName(subject)): 사용할 수 없습니다"
        case .clockJumped: return "웹 서버의 시계가 \(duration(abs(amount))) \(amount < 0 ? "뒤로" : "앞으로") 변경되었습니다"
        case .clockDiffers: return "브로커의 시계가 웹 서버보다 \(duration(abs(amount))) \(amount < 0 ? "늦습니다" : "빠릅니다")"
        }
    }

    func waits(_ problem: HealthProblem) -> String? {
        guard let count = problem.count, count > 0 else { return nil }
        switch problem.key.kind {
        case .brokerUnreachable, .brokerRefuses, .queuePaused, .outboxStuck, .queueWaits: return "메시지 \(count)건이 대기 중입니다"
        case .shareUnreadable, .shareReadOnly, .workersMissing, .workersQuiet, .addinMissing: return "작업 \(count)건이 대기 중입니다"
        case .storeUnwritable, .scannerUnreachable, .scannerUndecided: return "파일 \(count)개가 대기 중입니다"
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
            "잃은 것은 없습니다"
        case .diskFiles, .certificateEnds, .certificateUnusable, .clockJumped, .clockDiffers: nil
        }
    }

    func why(_ problem: HealthProblem) -> String {
        let reason = problem.reason.isEmpty ? "" : "\(problem.reason). "
        switch problem.key.kind {
        case .brokerUnreachable: return "\(reason)새 메시지는 데이터베이스에서 기다리다가 브로커가 돌아오면 전송됩니다."
        case .brokerRefuses: return "\(reason)토큰이 바뀌었거나, 모든 대기열에 대한 “read” 권한이 빠졌습니다. 바로잡은 뒤 웹 서버를 다시 시작하십시오."
        case .databaseUnavailable: return "\(reason)그동안 변경은 거부됩니다. 확인된 내용은 디스크에 있습니다."
        case .shareUnreadable: return "\(reason)공유 폴더가 필요한 파일과 결과는 기다리다가 폴더가 돌아오면 계속됩니다."
        case .shareReadOnly: return "읽기 전용으로 연결되어 있습니다. 저장할 파일은 쓸 수 있게 될 때까지 기다립니다."
        case .storeUnwritable: return "\(reason)업로드는 거부되고, 이미 받은 파일은 기다립니다."
        case .scannerUnreachable: return "\(reason)파일은 검사되지 않은 채 기다리다가 검사기가 돌아오면 검사됩니다."
        case .scannerUndecided: return "클러스터 설명의 “files:” 아래에 “scanner:” 항목이 없습니다. 검사기나 “none”을 적을 때까지 업로드가 기다립니다."
        case .workersMissing: return "설명에는 실행된다고 되어 있으나 브로커에 연결되어 있지 않습니다. 종료되었거나 브로커에 닿지 못합니다."
        case .workersQuiet: return "운영자가 새 작업을 받지 않도록 지시했습니다."
        case .addinMissing: return "종료되었거나 브로커에 닿지 못합니다. 생성 작업이 애드인을 기다립니다."
        case .queuePaused: return problem.reason.isEmpty ? "운영자가 이유 없이 일시 중지했습니다." : "운영자가 일시 중지했습니다: \(problem.reason)."
        case .queueFull: return "메시지 수나 바이트의 한도에 이르렀습니다. 새 메시지는 거부되어 보내는 쪽에서 기다립니다."
        case .queueWaits: return "아무도 가져가지 않거나, 작업자가 처리할 일이 너무 많습니다."
        case .queueFails: return "\(problem.count ?? 0)번의 시도가 잇달아 실패했고 성공한 것이 없습니다. 마지막 시도까지 실패하면 보관 대기열로 옮겨집니다."
        case .deadLetters: return "이 메시지들의 모든 시도가 실패했습니다. 누군가 되돌리거나 지울 때까지 보관됩니다."
        case .outboxStuck:
            return problem.reason.isEmpty ? "브로커는 응답하지만 메시지를 보내는 프로세스가 없습니다." : "브로커가 가장 오래된 메시지를 거부합니다: \(problem.reason)."
        case .outboxDead: return "브로커가 너무 여러 번 거부했습니다. 누군가 다시 보낼 때까지 보관됩니다."
        case .diskFull: return "\(problem.reason): 가득 차면 업로드와 새 메시지가 거부됩니다. 이미 받은 작업은 계속됩니다."
        case .diskFiles: return "\(problem.reason): 파일 시스템이 담을 수 있는 파일 수의 \(Int(problem.amount ?? 0)) %만 남았습니다."
        case .certificateEnds: return "\(problem.key.subject): 만료되면 아무도 받아들이지 않습니다. 교체한 뒤 SIGHUP을 보내십시오."
        case .certificateUnusable:
            return problem.reason.isEmpty
                ? "\(problem.key.subject): \(days(problem.amount ?? 0)) 후부터 유효합니다. 이 컴퓨터의 시계가 맞습니까?" : "\(reason)교체한 뒤 SIGHUP을 보내십시오."
        case .clockJumped: return "그 무렵 일어난 일들의 시각은 순서가 맞지 않을 수 있습니다. 시계를 NTP로 조금씩 맞추십시오."
        case .clockDiffers: return "두 컴퓨터의 시각이 서로 맞지 않습니다. 두 시계를 모두 NTP로 맞추십시오."
        }
    }

    func label(_ kind: HealthKind) -> String {
        switch kind {
        case .brokerUnreachable, .databaseUnavailable, .brokerRefuses, .shareUnreadable, .shareReadOnly, .storeUnwritable, .scannerUnreachable,
            .scannerUndecided, .diskFull, .diskFiles, .clockJumped, .clockDiffers:
            "시스템 보기"
        case .workersMissing, .workersQuiet, .addinMissing: "작업자 보기"
        case .queuePaused, .queueFull, .queueWaits, .queueFails: "대기열 보기"
        case .deadLetters: "메시지 보기"
        case .outboxStuck, .outboxDead: "아웃박스 보기"
        case .certificateEnds, .certificateUnusable: "인증서 보기"
        }
    }

    /// Of disks, as the facts name them.
    private func uses(_ subject: String) -> String {
        subject.split(separator: ",").map { use in
            switch use.trimmingPrefix(" ") {
            case "data": "데이터"
            case "files": "파일"
            case "share": "공유 폴더"
            case "database": "데이터베이스"
            case let other: String(other)
            }
        }.joined(separator: ", ")
    }

    private func days(_ count: Double) -> String { count < 1 ? "하루 이내" : "\(Int(count))일" }

    private func duration(_ seconds: Double) -> String {
        switch seconds {
        case ..<120: "\(Int(seconds))초"
        case ..<7_200: "\(Int(seconds / 60))분"
        case ..<172_800: "\(Int(seconds / 3_600))시간"
        default: "\(Int(seconds / 86_400))일"
        }
    }
}
