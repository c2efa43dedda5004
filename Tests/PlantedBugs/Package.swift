// swift-tools-version: 6.3
import Foundation
import PackageDescription

// The core, the store of files and their simulators alone, with planted bugs: the manifest of the copy that `./dev planted-bugs` builds.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]

let collections: Target.Dependency = .product(name: "Collections", package: "swift-collections")

func library(_ name: String, _ path: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(path)", swiftSettings: settings)
}

/// Test targets that are there: those that a patch names.
let tests: [Target] = [
    ("SpindleQueueTests", ["SpindleQueue", "SpindleText"]),
    ("SpindleLogTests", ["SpindleSimulator", "SpindleLog", "CCRC32C"]),
    ("SpindleNodeTests", ["DataFixtures", "SpindleSimulator", "SpindleNode", "SpindleText", "SpindleWire", "SpindleQueue", "SpindleLog"]),
].filter { FileManager.default.fileExists(atPath: "\(Context.packageDirectory)/Tests/\($0.0)") }
    .map { name, dependencies in
        .testTarget(name: name, dependencies: dependencies.map { .byName(name: $0) }, path: "Tests/\(name)", swiftSettings: settings)
    }

let package = Package(
    name: "planted-bugs",
    dependencies: [.package(url: "https://github.com/apple/swift-collections", from: "1.6.0")],
    targets: [
        library("PlantedBugs", "PlantedBugs", []),
        .target(name: "CCRC32C", path: "Sources/C/CCRC32C"),
        library("SpindleText", "Core/SpindleText", ["PlantedBugs"]),
        library("SpindleWire", "Core/SpindleWire", ["PlantedBugs", "CCRC32C", "SpindleText"]),
        library("SpindleQueue", "Core/SpindleQueue", ["PlantedBugs", "SpindleText", collections]),
        library("SpindleLog", "Core/SpindleLog", ["PlantedBugs", "CCRC32C", collections]),
        library("SpindleNode", "Core/SpindleNode", ["PlantedBugs", "SpindleText", "SpindleWire", "SpindleQueue", "SpindleLog"]),
        library("SpindleSimulator", "Proof/SpindleSimulator", ["PlantedBugs", "SpindleText", "SpindleNode", "SpindleWire", "SpindleLog"]),
        .systemLibrary(name: "CLibcrypto", path: "Sources/C/CLibcrypto", pkgConfig: "libcrypto"),
        .systemLibrary(name: "CBeneath", path: "Sources/C/CBeneath"),
        library("Digests", "Domain/Digests", ["CLibcrypto"]),
        library("ContentStore", "Domain/ContentStore", ["PlantedBugs", "CBeneath", "Digests"]),
        library("StoreSimulator", "Proof/StoreSimulator", ["PlantedBugs", "ContentStore", "Digests", "SpindleSimulator"]),
        .target(name: "DataFixtures", path: "Tests/Fixtures", exclude: ["README.md", "write.py", "data-0.1.0"], swiftSettings: settings),
        .executableTarget(
            name: "planted-bugs", dependencies: ["PlantedBugs", "SpindleSimulator", "StoreSimulator"], path: "Tests/Runner", swiftSettings: settings),
    ] + tests
)
