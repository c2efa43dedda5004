import ArgumentParser
import Foundation
import MCMS
import SpindleCluster
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Where a new password comes from: a file, or the terminal, never the command line, which everybody on the machine can read.
struct PasswordOptions: ParsableArguments {
    /// More is no password.
    private static let bytesMax = 4_096

    @Option(help: ArgumentHelp("Read the password from this file; - is standard input. (default: asked for)", valueName: "file"))
    var passwordFile: String?

    func hash(of name: String) async throws -> PasswordHash {
        let password = Password(try text())
        try AccountRules.check(password, of: name)
        return try await PasswordHasher().hash(password)
    }

    func text() throws -> String {
        if let passwordFile { return try Self.read(passwordFile) }
        guard isatty(STDIN_FILENO) == 1 else {
            throw CommandFailure("nobody is here to be asked for the password.", advice: "Put it into a file, and name it: --password-file FILE.")
        }
        let first = try Self.ask("Password: ")
        guard try Self.ask("Again: ") == first else { throw CommandFailure("the two passwords differ.", advice: "Repeat the command.") }
        return first
    }

    private static func read(_ file: String) throws -> String {
        let data: Data
        do {
            let handle = file == "-" ? FileHandle.standardInput : try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
            data = try handle.read(upToCount: bytesMax + 1) ?? Data()
        } catch {
            throw CommandFailure("\(file) can't be read: \(FileProblem.sentence(error))", advice: "Name a file that holds the password, and nothing else.")
        }
        guard data.count <= bytesMax, let text = String(validating: data, as: UTF8.self) else {
            throw CommandFailure("\(file) holds no password: it is too long, or no UTF-8 text.", advice: "Name a file that holds the password, and nothing else.")
        }
        let line = text.hasSuffix("\r\n") || text.hasSuffix("\n") ? String(text.dropLast()) : text
        guard !line.contains(where: \.isNewline) else {
            throw CommandFailure("\(file) has several lines.", advice: "Name a file that holds the password, and nothing else.")
        }
        return line
    }

    /// Asks at the terminal, which doesn't show what is typed.
    private static func ask(_ question: String) throws -> String {
        var shown = termios()
        guard tcgetattr(STDIN_FILENO, &shown) == 0 else { throw CommandFailure("this terminal can't hide what is typed.", advice: "Use --password-file FILE.") }
        var hidden = shown
        hidden.c_lflag &= ~tcflag_t(ECHO)
        _ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden)
        defer {
            _ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown)
            FileHandle.standardError.write(Data("\n".utf8))
        }
        FileHandle.standardError.write(Data(question.utf8))
        guard let line = readLine() else { throw CommandFailure("no password was typed.") }
        return line
    }
}
