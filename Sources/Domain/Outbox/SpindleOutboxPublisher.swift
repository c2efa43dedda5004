package import SpindleClient

/// Publishes outbox rows to the broker's queues and topics.
package struct SpindleOutboxPublisher: OutboxPublisher {
    private let client: SpindleClient

    package init(client: SpindleClient) {
        self.client = client
    }

    /// Rows of one destination go in one request, in their order; destinations at the same time.
    package func publish(_ messages: [OutboxMessage]) async -> [OutboxPublishResult] {
        var destinations: [(name: OutboxDestination, rows: [Int])] = []
        for (index, message) in messages.enumerated() {
            if let known = destinations.firstIndex(where: { $0.name == message.draft.destination }) {
                destinations[known].rows.append(index)
            } else {
                destinations.append((message.draft.destination, [index]))
            }
        }
        return await withTaskGroup(of: [(Int, OutboxPublishResult)].self) { group in
            for (destination, rows) in destinations {
                group.addTask {
                    let results = await publish(rows.map { Self.message(for: messages[$0]) }, to: destination)
                    return Array(zip(rows, results))
                }
            }
            var results = [OutboxPublishResult](repeating: .unavailable(reason: "the client gave no answer"), count: messages.count)
            for await part in group {
                for (index, result) in part { results[index] = result }
            }
            return results
        }
    }

    /// Publishes in one request. Where that is refused because of one of the messages, halves are tried, down to the one that is at fault.
    private func publish(_ messages: [Message], to destination: OutboxDestination) async -> [OutboxPublishResult] {
        let results = await request(messages, to: destination)
        guard messages.count > 1, case .rejected? = results.first, Set(results).count == 1 else { return results }
        let middle = messages.count / 2
        let first = await publish(Array(messages[..<middle]), to: destination)
        return first + (await publish(Array(messages[middle...]), to: destination))
    }

    private func request(_ messages: [Message], to destination: OutboxDestination) async -> [OutboxPublishResult] {
        do {
            switch destination {
            case .queue(let name):
                return try await client.publish(messages, to: name).map { outcome in
                    switch outcome {
                    case .stored(let id): .stored(messageID: id.rawValue)
                    // A repeated key within one request is answered without the id.
                    case .duplicate(let id): id.rawValue == 0 ? .published : .stored(messageID: id.rawValue)
                    case .refused(let error): Self.result(of: error)
                    }
                }
            case .topic(let name):
                // The first refusal is thrown, and those before it were published: all are sent again, and those are known by their key.
                _ = try await client.publish(events: messages, toTopic: name)
                return messages.map { _ in .published }
            }
        } catch let error as SpindleError {
            return messages.map { _ in Self.result(of: error) }
        } catch {
            return messages.map { _ in .unavailable(reason: "\(error)") }
        }
    }

    package static func message(for row: OutboxMessage) -> Message {
        Message(
            body: row.draft.payload, priority: row.draft.priority, correlationID: row.draft.correlationID, contentType: row.draft.contentType,
            taskType: row.draft.taskType, group: row.draft.group, deduplicationKey: row.id,
            userHeaders: row.draft.headers.map { Message.UserHeader(name: $0.name, value: $0.value) })
    }

    /// Whose fault a refusal is: the message's for ever (rejected), the destination's for now (held: a queue may still be declared or resumed, a
    /// permission given, a full queue drain), nobody's because the broker can't be asked (unavailable), or unknown (failed).
    package static func result(of error: SpindleError) -> OutboxPublishResult {
        let reason = error.description
        switch error.code {
        case .recordInvalid, .recordTooLarge, .recordCorrupt, .frameTooLarge, .invalidArgument:
            return .rejected(reason: reason)
        case .connectFailed, .connectionLost, .clientClosed, .tlsFailed, .timedOut, .goingAway, .authenticationFailed, .notAuthenticated,
            .tooManyConnections, .tooManyInFlight, .heartbeatMissed, .slowReader, .unsupportedVersion, .cancelled, .notOwner:
            return .unavailable(reason: reason)
        case .queueFull, .queuePaused, .noSuchQueue, .noSuchTopic, .noSpace, .permissionDenied:
            return .held(reason: reason)
        default:
            return error.blastRadius == .connection ? .unavailable(reason: reason) : .failed(reason: reason)
        }
    }
}
