// The entry points that libFuzzer calls. `SPINDLE_FUZZ_TARGET` names the target. Source: https://llvm.org/docs/LibFuzzer.html
internal import FuzzCore
internal import Glibc

/// Set once, before the first input.
nonisolated(unsafe) private var target: FuzzTarget?  // libFuzzer calls from one thread

@_cdecl("LLVMFuzzerInitialize")
func initialize(_ argumentCount: UnsafeMutableRawPointer?, _ arguments: UnsafeMutableRawPointer?) -> CInt {
    let name = getenv("SPINDLE_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    target = runnerTargets.first { $0.name == name }
    if let target, let folder = getenv("SPINDLE_FUZZ_SEEDS").map({ String(cString: $0) }) { write(target.seeds(), to: folder) }
    guard target == nil else { return 0 }
    print("SPINDLE_FUZZ_TARGET is '\(name)': one of \(runnerTargets.map(\.name).joined(separator: ", ")) is needed")
    exit(64)
}

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // -1: an input that is not to be kept.
    guard let target, count <= target.inputBytesMax else { return -1 }
    do {
        try target.run(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count).bytes)
    } catch {
        // A broken invariant ends the process as a trap does, so that the input is kept.
        fatalError("\(target.name): \(error)")
    }
    return 0
}

private func write(_ seeds: [[UInt8]], to folder: String) {
    for (index, seed) in seeds.enumerated() {
        guard let file = fopen("\(folder)/seed-\(index)", "w") else { continue }
        fwrite(seed, 1, seed.count, file)
        fclose(file)
    }
}
