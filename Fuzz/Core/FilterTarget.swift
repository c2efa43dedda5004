internal import SpindleWire

extension FuzzTarget {
    /// The filter of BROWSE, REDRIVE and BULK. One that means less than was sent would choose too many messages.
    static let filter = FuzzTarget("filter", inputBytesMax: 1024) { input in
        guard let filter = try? MessageFilter(fields: input) else { return }
        try must(filter.isEmpty == (input.byteCount == 0), "a filter of \(input.byteCount) bytes means every message: \(filter)")
        try must((filter.ids?.count ?? 0) <= input.byteCount / 8, "more ids than bytes")
        var writer = WireWriter()
        filter.encode(into: &writer)
        var reader = WireReader(writer.span)
        let again = try? MessageFilter(&reader)
        try must(again == filter && reader.isAtEnd, "a filter means something else when it is encoded again: \(filter)")
    }
}
