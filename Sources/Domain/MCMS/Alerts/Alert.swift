package import SpindleText

/// What an alert is about.
package enum AlertType: String, CaseIterable, Sendable {
    case jobCompleted = "addin.job.completed"
    case jobFailed = "addin.job.failed"
    case fileCommitted = "file.committed"
    case fileShareOccupied = "file.shareOccupied"
    case fileQuarantined = "file.quarantined"
    case fileInvalid = "file.invalid"
    case fileMissingParts = "file.missingParts"
    case fileStorageCommitFailed = "file.storageCommitFailed"
    case scannerUnreachable = "file.scannerUnreachable"
    case storeUnavailable = "file.storeUnavailable"
    case shareUnavailable = "file.shareUnavailable"

    package var severity: AlertSeverity {
        switch self {
        case .jobCompleted, .fileCommitted: .info
        case .fileShareOccupied, .fileMissingParts, .scannerUnreachable, .storeUnavailable, .shareUnavailable: .warning
        case .jobFailed, .fileQuarantined, .fileInvalid, .fileStorageCommitFailed: .error
        }
    }
}

package enum AlertSeverity: String, Codable, CaseIterable, Sendable { case info, warning, error }

/// What an alert's texts are made of, in any language. `docs/events.md` lists them.
package enum AlertParameter: String, CaseIterable, Sendable {
    /// The routing's name and id, and its job.
    case routing, routingId, jobId
    /// The file's name and id, its size, and its place on the share.
    case file, fileId, bytes, path, uploader
    /// Text of the add-in, the scanner or a store, in its own language.
    case message, reason
    case revision, files, missing, parts
}

/// Something that people are told of, whether they look at the page now or later.
package struct Alert: Sendable {
    package let type: AlertType
    package let routingId: String
    package let parameters: [String: String]

    /// - Parameter parameters: nil where there is nothing to say.
    package init(_ type: AlertType, routing: String, _ parameters: [AlertParameter: String?]) {
        self.type = type
        routingId = routing
        var named = [AlertParameter.routingId.rawValue: routing]
        for (parameter, value) in parameters { named[parameter.rawValue] = value }
        self.parameters = named
    }
}

/// What is published on `notification.alert`.
package struct AlertEvent: Codable, Hashable, Sendable {
    /// Of the list of past alerts. Nil: of an earlier version, which kept none.
    package var id: Int64?
    package var type: String
    /// In English; readers of other languages make their texts from type and parameters.
    package var title: String
    package var message: String
    package var severity: AlertSeverity
    package var parameters: [String: String]?
}

/// An alert of the past.
package struct PastAlert: Codable, Hashable, Sendable {
    /// Rises with time.
    package let id: Int64
    package let at: Timestamp
    package let type: String
    package let severity: AlertSeverity
    package let title: String
    package let message: String
    package let parameters: [String: String]
    package let correlationId: String

    /// In other words. An alert of a type that this version does not know keeps its own.
    package func translated(_ text: (AlertText) -> AlertText.Words) -> PastAlert {
        guard let type = AlertType(rawValue: type) else { return self }
        let words = text(AlertText(type, parameters))
        return PastAlert(
            id: id, at: at, type: self.type, severity: severity, title: words.title, message: words.message, parameters: parameters,
            correlationId: correlationId)
    }
}
