internal import HTTPTypes
internal import MCMSFiles

extension Problem {
    private static let storeRetrySeconds = 15

    init(_ error: PayloadStoreUnavailable) {
        self.init(.busy, "The store of files can't be used now.", action: "Try again later; the operator finds the reason in the web server's log.")
        headers[.retryAfter] = "\(Self.storeRetrySeconds)"
    }

    init(_ error: FileError) {
        let text = error.description
        switch error {
        case .noSuchUpload, .noSuchFile: self.init(.notFound, text, action: "Check the id; GET /api/files shows which there are.")
        case .invalid(let field, _): self.init(.invalidField, text, action: "Correct it and send the request again.", field: field)
        case .tooLarge: self.init(.tooLarge, text, action: "Split the file, or ask the operator to raise `uploadMax`.", field: "size")
        case .noRoom: self.init(.noRoom, text, action: "Ask the operator for room on this disk, or try again when other uploads are done.")
        case .tooManyUploads:
            self.init(.tooMany, text, action: "Finish some of them, or give them up: DELETE /api/upload/ID. `uploadsOpenMax` in the description is the limit.")
            headers[.retryAfter] = "60"
        case .offsetConflict(let offset):
            self.init(.conflict, text, action: "Ask with HEAD where to go on.")
            headers[TusHeader.uploadOffset] = "\(offset)"
        case .digestMismatch: self.init(.digestMismatch, text, action: "Send these bytes again.")
        case .superseded: self.init(.conflict, text, action: "Ask where to go on, and send from there.")
        case .wrongState: self.init(.conflict, text, action: "Look at the file's status, and try again when it allows this.")
        case .notPermitted: self.init(.notPermitted, text, action: "Use the login of whoever uploads it, or of an operator.")
        }
    }
}
