internal import ContentStore

/// What must hold at every moment, and what when everything has ended.
struct StoreOracle {
    private let stores: SimulatedStores
    private var catalog: SimulatedCatalog { stores.catalog }

    init(_ stores: SimulatedStores) {
        self.stores = stores
    }

    /// Nil: everything holds.
    func violation() -> String? {
        do {
            if let hash = catalog.tooEarly { return "the payload \(hash.prefix(4)) is removed within its grace" }
            return try committed() ?? refs()
        } catch {
            return "\(error)"
        }
    }

    /// A committed file has its payload, its audit, and a ref: its own, or that of a file of its name that is being committed.
    private func committed() throws -> String? {
        for file in catalog.files.values.filter(\.isCurrent).sorted(by: { $0.id < $1.id }) {
            let content = catalog.contents[file.content]
            guard try stores.folder.read(content.address.payload, bytesMax: .max) == content.bytes else {
                return "the committed file \(file.id) has no payload, or a damaged one"
            }
            guard file.isAudited else { return "the committed file \(file.id) has no audit" }
            guard let ref = try ref(file.name) else { return "the committed file \(file.id) has no ref" }
            guard ref.file == file.id || catalog.claims[file.name] != nil else { return "the ref of \(file.name) is \(ref.file)'s, and \(file.id) is committed" }
        }
        return nil
    }

    /// A ref names a payload that is whole, and lies beside its `meta.json`, whose file was audited.
    private func refs() throws -> String? {
        for name in Set(catalog.files.values.map(\.name)).sorted() {
            let place = SimulatedStores.place(name)
            let meta = try stores.refs.meta(place).flatMap { SimulatedRef($0) }
            if let meta, catalog.files[meta.file]?.isAudited != true { return "the meta.json of \(name) is that of \(meta.file), which has no audit" }
            guard let ref = try ref(name) else { continue }
            guard meta != nil else { return "the ref of \(name) has no meta.json" }
            // A file that ended may have left its ref: it is mended when its message is settled, before its payload may go.
            guard let content = catalog.contents.first(where: { $0.address.hash == ref.hash }),
                try stores.folder.read(content.address.payload, bytesMax: .max) == content.bytes
            else { return "the ref of \(name) names a payload that is not there: \(ref.file)" }
        }
        return nil
    }

    private func ref(_ name: String) throws -> SimulatedRef? {
        guard let bytes = try stores.refs.ref(SimulatedStores.place(name)) else { return nil }
        guard let ref = SimulatedRef(bytes) else { throw StoreFolderError(operation: "read", path: name, reason: "the ref is torn") }
        return ref
    }

    /// What is there and should not be, after everything has ended. Nil: nothing.
    func leftover() -> String? {
        do {
            for name in Set(catalog.files.values.map(\.name)).sorted() {
                let (current, place) = (catalog.current(name), SimulatedStores.place(name))
                let (ref, meta) = (try ref(name), try stores.refs.meta(place).flatMap { SimulatedRef($0) })
                guard ref?.file == current?.id, meta?.file == current?.id else {
                    return "of \(name) the ref is \(ref?.file ?? "none"), meta.json \(meta?.file ?? "none"), and committed is \(current?.id ?? "none")"
                }
                if try stores.refs.pending(place) != nil { return "\(name) has a pending ref" }
            }
            if !catalog.pins.isEmpty || !catalog.claims.isEmpty { return "claims are left: \(catalog.pins) \(catalog.claims)" }
            let wanted = Set(catalog.files.values.filter(\.isCurrent).map { catalog.hash($0) })
            // An empty folder is nobody's payload.
            let there = Set(try stores.payloads.all().filter { try stores.payloads.facts($0) != nil }.map(\.hash))
            if let left = there.subtracting(wanted).sorted().first {
                return "the payload \(left.prefix(4)) is left: \(catalog.payloads[left].map { "\($0)" } ?? "not known")"
            }
            return nil
        } catch {
            return "\(error)"
        }
    }
}
