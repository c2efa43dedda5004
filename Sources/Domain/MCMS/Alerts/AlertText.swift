/// The words of an alert.
package struct AlertText: Sendable {
    package struct Words: Hashable, Sendable {
        package let title: String
        package let message: String
    }

    private let type: AlertType
    private let parameters: [String: String]

    package init(_ type: AlertType, _ parameters: [String: String]) {
        self.type = type
        self.parameters = parameters
    }

    /// What is missing is left empty: an alert is better told with a hole than not at all.
    private subscript(_ parameter: AlertParameter) -> String { parameters[parameter.rawValue] ?? "" }

    private func said(or text: String) -> String { parameters[AlertParameter.message.rawValue] ?? text }

    package var english: Words {
        switch type {
        case .jobCompleted:
            Words(title: "CAM generation completed: \(self[.routing])", message: said(or: "revision \(self[.revision]), \(self[.files]) files"))
        case .jobFailed: Words(title: "CAM generation failed: \(self[.routing])", message: self[.message])
        case .fileCommitted: Words(title: "File stored: \(self[.file])", message: "\(self[.bytes]) bytes, stored and verified")
        case .fileShareOccupied:
            Words(
                title: "Another file lies at \(self[.path])",
                message: "\(self[.file]) is stored and can be downloaded; what lies on the share was left alone")
        case .fileQuarantined: Words(title: "File quarantined: \(self[.file])", message: "\(self[.reason]). An operator decides what becomes of it.")
        case .fileInvalid: Words(title: "File damaged: \(self[.file])", message: self[.reason])
        case .fileMissingParts:
            Words(title: "Parts are missing: \(self[.file])", message: "\(self[.missing]) of \(self[.parts]) parts are asked for again")
        case .fileStorageCommitFailed:
            Words(title: "\(self[.uploader]): please upload \(self[.file]) again", message: "It could not be stored: \(self[.reason])")
        case .scannerUnreachable: Words(title: "Files wait for the virus scanner", message: "\(self[.file]) waits: \(self[.reason])")
        case .storeUnavailable: Words(title: "Files wait for the store", message: "\(self[.file]) waits: \(self[.reason])")
        case .shareUnavailable: Words(title: "Files wait for the share", message: "\(self[.file]) waits: \(self[.reason])")
        }
    }

    /// The words of add-in, scanner and stores stand as they came.
    package var korean: Words {
        switch type {
        case .jobCompleted: Words(title: "CAM 생성 완료: \(self[.routing])", message: said(or: "리비전 \(self[.revision]), 파일 \(self[.files])개"))
        case .jobFailed: Words(title: "CAM 생성 실패: \(self[.routing])", message: self[.message])
        case .fileCommitted: Words(title: "파일 저장됨: \(self[.file])", message: "\(self[.bytes])바이트를 저장하고 검증했습니다")
        case .fileShareOccupied:
            Words(title: "다른 파일이 이미 있습니다: \(self[.path])", message: "\(self[.file]) 파일은 저장되어 내려받을 수 있습니다. 공유 폴더의 기존 파일은 그대로 두었습니다")
        case .fileQuarantined: Words(title: "파일 격리됨: \(self[.file])", message: "\(self[.reason]). 운영자가 처리 방법을 결정합니다.")
        case .fileInvalid: Words(title: "파일 손상됨: \(self[.file])", message: self[.reason])
        case .fileMissingParts: Words(title: "파일 조각 누락: \(self[.file])", message: "조각 \(self[.parts])개 중 \(self[.missing])개를 다시 요청했습니다")
        case .fileStorageCommitFailed:
            Words(title: "\(self[.uploader]) 님, \(self[.file]) 파일을 다시 올려 주세요", message: "저장하지 못했습니다: \(self[.reason])")
        case .scannerUnreachable: Words(title: "파일이 바이러스 검사기를 기다립니다", message: "\(self[.file]) 대기 중: \(self[.reason])")
        case .storeUnavailable: Words(title: "파일이 저장소를 기다립니다", message: "\(self[.file]) 대기 중: \(self[.reason])")
        case .shareUnavailable: Words(title: "파일이 공유 폴더를 기다립니다", message: "\(self[.file]) 대기 중: \(self[.reason])")
        }
    }
}
