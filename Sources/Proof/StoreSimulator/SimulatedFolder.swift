package import ContentStore
internal import Digests
internal import SpindleSimulator
internal import Synchronization

/// A folder whose machine loses its power on demand: what was not synced is then kept, lost or torn, as the seed says.
///
/// Names are changes of a folder: a rename is one change of two names, and survives as a whole or not at all, as on every journalling file
/// system; of several un-synced changes any may survive, but none without the earlier ones of the same names.
package final class SimulatedFolder: StoreFolder {
    private let state: Mutex<State>

    package init(seed: UInt64) {
        state = Mutex(State(random: SeededGenerator(seed: seed)))
    }

    private struct File {
        var bytes: [UInt8]
        /// Nil: never synced.
        var synced: [UInt8]?
        var modifiedAt: Int64
        var isDirty: Bool { bytes != synced }
    }

    private struct Change {
        /// Nil: the name is gone.
        var names: [(path: String, file: Int?)]
    }

    private struct State {
        var random: SeededGenerator
        var files: [Int: File] = [:]
        var names: [String: Int] = [:]
        var folders: Set<String> = [""]
        /// As they are after a loss of power in which nothing un-synced survives.
        var syncedNames: [String: Int] = [:]
        var unsynced: [Change] = []
        var now: Int64 = 0
        var changesUntilPowerCut: Int?
        var changesUntilFault: Int?
        var isDown = false
        var nextFile = 1
    }

    // MARK: Faults

    package var isDown: Bool { state.withLock { $0.isDown } }

    /// Cuts the power in the middle of one of the next changes.
    package func cutPower(after changes: Int) { state.withLock { $0.changesUntilPowerCut = changes } }
    /// Lets one of the next changes fail.
    package func fail(after changes: Int) { state.withLock { $0.changesUntilFault = changes } }
    package func set(now: Int64) { state.withLock { $0.now = now } }

    /// What is there when the power is back.
    package func restart() {
        state.withLock { state in
            var survivors = Array(repeating: false, count: state.unsynced.count)
            let isPrefix = Bool.random(using: &state.random)
            let cut = Int.random(in: 0...state.unsynced.count, using: &state.random)
            for index in survivors.indices { survivors[index] = isPrefix ? index < cut : Bool.random(using: &state.random) }
            Self.settle(&state) { survivors[$0] }
            state.unsynced = []
            state.names = state.syncedNames
            for path in state.names.keys { Self.makeFolders(Self.parent(of: path), &state) }
            for (id, file) in state.files.sorted(by: { $0.key < $1.key }) where file.isDirty {
                var bytes = file.synced ?? []
                switch Int.random(in: 0..<3, using: &state.random) {
                case 0: break
                case 1: bytes = file.bytes
                default: bytes = file.bytes.prefix(file.bytes.count / 2) + Array(repeating: 0, count: file.bytes.count - file.bytes.count / 2)
                }
                state.files[id]?.bytes = bytes
                state.files[id]?.synced = bytes
            }
            (state.isDown, state.changesUntilPowerCut, state.changesUntilFault) = (false, nil, nil)
        }
    }

    /// Makes changes durable, and with each the earlier ones of the same names.
    private static func settle(_ state: inout State, where isDurable: (Int) -> Bool) {
        var needed: Set<String> = []
        var durable = Array(repeating: false, count: state.unsynced.count)
        for index in state.unsynced.indices.reversed() {
            let names = state.unsynced[index].names
            guard isDurable(index) || names.contains(where: { needed.contains($0.path) }) else { continue }
            durable[index] = true
            needed.formUnion(names.map(\.path))
        }
        var left: [Change] = []
        for (change, isDurable) in zip(state.unsynced, durable) {
            guard isDurable else {
                left.append(change)
                continue
            }
            for name in change.names { state.syncedNames[name.path] = name.file }
        }
        state.unsynced = left
    }

    private func change<Value: Sendable>(
        _ operation: String, _ path: String, _ body: (inout State) throws(StoreFolderError) -> Value
    ) throws(StoreFolderError) -> Value {
        try state.withLock { (state) throws(StoreFolderError) in
            guard !state.isDown else { throw StoreFolderError(operation: operation, path: path, reason: "the power is off") }
            if let left = state.changesUntilPowerCut {
                state.changesUntilPowerCut = left - 1
                if left <= 0 {
                    state.isDown = true
                    // Half of them happen before the power goes.
                    if Bool.random(using: &state.random) { _ = try body(&state) }
                    throw StoreFolderError(operation: operation, path: path, reason: "the power goes off")
                }
            }
            if let left = state.changesUntilFault {
                state.changesUntilFault = left > 0 ? left - 1 : nil
                if left <= 0 { throw StoreFolderError(operation: operation, path: path, reason: "Input/output error") }
            }
            return try body(&state)
        }
    }

    private func look<Value: Sendable>(_ operation: String, _ path: String, _ body: (State) -> Value) throws(StoreFolderError) -> Value {
        let found: Value? = state.withLock { $0.isDown ? nil : body($0) }
        guard let found else { throw StoreFolderError(operation: operation, path: path, reason: "the power is off") }
        return found
    }

    // MARK: StoreFolder

    package func facts(_ path: String) throws(StoreFolderError) -> FileFacts? {
        try look("look at", path) { state in
            if state.folders.contains(path) { return FileFacts(bytes: 0, identity: 0, modifiedAt: 0, isFolder: true) }
            guard let id = state.names[path], let file = state.files[id] else { return nil }
            return FileFacts(bytes: Int64(file.bytes.count), identity: UInt64(id), modifiedAt: file.modifiedAt, isFolder: false)
        }
    }

    package func makeFolder(_ path: String) throws(StoreFolderError) {
        try change("make the folder", path) { state in Self.makeFolders(path, &state) }
    }

    private static func makeFolders(_ path: String, _ state: inout State) {
        var path = path
        while !path.isEmpty {
            state.folders.insert(path)
            path = parent(of: path)
        }
    }

    package func names(in path: String) throws(StoreFolderError) -> [String] {
        try look("list", path) { state in
            let prefix = path.isEmpty ? "" : path + "/"
            let inside = (Array(state.names.keys) + state.folders).filter { $0.hasPrefix(prefix) && !$0.dropFirst(prefix.count).isEmpty }
            return Set(inside.map { String($0.dropFirst(prefix.count).prefix { $0 != "/" }) }).sorted()
        }
    }

    package func read(_ path: String, bytesMax: Int) throws(StoreFolderError) -> [UInt8]? {
        try look("read", path) { state in state.names[path].flatMap { state.files[$0]?.bytes } }
    }

    package func write(_ path: String, _ bytes: [UInt8]) throws(StoreFolderError) {
        try change("write", path) { (state) throws(StoreFolderError) in
            guard state.folders.contains(Self.parent(of: path)) else {
                throw StoreFolderError(operation: "write", path: path, reason: "No such file or directory")
            }
            if let id = state.names[path] {
                state.files[id]?.bytes = bytes
            } else {
                state.files[state.nextFile] = File(bytes: bytes, synced: nil, modifiedAt: state.now)
                Self.apply(Change(names: [(path, state.nextFile)]), &state)
                state.nextFile += 1
            }
        }
        try sync(path)
    }

    private static func apply(_ change: Change, _ state: inout State) {
        for name in change.names { state.names[name.path] = name.file }
        state.unsynced.append(change)
    }

    package func rename(_ path: String, to target: String, replacing: Bool) throws(StoreFolderError) -> Bool {
        try change("rename", path) { (state) throws(StoreFolderError) in
            guard let id = state.names[path], state.folders.contains(Self.parent(of: target)) else {
                throw StoreFolderError(operation: "rename", path: path, reason: "No such file or directory")
            }
            if !replacing, state.names[target] != nil { return false }
            Self.apply(Change(names: [(path, nil), (target, id)]), &state)
            return true
        }
    }

    package func remove(_ path: String) throws(StoreFolderError) {
        try change("remove", path) { (state) throws(StoreFolderError) in
            if state.folders.contains(path) {
                let isEmpty = !state.names.keys.contains { $0.hasPrefix(path + "/") } && !state.folders.contains { $0.hasPrefix(path + "/") }
                guard isEmpty else { throw StoreFolderError(operation: "remove", path: path, reason: "Directory not empty") }
                state.folders.remove(path)
            } else if state.names[path] != nil {
                Self.apply(Change(names: [(path, nil)]), &state)
            }
        }
    }

    package func sync(_ path: String) throws(StoreFolderError) {
        try change("sync", path) { (state) throws(StoreFolderError) in
            guard let id = state.names[path] else { throw StoreFolderError(operation: "sync", path: path, reason: "No such file or directory") }
            let bytes = state.files[id]?.bytes
            state.files[id]?.synced = bytes
        }
    }

    package func syncFolder(_ path: String) throws(StoreFolderError) {
        try change("sync", path) { state in
            let inFolder = state.unsynced.map { $0.names.contains { Self.parent(of: $0.path) == path } }
            Self.settle(&state) { inFolder[$0] }
        }
    }

    package func protect(_ path: String) throws(StoreFolderError) {
        guard try facts(path) != nil else { throw StoreFolderError(operation: "protect", path: path, reason: "No such file or directory") }
    }

    package func digest(_ path: String) throws(StoreFolderError) -> (facts: FileFacts, sha256: [UInt8])? {
        guard let facts = try facts(path), let bytes = try read(path, bytesMax: .max) else { return nil }
        do {
            return (facts, try DigestStream.digest(of: bytes))
        } catch {
            throw StoreFolderError(operation: "read", path: path, reason: "\(error)")
        }
    }
}
