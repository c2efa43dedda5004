// swift-tools-version: 6.3
import PackageDescription

// The folder tree explains the system: see docs/ARCHITECTURE.md for what each target holds and may import.
// Tests/HouseStyleTests checks this file and the sources against the table there.

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
    static let nioWebSocket: Self = .product(name: "NIOWebSocket", package: "swift-nio")
    static let nioSSL: Self = .product(name: "NIOSSL", package: "swift-nio-ssl")
    static let nioHTTP2: Self = .product(name: "NIOHTTP2", package: "swift-nio-http2")
    static let nioHTTPTypes: Self = .product(name: "NIOHTTPTypes", package: "swift-nio-extras")
    static let nioHTTPTypesHTTP1: Self = .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras")
    static let nioHTTPTypesHTTP2: Self = .product(name: "NIOHTTPTypesHTTP2", package: "swift-nio-extras")
    static let jwtKit: Self = .product(name: "JWTKit", package: "jwt-kit")
    static let logging: Self = .product(name: "Logging", package: "swift-log")
    static let metrics: Self = .product(name: "Metrics", package: "swift-metrics")
    static let tracing: Self = .product(name: "Tracing", package: "swift-distributed-tracing")
    static let lifecycle: Self = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let lifecycleUnix: Self = .product(name: "UnixSignals", package: "swift-service-lifecycle")
    static let hummingbird: Self = .product(name: "Hummingbird", package: "hummingbird")
    static let hummingbirdTesting: Self = .product(name: "HummingbirdTesting", package: "hummingbird")
    static let httpClient: Self = .product(name: "AsyncHTTPClient", package: "async-http-client")
    static let grdb: Self = .product(name: "GRDB", package: "GRDB.swift")
    static let yams: Self = .product(name: "Yams", package: "Yams")
    static let x509: Self = .product(name: "X509", package: "swift-certificates")
    static let asn1: Self = .product(name: "SwiftASN1", package: "swift-asn1")
    static let crypto: Self = .product(name: "Crypto", package: "swift-crypto")
    static let cryptoExtras: Self = .product(name: "CryptoExtras", package: "swift-crypto")
    static let arguments: Self = .product(name: "ArgumentParser", package: "swift-argument-parser")
    static let histogram: Self = .product(name: "Histogram", package: "hdrhistogram-swift")
}

/// Borrowed spans cross function borders in the inner targets; "Lifetimes" lets a function return one.
let spans: [SwiftSetting] = [.enableExperimentalFeature("Lifetimes")]

/// The folders of `Sources`, from the inside out.
enum Layer: String {
    case c = "C"
    case core = "Core"
    case shell = "Shell"
    case client = "Client"
    case domain = "Domain"
    case proof = "Proof"
}

func library(_ name: String, in layer: Layer, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, path: "Sources/\(layer.rawValue)/\(name)", resources: resources, swiftSettings: settings + spans)
}

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
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
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
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // C: the processor's CRC32C instruction, two system libraries, glibc's own part of malloc, and three calls of Linux.
        .target(name: "CCRC32C", path: "Sources/C/CCRC32C"),
        .systemLibrary(name: "CLZ4", path: "Sources/C/CLZ4", pkgConfig: "liblz4", providers: [.apt(["liblz4-dev"])]),
        .systemLibrary(name: "CLibcrypto", path: "Sources/C/CLibcrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CMalloc", path: "Sources/C/CMalloc"),
        .systemLibrary(name: "CBeneath", path: "Sources/C/CBeneath"),

        // The deterministic core: no clock, thread, lock, async, random source, logger, Foundation or NIO.
        library("SpindleText", in: .core, []),
        library("SpindleWire", in: .core, ["CCRC32C"]),
        library("QRCode", in: .core, []),
        library("SpindleQueue", in: .core, ["SpindleText", .collections]),
        library("SpindleLog", in: .core, ["CCRC32C", .collections]),
        library("SpindleNode", in: .core, ["SpindleText", "SpindleWire", "SpindleQueue", "SpindleLog"]),

        // The shells around it: files, sockets, logs, and who starts what on which machine.
        library("SpindleDisk", in: .shell, ["SpindleLog", .system]),
        library("SpindleObservability", in: .shell, ["SpindleText", .logging, .metrics, .tracing]),
        library("SpindleTelemetry", in: .shell, ["SpindleText", "SpindleObservability", .httpClient, .nioCore, .nioHTTP1, .logging, .metrics, .tracing, .lifecycle]),
        library("SpindleBroker", in: .shell, [
            "SpindleText", "SpindleNode", "SpindleLog", "SpindleWire", "SpindleDisk", .nioCore, .nioPosix, .nioHTTP1, .nioSSL, .x509, .crypto,
            .logging, .lifecycle,
        ]),
        library("SpindleWeb", in: .shell, [
            "QRCode", .hummingbird, .nioCore, .nioHTTP1, .nioHTTP2, .nioHTTPTypes, .nioHTTPTypesHTTP1, .nioHTTPTypesHTTP2, .nioWebSocket, .nioSSL,
            .logging,
        ]),
        library("PFX", in: .shell, ["CLibcrypto"]),
        library("SpindleCluster", in: .shell, ["SpindleText", "SpindleWire", "SpindleLog", .yams, .x509, .asn1, .crypto, .logging, .lifecycle, .system]),

        // Programs that talk to a broker.
        library("SpindleClient", in: .client, ["SpindleText", "SpindleWire", "CLZ4", .nioCore, .nioPosix, .nioSSL, .logging]),
        library("SpindleWorker", in: .client, ["SpindleClient", .logging, .metrics, .tracing, .lifecycle]),
        library("SpindleBridge", in: .client, ["SpindleText", "SpindleWeb", "SpindleClient", .hummingbird, .logging, .lifecycle]),

        // The domain.
        library("SQLStore", in: .domain, ["SpindleText", .grdb]),
        library("Outbox", in: .domain, ["SpindleClient", "SQLStore", .logging, .lifecycle]),
        library("Digests", in: .domain, ["CLibcrypto"]),
        library("ContentStore", in: .domain, ["CBeneath", "Digests"]),
        library("S3", in: .domain, ["CCRC32C", "Digests", .httpClient, .nioCore, .nioHTTP1, .nioSSL, .crypto]),
        library("MCMS", in: .domain, ["SpindleText", "SpindleWorker", "Outbox", "Digests", "SQLStore", .crypto, .cryptoExtras, .logging]),
        library("MCMSFiles", in: .domain, [
            "SpindleText", "SpindleWorker", "Digests", "ContentStore", "S3", "SQLStore", "MCMS", .nioCore, .nioHTTP1, .httpClient, .logging, .lifecycle,
        ]),
        library("MCMSServer", in: .domain, ["SpindleText", "SpindleBridge", "MCMS", "MCMSFiles", "ContentStore", "Digests", "Outbox", .hummingbird, .jwtKit, .logging, .lifecycle], resources: [.embedInCode("Page")]),

        // The same node and log over a disk, network and clock that fail on demand.
        library("SpindleSimulator", in: .proof, ["SpindleText", "SpindleNode", "SpindleWire", "SpindleLog"]),
        // The commit of files and the collector over a folder that loses its power.
        library("StoreSimulator", in: .proof, ["ContentStore", "Digests", "SpindleSimulator"]),

        .executableTarget(
            name: "spindle",
            dependencies: [
                "SpindleBroker", "SpindleClient", "SpindleWorker", "SpindleBridge", "SpindleCluster", "SpindleWeb",
                "SpindleObservability", "SpindleTelemetry", "SpindleDisk", "SpindleLog", "SpindleNode", "SpindleQueue", "SpindleSimulator", "StoreSimulator", "SpindleText", "SpindleWire",
                "Digests", "ContentStore", "MCMS", "MCMSFiles", "MCMSServer", "Outbox", "PFX", "QRCode", "S3", "CMalloc",
                .arguments, .httpClient, .histogram, .hummingbird, .lifecycle, .lifecycleUnix, .logging,
                .nioCore, .nioPosix, .nioHTTP1, .nioSSL,
            ],
            swiftSettings: settings
        ),

        // Every decoder of the wire, for tests and fuzzing.
        .target(name: "WireDecoders", dependencies: ["SpindleWire"], path: "Tests/WireDecoders", swiftSettings: settings + spans),

        // What is fuzzed, and what must hold: see Fuzz/README.md. The fuzzers themselves are built by `./dev fuzz` only.
        .target(
            name: "FuzzCore",
            dependencies: ["SpindleSimulator", "SpindleNode", "SpindleQueue", "SpindleLog", "SpindleText", "SpindleWire", "WireDecoders"],
            path: "Fuzz/Core",
            swiftSettings: settings + spans),

        .target(
            name: "FuzzEdges",
            dependencies: ["FuzzCore", "SpindleClient", "SpindleCluster", "SpindleBroker", "SpindleBridge", "SpindleWorker", "SpindleText", "MCMS"],
            path: "Fuzz/Edges", swiftSettings: settings + spans),

        // Data directories that earlier versions wrote, for tests that start on them.
        .target(
            name: "DataFixtures", path: "Tests/Fixtures", exclude: ["README.md", "write.py", "data-0.1.0"], swiftSettings: settings),

        // A scripted peer that speaks frames, for the tests of clients.
        .target(
            name: "FakeBroker", dependencies: ["SpindleWire", .nioCore, .nioPosix], path: "Tests/FakeBroker", swiftSettings: settings + spans),

        // Programs and modules from the Python Package Index that tests call.
        .target(name: "PythonTools", path: "Tests/PythonTools", swiftSettings: settings + spans),

        // A real object store, and a proxy that lies about it.
        .target(name: "ObjectStoreRig", dependencies: ["PythonTools"], path: "Tests/ObjectStoreRig", swiftSettings: settings + spans),

        // Fast tests first.
        tests("HouseStyleTests", []),
        tests("SpindleWireTests", ["SpindleWire", "WireDecoders", "CCRC32C"]),
        tests("SpindleConformanceTests", ["SpindleWire"]),
        tests("QRCodeTests", ["QRCode"]),
        tests("SpindleQueueTests", ["SpindleQueue", "SpindleText"]),
        tests("SpindleLogTests", ["SpindleSimulator", "SpindleLog", "CCRC32C"]),
        tests("SpindleNodeTests", ["DataFixtures", "SpindleSimulator", "SpindleNode", "SpindleText", "SpindleWire", "SpindleQueue", "SpindleLog"]),
        tests("SpindleSimulatorTests", ["SpindleSimulator"]),
        tests("FuzzTests", ["FuzzCore", "FuzzEdges"]),
        tests("ContentStoreTests", ["ContentStore", "Digests"]),
        tests("StoreSimulatorTests", ["StoreSimulator"]),
        tests("SpindleDiskTests", ["SpindleDisk", "SpindleLog"]),
        tests("SpindleClusterTests", [
            "SpindleCluster", "SpindleObservability", "SpindleText", "SpindleWire", .yams, .logging, .metrics, .tracing, .lifecycle,
        ]),
        tests("PFXTests", ["PFX", "SpindleCluster", .nioPosix]),
        tests("SpindleTelemetryTests", [
            "SpindleTelemetry", "SpindleObservability", "PythonTools", .nioCore, .nioPosix, .hummingbird, .hummingbirdTesting, .logging, .tracing, .lifecycle,
        ]),
        tests("SpindleBrokerTests", [
            "SpindleBroker", "SpindleNode", "SpindleDisk", "SpindleLog", "SpindleText", "SpindleWire", "SpindleCluster", .nioCore, .nioPosix, .nioSSL,
            .logging, .lifecycle,
        ]),
        tests("SpindleWebTests", [
            "PythonTools", "SpindleWeb", "SpindleCluster", .nioCore, .nioPosix, .nioHTTP1, .nioWebSocket, .nioEmbedded, .hummingbird, .logging,
        ]),
        tests("SpindleClientTests", [
            "SpindleClient", "SpindleWire", "SpindleBroker", "SpindleLog", "SpindleNode", "SpindleCluster", "FakeBroker", .nioCore, .nioPosix, .logging,
        ]),
        tests("SpindleWorkerTests", ["SpindleWorker", "SpindleClient", "SpindleWire", "FakeBroker", .logging, .tracing, .lifecycle]),
        tests("SpindleBridgeTests", [
            "SpindleBridge", "SpindleWeb", "SpindleClient", "SpindleText", "PythonTools", .hummingbird, .hummingbirdTesting, .logging, .lifecycle,
        ]),
        tests("SQLStoreTests", ["SQLStore", "SpindleText"]),
        tests("OutboxTests", ["Outbox", "SpindleClient", "SQLStore", .logging, .lifecycle]),
        tests("MCMSTests", [
            "ContentStore", "DataFixtures", "Digests", "MCMS", "MCMSFiles", "SpindleText", "SpindleWorker", "MCMSServer", "Outbox", "SpindleBridge", "SpindleClient",
            "SpindleWeb", "SQLStore", .hummingbird, .hummingbirdTesting, .nioCore, .logging,
        ]),
        tests("S3Tests", ["ObjectStoreRig", "S3", "Digests", .nioCore]),
        tests("MCMSFilesTests", ["ObjectStoreRig", "PythonTools", "S3", "MCMSFiles", "MCMS", "ContentStore", "Digests", "SQLStore", "SpindleText", .nioCore, .logging]),
        tests("SpindleIntegrationTests", ["DataFixtures", "ObjectStoreRig", "PythonTools", "SpindleClient", "SpindleCluster", "SpindleDisk", .nioPosix, .httpClient]),
    ]
)

// `./dev fuzz` builds these with libFuzzer, whose `main` they need.
if Context.environment["SPINDLE_FUZZ"] != nil {
    package.targets += [
        .executableTarget(name: "fuzz-core", dependencies: ["FuzzCore"], path: "Fuzz/CoreRunner", swiftSettings: settings + spans),
        .executableTarget(
            name: "fuzz-edges", dependencies: ["FuzzCore", "FuzzEdges"], path: "Fuzz/EdgesRunner", swiftSettings: settings + spans),
    ]
}
