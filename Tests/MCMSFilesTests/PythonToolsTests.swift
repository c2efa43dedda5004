import Foundation
import PythonTools
import Testing

/// What other tests rely on.
@Suite struct PythonToolsTests {
    @Test(arguments: ["boto3", "botocore.auth", "tusclient"]) func theInterpreterFindsTheModule(name: String) throws {
        let process = Process()
        process.executableURL = try PythonTools.python
        process.arguments = ["-c", "import \(name)"]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
    }

    @Test func theObjectStoreStarts() throws {
        let (process, output) = (Process(), Pipe())
        process.executableURL = try PythonTools.program("weed")
        process.arguments = ["version"]
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(text.contains("version"))
    }

    @Test func aProgramThatIsMissingIsNamedWithWhatToDo() {
        let error = #expect(throws: PythonTools.Missing.self) { try PythonTools.program("no-such-program") }
        #expect(error?.description.contains("run ./dev test once") == true)
    }
}
