import SpindleLog
import SpindleNode
import SpindleWire

/// A shard's figures at one moment, taken on its loop and rendered elsewhere.
struct ShardFigures: Sendable {
    var counters: ShardCounters
    var connections: Int
    var unsentBytes: Int
    var heldInputBytes: Int
    var undurableBytes: Int
    var logEnd: UInt64
    var logDurable: UInt64
    var segmentsReady: UInt64
    var isDiskFull: Bool
    var segmentBytes: UInt64
    var firstSegment: UInt64
    var currentSegment: UInt64
    /// Bytes of records that are still needed.
    var liveBytes: UInt64
    var lastCheckpoint: UInt64
    var logID: String
    var unreadable: [UInt64]
    var scrub: Scrub
    var node: NodeStatistics
    var jobsRunning: Int
    var queues: [StatsReply.Queue]

    struct Scrub: Sendable {
        var passes: UInt64
        var segmentsRead: UInt64
        var bytesRead: UInt64
        var damage: [LogCorruption]
    }

    /// Bytes of the segments in use.
    var logBytes: UInt64 { (currentSegment + 1 - min(firstSegment, currentSegment)) * segmentBytes }
}

extension Shard {
    func figuresNow() -> ShardFigures {
        ShardFigures(
            counters: figures, connections: connections.count, unsentBytes: unsentBytes, heldInputBytes: heldInputBytes,
            undurableBytes: node.log.openBatchBytes + commit.writingBytes, logEnd: node.log.end.rawValue,
            logDurable: node.log.durable.rawValue, segmentsReady: node.log.preparedThrough - node.log.currentSegment,
            isDiskFull: maintenance.isBlocked, segmentBytes: node.log.segmentBytes, firstSegment: maintenance.firstSegment,
            currentSegment: node.log.currentSegment, liveBytes: node.state.liveBytes, lastCheckpoint: maintenance.lastCheckpoint.rawValue,
            logID: "\(node.log.log)", unreadable: compaction.unreadable,
            scrub: .init(
                passes: scrubbing.passes, segmentsRead: scrubbing.segmentsRead, bytesRead: scrubbing.bytesRead,
                damage: scrubbing.damage.map(\.corruption)),
            node: node.statistics, jobsRunning: node.jobsRunning, queues: node.queueStatistics(now: now))
    }
}

extension ShardFigures {
    var text: String {
        var text = MetricsText()
        text.single("spindle_connections", .gauge, "Clients connected now.", UInt64(connections))
        text.single("spindle_connections_accepted_total", .counter, "Connections accepted.", counters.connectionsAccepted)
        text.single("spindle_accept_pauses_total", .counter, "Times that accepting paused because as many sockets were open as may be.", counters.acceptPauses)
        text.single("spindle_turns_waited_for_total", .counter, "Times that a connection's input waited for a later turn.", counters.turnsWaitedFor)
        text.single("spindle_output_waiting_bytes", .gauge, "Output that sockets have not taken yet.", UInt64(unsentBytes))
        text.single("spindle_input_waiting_bytes", .gauge, "Input that is not handed on yet: unfinished frames, paused connections.", UInt64(heldInputBytes))
        requests(&text)
        queues(&text)
        log(&text)
        return text.text
    }

    private func requests(_ text: inout MetricsText) {
        text.family("spindle_requests_total", .counter, "Requests, by operation.")
        for opcode in Opcode.allCases where node.requests[Int(opcode.rawValue)] > 0 {
            text.sample("spindle_requests_total", labels: [("operation", opcode.name)], node.requests[Int(opcode.rawValue)])
        }
        text.family("spindle_refusals_total", .counter, "Items and requests refused, connections refused or cut, by error.")
        for code in ErrorCode.allCases {
            let count = node.refusals[Int(code.rawValue)] + counters.cuts[code, default: 0]
            if count > 0 { text.sample("spindle_refusals_total", labels: [("code", code.name)], count) }
        }
        text.single("spindle_messages_stored_total", .counter, "Messages accepted.", node.messagesStored)
        text.single("spindle_messages_delivered_total", .counter, "Messages leased out.", node.messagesDelivered)
        text.single("spindle_messages_acknowledged_total", .counter, "Messages acknowledged.", node.messagesAcknowledged)
        text.single("spindle_messages_cancelled_total", .counter, "Messages cancelled, by CANCEL and jobs.", node.messagesCancelled)
        text.single("spindle_messages_moved_total", .counter, "Messages that REDRIVE and BULK moved to another queue.", node.messagesMoved)
        text.single("spindle_messages_removed_total", .counter, "Messages removed with PURGE and DELETE.", node.messagesRemoved)
        text.single("spindle_jobs_running", .gauge, "Jobs of REDRIVE and BULK that run.", UInt64(jobsRunning))
        text.single("spindle_topic_events_stored_total", .counter, "Topic events accepted.", node.topicEventsStored)
        text.single("spindle_topic_events_pushed_total", .counter, "Topic events sent to subscribers.", node.topicEventsPushed)
    }

    private func queues(_ text: inout MetricsText) {
        let families: [(String, MetricsText.Kind, String, (StatsReply.Queue) -> UInt64)] = [
            ("ready", .gauge, "Messages ready to be leased.", { $0.ready }),
            ("in_flight", .gauge, "Messages leased.", { $0.leased }),
            ("delayed", .gauge, "Messages that wait for their time.", { $0.delayed }),
            ("bytes", .gauge, "Bytes of the records held.", { $0.bytes }),
            ("oldest_age_milliseconds", .gauge, "Age of the oldest message.", { $0.oldestAgeMilliseconds }),
            ("paused", .gauge, "1 while deliveries are paused, 2 while publishes are, 3 while both are.", { $0.paused }),
            ("waiters", .gauge, "Leases that wait for a message.", { $0.waiters }),
            ("published_total", .counter, "Messages published.", { $0.published }),
            ("delivered_total", .counter, "Messages delivered.", { $0.delivered }),
            ("acknowledged_total", .counter, "Messages acknowledged.", { $0.acknowledged }),
            ("nacked_total", .counter, "Messages given back.", { $0.nacked }),
            ("expired_total", .counter, "Leases that ran out.", { $0.expired }),
            ("dead_total", .counter, "Messages that went to the dead-letter queue.", { $0.dead }),
            ("duplicates_total", .counter, "Publishes that were known already.", { $0.duplicates }),
        ]
        for (name, kind, help, value) in families {
            text.family("spindle_queue_\(name)", kind, help)
            for queue in queues { text.sample("spindle_queue_\(name)", labels: [("queue", queue.name)], value(queue)) }
        }
    }

    private func log(_ text: inout MetricsText) {
        text.single("spindle_log_end_bytes", .gauge, "Position behind the last entry.", logEnd)
        text.single("spindle_log_durable_bytes", .gauge, "Position below which everything is synced.", logDurable)
        text.single("spindle_log_undurable_bytes", .gauge, "Logged bytes that are not synced yet.", UInt64(undurableBytes))
        text.single("spindle_log_entries_total", .counter, "Log entries written.", counters.entries)
        text.single("spindle_log_segments_ready", .gauge, "Segments ready beyond the current one.", segmentsReady)
        text.single("spindle_log_disk_full", .gauge, "1 while no further segment can be made ready.", isDiskFull ? 1 : 0)
        text.single("spindle_log_checkpoints_total", .counter, "Checkpoints written.", counters.checkpoints)
        text.single("spindle_log_segments_reclaimed_total", .counter, "Segments freed.", counters.segmentsReclaimed)
        text.single("spindle_log_bytes", .gauge, "Bytes of the log's segments in use.", logBytes)
        text.single("spindle_log_live_bytes", .gauge, "Bytes of the stored records that are still needed.", liveBytes)
        text.single("spindle_log_checkpoint_bytes", .gauge, "Bytes of the last checkpoint.", counters.checkpointBytes)
        text.single(
            "spindle_log_checkpoint_pause_nanoseconds", .gauge, "How long taking the last checkpoint held up the loop.",
            counters.checkpointPauseNanoseconds)
        text.single("spindle_log_moved_messages_total", .counter, "Live messages moved forward to free old segments.", counters.messagesMoved)
        text.single("spindle_log_moved_bytes_total", .counter, "Bytes of live messages moved forward.", counters.bytesMoved)
        text.single("spindle_log_scrubbed_bytes_total", .counter, "Bytes of sealed segments read again and checked.", scrub.bytesRead)
        text.single("spindle_log_scrub_passes_total", .counter, "Times that the whole log was checked.", scrub.passes)
        text.single("spindle_log_damaged_segments", .gauge, "Segments in use in which scrubbing found damage.", UInt64(scrub.damage.count))
        text.single("spindle_log_damaged_reads_total", .counter, "Reads of stored messages that met damage.", counters.damagedReads)
        text.histogram("spindle_log_commit_seconds", "Duration of a group commit: write and fdatasync.", counters.commitNanoseconds, scale: 1e-9)
        text.histogram("spindle_log_batch_bytes", "Size of a group commit.", counters.batchBytes)
    }
}
