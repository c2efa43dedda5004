/// What an ingest waits for while it is away or full. No attempt is counted, since the file is not at fault.
enum FileWait: String {
    case scanner, store, share

    /// The file's status meanwhile.
    var status: RoutingFileStatus { self == .scanner ? .scanning : .ingesting }

    var alertType: String {
        switch self {
        case .scanner: "file.scannerUnreachable"
        case .store: "file.storeUnavailable"
        case .share: "file.shareUnavailable"
        }
    }

    var alertTitle: String {
        switch self {
        case .scanner: "Files wait for the virus scanner"
        case .store: "Files wait for the store"
        case .share: "Files wait for the share"
        }
    }
}
