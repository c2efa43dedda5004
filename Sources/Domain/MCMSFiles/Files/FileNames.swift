internal import MCMS

/// How a file is named, checked.
package struct FileNames: Hashable, Sendable {
    package let logicalName: String
    package let logicalPath: String
    /// The same for names that Windows takes for the same.
    package let key: String

    /// - Parameters:
    ///   - name: as the client calls it; it may have folders.
    ///   - path: where it is published; nil: `<routing>/<name>`.
    package init(name: String, path: String?, routing: String, windowsRoots: [String]) throws(FileError) {
        let checked: LogicalPath
        do {
            checked = try LogicalPath(name, roots: [])
        } catch {
            throw .invalid(field: "filename", problem: "can't be used: \(error)")
        }
        let target: LogicalPath
        do {
            target = try LogicalPath(path ?? "\(routing)/\(checked)", roots: windowsRoots)
        } catch {
            throw .invalid(field: "logicalPath", problem: "can't be used: \(error)")
        }
        logicalName = checked.description
        logicalPath = target.description
        key = LogicalPath.folded(logicalName)
    }
}
