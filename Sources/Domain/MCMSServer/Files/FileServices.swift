package import MCMSFiles

/// What the routes of files work on.
package struct FileServices: Sendable {
    package let store: FilesStore
    package let uploads: UploadService
    package let payloads: any PayloadStore
    /// Whether uploads are scanned, for the page.
    package let scanning: String

    package init(store: FilesStore, uploads: UploadService, payloads: any PayloadStore, scanning: String) {
        self.store = store
        self.uploads = uploads
        self.payloads = payloads
        self.scanning = scanning
    }
}
