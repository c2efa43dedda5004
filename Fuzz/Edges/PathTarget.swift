internal import Foundation
internal import FuzzCore
internal import MCMS

extension FuzzTarget {
    /// A path that an add-in reports. What is taken lies below the root on both systems, and is taken again as it is written then.
    static let path = FuzzTarget(
        "path", inputBytesMax: 2048,
        seeds: { ["a/b.nc", "W:\\a\\b.nc", "../a", "a/./b", "\\\\?\\C:\\a", "w:/가/나.nc", "COM1.txt", "a:b", "a.", "e\u{301}"].map { Array($0.utf8) } }
    ) { input in
        let text = input.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        guard let path = try? LogicalPath(text) else { return }
        try must(!path.parts.isEmpty && path.parts.count <= LogicalPath.partsMax, "a path of \(path.parts.count) parts is taken")
        for part in path.parts {
            let isPlain = !part.isEmpty && part != "." && part != ".." && part.utf8.count <= LogicalPath.partBytesMax
            try must(isPlain, "the part '\(part)' is taken")
            let forbidden: (UInt8) -> Bool = { $0 < 0x20 || $0 == 0x7F || "/\\:*?\"<>|".utf8.contains($0) }
            try must(!part.utf8.contains(where: forbidden), "the part '\(part)' holds a character that means something")
            try must(!part.hasSuffix(".") && !part.hasSuffix(" "), "the part '\(part)' is another one on Windows")
        }
        let resolved = URL(fileURLWithPath: "/root/share").appending(path: path.description).standardized.path
        try must(resolved.utf8.starts(with: "/root/share/".utf8), "'\(path)' leads to \(resolved)")
        let again = try? LogicalPath(path.description)
        try must(again == path, "'\(path)' is not taken, or as another path, when it comes again")
        try must(path.description.utf8.elementsEqual(again?.description.utf8 ?? "".utf8), "'\(path)' has two spellings")
    }
}
