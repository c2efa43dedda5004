import ArgumentParser
import Foundation
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What cannot be taken back asks first.
struct Confirmation: ParsableArguments {
    @Flag(help: "Do it without asking.")
    var yes = false

    /// Asks at a terminal; a script must have said `--yes`.
    func confirm(_ deed: String) throws {
        if yes { return }
        guard isatty(STDIN_FILENO) == 1 else {
            throw CommandFailure("this \(deed), and nobody is here to be asked.", advice: "Repeat it with --yes if that is meant.")
        }
        Output.error("This \(deed). Go on? [y/N]")
        guard let answer = readLine(), ["y", "yes", "예"].contains(answer.lowercased()) else {
            throw CommandFailure("nothing was done.")
        }
    }
}
