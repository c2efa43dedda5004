/// The named steps that make the tables, each applied once, in order. Which ones were applied is kept in the database.
///
/// A step is one transaction, with the foreign keys checked. A step that was released is never changed or removed: what comes later is a
/// step of its own.
package struct SQLMigrations: Sendable {
    package struct Step: Sendable {
        package let name: String
        package let apply: @Sendable (any SQLConnection) throws -> Void
    }

    package private(set) var steps: [Step] = []

    package init() {}

    package mutating func add(_ name: String, _ apply: @escaping @Sendable (any SQLConnection) throws -> Void) {
        precondition(!steps.contains { $0.name == name }, "two steps are called \(name)")
        steps.append(Step(name: name, apply: apply))
    }
}
