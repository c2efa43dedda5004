// swift-tools-version: 6.3
import PackageDescription

// The folder tree explains the system: see docs/ARCHITECTURE.md for what each target holds and may import.
// Tests/HouseStyleTests checks those import rules against this file and the sources.

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

extension Target.Dependency {
    static let collections: Self = .product(name: "Collections", package: "swift-collections")
    static let system: Self = .product(name: "SystemPackage", package: "swift-system")
    static let nioCore: Self = .product(name: "NIOCore", package: "swift-nio")
    static let nioPosix: Self = .product(name: "NIOPosix", package: "swift-nio")
    static let nioHTTP1: Self = .product(name: "NIOHTTP1", package: "swift-nio")
    static let nioEmbedded: Self = .product(name: "NIOEmbedded", package: "swift-nio")
    static let nioSSL: Self = .product(name: "NIOSSL", package: "swift-nio-ssl")
    static let logging: Self = .product(name: "Logging", package: "swift-log")
    static let metrics: Self = .product(name: "Metrics", package: "swift-metrics")
    static let tracing: Self = .product(name: "Tracing", package: "swift-distributed-tracing")
    static let lifecycle: Self = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let lifecycleUnix: Self = .product(name: "UnixSignals", package: "swift-service-lifecycle")
    static let hummingbird: Self = .product(name: "Hummingbird", package: "hummingbird")
    static let hummingbirdTesting: Self = .product(name: "HummingbirdTesting", package: "hummingbird")
    static let hummingbirdTLS: Self = .product(name: "HummingbirdTLS", package: "hummingbird")
    static let httpClient: Self = .product(name: "AsyncHTTPClient", package: "async-http-client")
    static let grdb: Self = .product(name: "GRDB", package: "GRDB.swift")
    static let yams: Self = .product(name: "Yams", package: "Yams")
    static let x509: Self = .product(name: "X509", package: "swift-certificates")
    static let asn1: Self = .product(name: "SwiftASN1", package: "swift-asn1")
    static let crypto: Self = .product(name: "Crypto", package: "swift-crypto")
    static let arguments: Self = .product(name: "ArgumentParser", package: "swift-argument-parser")
    static let histogram: Self = .product(name: "Histogram", package: "hdrhistogram-swift")
}

/// Borrowed spans cross function borders in the inner targets; "Lifetimes" lets a function return one.
let spans: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

func library(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    let holdsBugs = plantsBugs && ["SpindleQueue", "SpindleLog", "SpindleNode", "SpindleSimulator"].contains(name)
    return .target(
        name: name, dependencies: dependencies + (holdsBugs ? ["PlantedBugs"] : []), resources: resources,
        swiftSettings: settings + spans + (holdsBugs ? [.define("PLANTED_BUGS")] : []))
}

/// Set by `./dev planted-bugs`, which shows that the tests find bugs. No other build has anything of them.
let plantsBugs = Context.environment["SPINDLE_PLANTED_BUGS"] != nil

let plantedBugs: [Target] = plantsBugs
    ? [
        library("PlantedBugs", []),
        .executableTarget(name: "planted-bugs", dependencies: ["PlantedBugs", "SpindleSimulator"], swiftSettings: settings),
    ] : []

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

let package = Package(
    name: "spindle",
    products: [
        .executable(name: "spindle", targets: ["spindle"]),
        .library(name: "SpindleClient", targets: ["SpindleClient"]),
        .library(name: "SpindleWorker", targets: ["SpindleWorker"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // C: the processor's CRC32C instruction, two system libraries, and glibc's own part of malloc.
        .target(name: "CCRC32C"),
        .systemLibrary(name: "CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CLibcrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CMalloc"),

        // The deterministic core: no clock, thread, lock, async, random source, logger, Foundation or NIO.
        library("SpindleWire", ["CCRC32C"]),
        library("SpindleQueue", [.collections]),
        library("SpindleLog", ["CCRC32C", .collections]),
        library("SpindleNode", ["SpindleWire", "SpindleQueue", "SpindleLog"]),

        // The shells around it.
        library("SpindleDisk", ["SpindleLog", .system]),
        library("SpindleObservability", [.logging, .metrics, .tracing]),
        library("SpindleBroker", [
            "SpindleNode", "SpindleLog", "SpindleWire", "SpindleDisk", .nioCore, .nioPosix, .nioHTTP1, .nioSSL, .x509, .crypto,
            .logging, .lifecycle,
        ]),
        library("SpindleCertificates", [.x509, .asn1, .crypto]),

        // The same node and log over a disk that fails and crashes on demand.
        library("SpindleSimulator", ["SpindleNode", "SpindleWire", "SpindleLog"]),

        // Those who talk to it.
        library("SpindleClient", ["SpindleWire", "CLZ4", .nioCore, .nioPosix, .nioSSL, .logging]),
        library("SpindleWorker", ["SpindleClient", .logging, .metrics, .tracing, .lifecycle]),
        library("SpindleBridge", ["SpindleClient", .hummingbird, .logging, .lifecycle]),

        // The domain.
        library("Outbox", ["SpindleClient", .grdb, .logging, .lifecycle]),
        library("MCMS", ["SpindleWorker", "Outbox", .grdb, .logging]),
        library("MCMSFiles", ["MCMS", "CLibcrypto"]),
        library("MCMSServer", ["MCMS", "MCMSFiles", "SpindleBridge", .hummingbird, .logging, .lifecycle], resources: [.embedInCode("Page")]),

        // One machine, or several: what runs where, and who starts it.
        library("SpindleCluster", [.yams, .logging, .lifecycle, .system]),

        .executableTarget(
            name: "spindle",
            dependencies: [
                "SpindleBroker", "SpindleCertificates", "SpindleClient", "SpindleWorker", "SpindleBridge", "SpindleCluster",
                "SpindleObservability", "SpindleDisk", "SpindleLog", "SpindleNode", "SpindleQueue", "SpindleSimulator", "SpindleWire", "MCMS", "MCMSFiles", "MCMSServer", "Outbox", "CMalloc",
                .arguments, .httpClient, .histogram, .hummingbird, .hummingbirdTLS, .lifecycle, .lifecycleUnix, .logging,
                .nioCore, .nioPosix, .nioHTTP1, .nioSSL,
            ],
            swiftSettings: settings
        ),

        // Every decoder of the wire, for tests and fuzzing.
        .target(name: "WireDecoders", dependencies: ["SpindleWire"], path: "Tests/WireDecoders", swiftSettings: settings + spans),

        // What is fuzzed, and what must hold: see Fuzz/README.md. The fuzzers themselves are built by `./dev fuzz` only.
        .target(
            name: "FuzzCore",
            dependencies: ["SpindleSimulator", "SpindleNode", "SpindleQueue", "SpindleLog", "SpindleWire", "WireDecoders"], path: "Fuzz/Core",
            swiftSettings: settings + spans),

        .target(
            name: "FuzzEdges",
            dependencies: ["FuzzCore", "SpindleClient", "SpindleCluster", "SpindleBroker", "SpindleBridge", "SpindleWorker", "MCMSFiles"],
            path: "Fuzz/Edges", swiftSettings: settings + spans),

        // A scripted peer that speaks frames, for the tests of clients.
        .target(
            name: "FakeBroker", dependencies: ["SpindleWire", .nioCore, .nioPosix], path: "Tests/FakeBroker", swiftSettings: settings + spans),

        // Fast tests first.
        tests("HouseStyleTests", []),
        tests("SpindleWireTests", ["SpindleWire", "WireDecoders", "CCRC32C"]),
        tests("SpindleConformanceTests", ["SpindleWire"]),
        tests("SpindleQueueTests", ["SpindleQueue"]),
        tests("SpindleLogTests", ["SpindleSimulator", "SpindleLog", "CCRC32C"]),
        tests("SpindleNodeTests", ["SpindleSimulator", "SpindleNode", "SpindleWire", "SpindleQueue", "SpindleLog"]),
        tests("SpindleSimulatorTests", ["SpindleSimulator"]),
        tests("FuzzTests", ["FuzzCore", "FuzzEdges"]),
        tests("SpindleDiskTests", ["SpindleDisk", "SpindleLog"]),
        tests("SpindleClusterTests", [
            "SpindleCluster", "SpindleCertificates", "SpindleObservability", .yams, .logging, .metrics, .tracing, .lifecycle,
        ]),
        tests("SpindleBrokerTests", [
            "SpindleBroker", "SpindleNode", "SpindleDisk", "SpindleLog", "SpindleWire", "SpindleCertificates", .nioCore, .nioPosix, .nioSSL, .logging,
            .lifecycle,
        ]),
        tests("SpindleClientTests", [
            "SpindleClient", "SpindleWire", "SpindleBroker", "SpindleLog", "SpindleNode", "SpindleCertificates", "FakeBroker", .nioCore, .nioPosix, .logging,
        ]),
        tests("SpindleWorkerTests", ["SpindleWorker", "SpindleClient", "SpindleWire", "FakeBroker", .logging, .tracing, .lifecycle]),
        tests("SpindleBridgeTests", [
            "SpindleBridge", "SpindleClient", .hummingbird, .hummingbirdTesting, .logging, .lifecycle,
        ]),
        tests("OutboxTests", ["Outbox", "SpindleClient", .grdb, .logging, .lifecycle]),
        tests("MCMSTests", ["MCMS", "SpindleWorker", "MCMSFiles", "MCMSServer", "Outbox", .grdb, .hummingbird, .hummingbirdTesting, .logging]),
        tests("SpindleIntegrationTests", ["SpindleClient", "SpindleDisk", .httpClient]),
    ] + plantedBugs
)

// `./dev fuzz` builds these with libFuzzer, whose `main` they need.
if Context.environment["SPINDLE_FUZZ"] != nil {
    package.targets += [
        .executableTarget(name: "fuzz-core", dependencies: ["FuzzCore"], path: "Fuzz/CoreRunner", swiftSettings: settings + spans),
        .executableTarget(
            name: "fuzz-edges", dependencies: ["FuzzCore", "FuzzEdges"], path: "Fuzz/EdgesRunner", swiftSettings: settings + spans),
    ]
}
