/// Where a routing's file says which payload it is.
package struct RefPlace: Hashable, Sendable {
    package let routing: String
    package let revision: Int
    package let name: RefName

    package init(routing: String, revision: Int, logicalName: String) {
        self.routing = routing
        self.revision = revision
        name = RefName(logicalName)
    }

    package var folder: String { "refs/\(routing)/\(revision)" }
    package var ref: String { "\(folder)/\(name.text).json" }
    package var meta: String { "\(folder)/\(name.text).meta.json" }
    package var pending: String { "\(folder)/\(name.text).refs.pending" }
}

/// The refs of a store. A ref is committed in four steps, each of which can be repeated:
///
/// 1. `NAME.refs.pending` says which payload is about to be referred to; it holds what the ref will hold.
/// 2. The caller writes its audit.
/// 3. `NAME.meta.json` gets checksums and the payload's address.
/// 4. `NAME.json` is replaced as a whole, and the pending file is removed.
///
/// So there is no `meta.json` without an audit, and no ref without its `meta.json`.
package struct RefFolder: Sendable {
    package static let bytesMax = 4 << 20

    private let folder: any StoreFolder

    package init(_ folder: any StoreFolder) {
        self.folder = folder
    }

    package func announce(_ place: RefPlace, _ ref: [UInt8]) throws(StoreFolderError) {
        try folder.makeFolder(place.folder)
        try folder.replace(place.pending, ref)
    }

    package func writeMeta(_ place: RefPlace, _ meta: [UInt8]) throws(StoreFolderError) {
        try folder.replace(place.meta, meta)
    }

    /// Replaces the ref by what was announced.
    package func commit(_ place: RefPlace, _ ref: [UInt8]) throws(StoreFolderError) {
        try folder.replace(place.ref, ref)
        try folder.remove(place.pending)
        try folder.syncFolder(place.folder)
    }

    /// Forgets what was announced and not committed.
    package func withdraw(_ place: RefPlace) throws(StoreFolderError) {
        guard try folder.facts(place.pending) != nil else { return }
        try folder.remove(place.pending)
        try folder.syncFolder(place.folder)
    }

    package func remove(_ place: RefPlace) throws(StoreFolderError) {
        guard try folder.facts(place.folder) != nil else { return }
        // The ref first: a ref without `meta.json` would be one that nobody can check.
        try folder.remove(place.ref)
        try folder.syncFolder(place.folder)
        try folder.remove(place.meta)
        try folder.remove(place.pending)
        try folder.syncFolder(place.folder)
    }

    package func ref(_ place: RefPlace) throws(StoreFolderError) -> [UInt8]? { try folder.read(place.ref, bytesMax: Self.bytesMax) }
    package func meta(_ place: RefPlace) throws(StoreFolderError) -> [UInt8]? { try folder.read(place.meta, bytesMax: Self.bytesMax) }
    package func pending(_ place: RefPlace) throws(StoreFolderError) -> [UInt8]? { try folder.read(place.pending, bytesMax: Self.bytesMax) }
}
