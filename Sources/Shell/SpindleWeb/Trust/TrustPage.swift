internal import QRCode

/// The page at `/trust`: markup and a style, no script.
struct TrustPage {
    let text: TrustText
    let language: TrustLanguage
    /// Nil: there is nothing to install.
    let authority: TrustedAuthority?
    /// This page's own address, for other devices.
    let address: String?
    /// Where the console is.
    let console: String?
    let systems: Set<TrustSystem>

    var html: String {
        let other: TrustLanguage = language == .english ? .korean : .english
        return """
            <!DOCTYPE html>
            <html lang="\(language.rawValue)">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>\(heading.escapedForMarkup)</title>
            <link rel="stylesheet" href="trust/trust.css">
            </head>
            <body>
            <main>
            <nav><a href="?language=\(other.rawValue)" lang="\(other.rawValue)">\(text.otherLanguage)</a></nav>
            <h1>\(heading.escapedForMarkup)</h1>
            \(content)
            </main>
            </body>
            </html>

            """
    }

    private var heading: String { authority == nil ? text.noAuthorityTitle : text.title }

    private var content: String {
        guard let authority else { return "<p>\(text.noAuthority.escapedForMarkup)</p>" }
        return [
            "<p>\(text.introduction.escapedForMarkup)</p>",
            "<h2>\(text.checkTitle.escapedForMarkup)</h2>", list("ul", text.check), identity(authority),
            "<h2>\(text.downloadTitle.escapedForMarkup)</h2>", downloads,
            text.guides.map { guide in
                "<details\(systems.contains(guide.system) ? " open" : "")><summary>\(guide.title.escapedForMarkup)</summary>\(list("ol", guide.steps))</details>"
            }.joined(separator: "\n"),
            next, code,
        ].joined(separator: "\n")
    }

    private func identity(_ authority: TrustedAuthority) -> String {
        let rows = [
            (text.nameLabel, authority.name.escapedForMarkup), ("SHA-256", "<code>\(Self.fingerprint(authority.sha256))</code>"),
            (text.sha1Label, "<code>\(Self.fingerprint(authority.sha1))</code>"), (text.endLabel, authority.end.escapedForMarkup),
        ]
        return "<dl>" + rows.map { "<dt>\($0.0.escapedForMarkup)</dt><dd>\($0.1)</dd>" }.joined() + "</dl>"
    }

    /// May be cut at each colon, where the window is narrow.
    private static func fingerprint(_ text: String) -> String { text.escapedForMarkup.split(separator: ":").joined(separator: ":<wbr>") }

    private var downloads: String {
        // Relative to this page: a proxy may have the server below a path of its own.
        let files = [
            (TrustRoutes.certificatePath, text.certificate), (TrustRoutes.profilePath, text.profile), (TrustRoutes.pemPath, text.pem),
        ]
        return "<ul class=\"files\">" + files.map { "<li><a href=\"\($0.0)\">\($0.1.escapedForMarkup)</a></li>" }.joined() + "</ul>"
    }

    private var next: String {
        guard let console else { return "" }
        return """
            <h2>\(text.consoleTitle.escapedForMarkup)</h2>
            <p><a href="\(console.escapedForMarkup)">\(text.console.escapedForMarkup)</a> <code>\(console.escapedForMarkup)</code></p>
            """
    }

    /// Left out where the address does not fit.
    private var code: String {
        guard let address, let code = try? QRCode(address) else { return "" }
        return """
            <h2>\(text.codeTitle.escapedForMarkup)</h2>
            <p><code>\(address.escapedForMarkup)</code></p>
            \(code.svg(label: address.escapedForMarkup))
            """
    }

    private func list(_ tag: String, _ items: [String]) -> String {
        "<\(tag)>" + items.map { "<li>\(Self.marked($0))</li>" }.joined() + "</\(tag)>"
    }

    /// What stands between backquotes as code.
    private static func marked(_ text: String) -> String {
        text.escapedForMarkup.split(separator: "`", omittingEmptySubsequences: false).enumerated()
            .map { $0.offset.isMultiple(of: 2) ? String($0.element) : "<code>\($0.element)</code>" }.joined()
    }

    static let style = """
        :root { color-scheme: light dark; font: 100%/1.5 system-ui, "Malgun Gothic", "Apple SD Gothic Neo", sans-serif; }
        body { margin: 0; }
        main { max-width: 44rem; margin: 0 auto; padding: 1rem; }
        nav { text-align: right; }
        h1 { font-size: 1.6rem; }
        h2 { font-size: 1.2rem; margin-top: 2rem; }
        code { font: 0.95em/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
        dt { font-weight: 600; }
        dd { margin: 0 0 0.5rem; }
        details { border: 1px solid currentColor; border-radius: 0.4rem; margin: 0.5rem 0; padding: 0.5rem 1rem; }
        summary { font-weight: 600; cursor: pointer; min-height: 1.8rem; }
        .files a { display: inline-block; padding: 0.4rem 0; }
        svg { display: block; width: 15rem; max-width: 100%; height: auto; }

        """
}
