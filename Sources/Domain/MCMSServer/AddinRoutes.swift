internal import Hummingbird
internal import MCMS

/// In which order jobs are listed: by when they were created.
private enum JobOrder: String, CaseIterable { case newest, oldest }

extension APIRoutes {
    mutating func addAddin(_ store: MCMSStore) {
        on(.get, "api/addin/jobs", .readJobs) { call in
            try .json(
                try await store.jobs(
                    status: try call.choice("status", AddinJobStatus.self), routing: call.query("routingId"),
                    finishedSince: try call.time("since"), oldestFirst: try call.choice("sort", JobOrder.self) == .oldest,
                    limit: try call.limit(), cursor: call.query("cursor")))
        }
        on(.get, "api/addin/jobs/{id}", .readJobs) { call in
            try .json(try await store.job(call.id))
        }
        on(.post, "api/addin/jobs/{id}/complete", .reportJobs, bodyBytesMax: Self.reportBytesMax) { call in
            let report = try await call.body(AddinReport.self)
            let receipt = try await store.acceptCallback(job: call.id, report, by: try call.caller())
            return try .json(receipt, status: .accepted)
        }
    }
}
