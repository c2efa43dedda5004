extension QRCode {
    /// A picture that scales, black on white with its quiet zone.
    /// - Parameter label: for screen readers: letters, digits and punctuation without meaning in markup.
    package func svg(label: String) -> String {
        let all = side + 2 * Self.quietZone
        var path = ""
        for y in 0..<side {
            for x in 0..<side where isDark(x, y) { path += "M\(x + Self.quietZone) \(y + Self.quietZone)h1v1h-1z" }
        }
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(all) \(all)" width="\(all * 6)" height="\(all * 6)" role="img" aria-label="\(label)" \
            shape-rendering="crispEdges"><path fill="#fff" d="M0 0h\(all)v\(all)H0z"/><path fill="#000" d="\(path)"/></svg>
            """
    }

    /// Lines for a terminal, two rows of modules in each: light is drawn, since terminals are dark.
    package func terminalLines() -> [String] {
        stride(from: -Self.quietZone, to: side + Self.quietZone, by: 2).map { y in
            (-Self.quietZone..<side + Self.quietZone).map { x in
                switch (isDark(x, y), isDark(x, y + 1)) {
                case (false, false): "█"
                case (false, true): "▀"
                case (true, false): "▄"
                case (true, true): " "
                }
            }.joined()
        }
    }
}
