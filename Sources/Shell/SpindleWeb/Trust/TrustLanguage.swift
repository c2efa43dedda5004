/// The languages of `/trust`.
package enum TrustLanguage: String, CaseIterable {
    case english = "en"
    case korean = "ko"

    /// - Parameters:
    ///   - asked: what the address says (`?language=ko`).
    ///   - accepted: the header Accept-Language. The language that it likes best and that is known here; English where it names none.
    package init(asked: String?, accepted: String?) {
        if let asked = asked.flatMap(TrustLanguage.init(rawValue:)) {
            self = asked
            return
        }
        var best: (language: TrustLanguage, weight: Double)?
        for part in (accepted ?? "").split(separator: ",").prefix(20) {
            let fields = part.split(separator: ";").map { $0.trimming(while: { $0 == " " }) }
            guard let tag = fields.first?.split(separator: "-").first, let language = TrustLanguage(rawValue: tag.lowercased()) else { continue }
            let weight = fields.dropFirst().first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
            if weight > best?.weight ?? 0 { best = (language, weight) }
        }
        self = best?.language ?? .english
    }
}

extension Substring {
    fileprivate func trimming(while isTrimmed: (Character) -> Bool) -> Substring {
        var text = self
        while let first = text.first, isTrimmed(first) { text.removeFirst() }
        while let last = text.last, isTrimmed(last) { text.removeLast() }
        return text
    }
}
