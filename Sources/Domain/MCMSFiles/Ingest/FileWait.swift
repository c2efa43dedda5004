internal import MCMS

/// What an ingest waits for while it is away or full. No attempt is counted, since the file is not at fault.
enum FileWait: String {
    case scanner, store, share

    /// The file's status meanwhile.
    var status: RoutingFileStatus { self == .scanner ? .scanning : .ingesting }

    /// What operators are told when it lasts.
    var alert: AlertType {
        switch self {
        case .scanner: .scannerUnreachable
        case .store: .storeUnavailable
        case .share: .shareUnavailable
        }
    }
}
