package import SpindleText

/// Queue names, task types and topics of the add-in's part.
package enum MCMSNames {
    package static let generationQueue = "esprit-gen"
    package static let resultQueue = "addin-result"
    package static let generationTask = "EspritGenerationCommand"
    package static let resultTask = "AddinJobResultCommand"
    package static let jobCreatedTopic = "addin.job.created"
    package static let jobUpdatedTopic = "addin.job.updated"
    package static let routingCreatedTopic = "routing.created"
    package static let approvalChangedTopic = "routing.approval.changed"
    package static let alertTopic = "notification.alert"
    /// The broker tells it of dead commands and results.
    package static let deadMessageTopic = "message.dead"
}

/// A task as it is sent: the envelope that all producers and workers share.
package struct TaskDocument<Payload: Codable & Sendable>: Codable, Sendable {
    package var taskType: String
    package var taskId: String
    package var correlationId: String
    package var createdAt: Timestamp
    package var schemaVersion: Int
    package var payload: Payload

    package init(taskType: String, taskId: String, correlationId: String, createdAt: Timestamp, payload: Payload) {
        self.taskType = taskType
        self.taskId = taskId
        self.correlationId = correlationId
        self.createdAt = createdAt
        self.schemaVersion = 1
        self.payload = payload
    }
}

/// Asks the add-in to generate a routing's CAM output.
package struct EspritGenerationCommand: Codable, Hashable, Sendable {
    package var jobId: String
    package var routingId: String
    package var routingName: String
    /// The revision that the routing has now. New output makes the next one.
    package var camRevision: Int
    /// Where the add-in should write, as a logical path below the share's root.
    package var outputDirectory: String
    package var requestedBy: String
    package var requestedAt: Timestamp
}

package enum AddinResultStatus: String, Codable, CaseIterable, Sendable {
    /// Not a result yet: the add-in works on it.
    case running
    case completed
    case failed
}

/// A file that the add-in says it wrote. Size and digest are checked when they are given.
package struct ReportedOutput: Codable, Hashable, Sendable {
    /// A logical path below the share's root; `W:\…` stands for that root.
    package var path: String
    package var size: Int64?
    package var sha256: String?

    package init(path: String, size: Int64? = nil, sha256: String? = nil) {
        self.path = path
        self.size = size
        self.sha256 = sha256?.lowercased()
    }

    private enum Key: String, CodingKey { case path, size, sha256 }

    /// Reads an object with `path`, or only the path as text.
    package init(from decoder: any Decoder) throws {
        if let path = try? decoder.singleValueContainer().decode(String.self) {
            self.init(path: path)
            return
        }
        let fields = try decoder.container(keyedBy: Key.self)
        self.init(
            path: try fields.decode(String.self, forKey: .path), size: try fields.decodeIfPresent(Int64.self, forKey: .size),
            sha256: try fields.decodeIfPresent(String.self, forKey: .sha256))
        if let size, size < 0 {
            throw DecodingError.dataCorruptedError(forKey: .size, in: fields, debugDescription: "must not be negative")
        }
        if let sha256, sha256.utf8.count != 64 || !sha256.allSatisfy(\.isHexDigit) {
            throw DecodingError.dataCorruptedError(forKey: .sha256, in: fields, debugDescription: "must be 64 hexadecimal digits")
        }
    }
}

/// What the add-in says about a job: over HTTP as it is, in a message as a part of ``AddinJobResultCommand``.
package struct AddinReport: Codable, Hashable, Sendable {
    package static let outputsMax = 1_000

    package var resultStatus: AddinResultStatus
    package var message: String?
    package var outputs: [ReportedOutput]
    /// 0 to 100, with `running`.
    package var progress: Int?

    package init(_ resultStatus: AddinResultStatus, message: String? = nil, outputs: [ReportedOutput] = [], progress: Int? = nil) {
        self.resultStatus = resultStatus
        self.message = message
        self.outputs = outputs
        self.progress = progress
    }

    private enum Key: String, CodingKey { case resultStatus, message, outputs, progress }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        let status = try fields.decode(String.self, forKey: .resultStatus)
        // C# writes enum names with a capital letter.
        guard let known = AddinResultStatus(rawValue: status.lowercased()) else {
            let choices = AddinResultStatus.allCases.map(\.rawValue).joined(separator: ", ")
            throw DecodingError.dataCorruptedError(
                forKey: .resultStatus, in: fields, debugDescription: "is “\(status.prefix(40))”, and must be one of \(choices)")
        }
        resultStatus = known
        message = try fields.decodeIfPresent(String.self, forKey: .message)
        outputs = try fields.decodeIfPresent([ReportedOutput].self, forKey: .outputs) ?? []
        guard outputs.count <= Self.outputsMax else {
            throw DecodingError.dataCorruptedError(
                forKey: .outputs, in: fields, debugDescription: "has \(outputs.count) files, the most is \(Self.outputsMax)")
        }
        progress = try fields.decodeIfPresent(Int.self, forKey: .progress)
        if let progress, !(0...100).contains(progress) {
            throw DecodingError.dataCorruptedError(forKey: .progress, in: fields, debugDescription: "must be from 0 to 100")
        }
    }

    /// Two reports are the same exactly if this is: the canonical JSON, with the outputs in a fixed order.
    package var fingerprint: String {
        get throws {
            var sorted = self
            sorted.outputs.sort { ($0.path, $0.sha256 ?? "", $0.size ?? -1) < ($1.path, $1.sha256 ?? "", $1.size ?? -1) }
            return String(decoding: try MCMSJSON.encode(sorted), as: UTF8.self)
        }
    }
}

/// The add-in's report about a job, as a message on `addin-result`. In JSON all fields are on one level.
package struct AddinJobResultCommand: Codable, Hashable, Sendable {
    package var jobId: String
    /// The job's routing. Producers that leave it out are understood; one that names another routing is not.
    package var routingId: String?
    package var report: AddinReport
    /// Who reported it, when it came in over HTTP. The add-in itself leaves it out.
    package var reportedBy: String?
    /// Under which lease of the job's command the reporter works: for the timeline. One that is not understood is left out.
    package var delivery: TaskLease?

    package init(jobId: String, routingId: String?, report: AddinReport, reportedBy: String? = nil, delivery: TaskLease? = nil) {
        self.jobId = jobId
        self.routingId = routingId
        self.report = report
        self.reportedBy = reportedBy
        self.delivery = delivery
    }

    private enum Key: String, CodingKey { case jobId, routingId, reportedBy, delivery }

    package init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: Key.self)
        jobId = try fields.decode(String.self, forKey: .jobId)
        routingId = try fields.decodeIfPresent(String.self, forKey: .routingId)
        reportedBy = try fields.decodeIfPresent(String.self, forKey: .reportedBy)
        delivery = try? fields.decodeIfPresent(TaskLease.self, forKey: .delivery)
        report = try AddinReport(from: decoder)
    }

    package func encode(to encoder: any Encoder) throws {
        try report.encode(to: encoder)
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(jobId, forKey: .jobId)
        try fields.encodeIfPresent(routingId, forKey: .routingId)
        try fields.encodeIfPresent(reportedBy, forKey: .reportedBy)
        try fields.encodeIfPresent(delivery, forKey: .delivery)
    }
}
