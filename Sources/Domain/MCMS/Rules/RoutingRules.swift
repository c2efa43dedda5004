/// What a person can do with a routing.
package enum RoutingAction: String, Codable, CaseIterable, Sendable {
    case submit
    case approve
    case reject
    case retryGeneration = "retry-generation"
}

/// The part of a routing that decides which actions are legal.
package struct RoutingState: Hashable, Sendable {
    package var status: RoutingStatus
    package var generation: GenerationStatus

    package init(status: RoutingStatus, generation: GenerationStatus) {
        self.status = status
        self.generation = generation
    }
}

package struct IllegalTransition: Error, Hashable, CustomStringConvertible {
    package let action: RoutingAction
    package let state: RoutingState

    package var legalActions: [RoutingAction] { RoutingRules.legalActions(in: state) }

    package var description: String {
        let possible =
            legalActions.isEmpty ? "Nothing can be done with it now." : "Possible now: \(legalActions.map(\.rawValue).joined(separator: ", "))."
        let generation = state.status == .approved ? ", generation \(state.generation.rawValue)" : ""
        return "“\(action.rawValue)” is not possible while the routing is \(state.status.rawValue)\(generation). \(possible)"
    }
}

/// The routing's state machine.
///
/// | from | action | to |
/// |---|---|---|
/// | draft, rejected | submit | pendingApproval |
/// | pendingApproval | approve | approved, generation queued |
/// | pendingApproval | reject | rejected |
/// | approved, generation failed | retry-generation | approved, generation queued |
package enum RoutingRules {
    package static func next(_ state: RoutingState, _ action: RoutingAction) throws(IllegalTransition) -> RoutingState {
        switch (action, state.status, state.generation) {
        case (.submit, .draft, _), (.submit, .rejected, _):
            RoutingState(status: .pendingApproval, generation: state.generation)
        case (.approve, .pendingApproval, _):
            RoutingState(status: .approved, generation: .queued)
        case (.reject, .pendingApproval, _):
            RoutingState(status: .rejected, generation: state.generation)
        case (.retryGeneration, .approved, .failed):
            RoutingState(status: .approved, generation: .queued)
        case (.submit, _, _), (.approve, _, _), (.reject, _, _), (.retryGeneration, _, _):
            throw IllegalTransition(action: action, state: state)
        }
    }

    package static func legalActions(in state: RoutingState) -> [RoutingAction] {
        RoutingAction.allCases.filter { (try? next(state, $0)) != nil }
    }
}
