internal import SpindleWire
internal import WireDecoders

extension FuzzTarget {
    /// A stream as a listener sees it: headers, and each body through every decoder of its opcode. The first byte picks the frame cap
    /// and one further decoder, which gets the whole rest as a body.
    static let frames = FuzzTarget("frames", inputBytesMax: 4096) { input in
        guard input.byteCount > 0 else { return }
        let first = input.unsafeLoad(fromByteOffset: 0, as: UInt8.self)
        let stream = input.extracting(1..<input.byteCount)
        try decode(Decoders.all[Int(first) % Decoders.all.count], stream)

        let cap = first & 1 == 0 ? WireLimits.frameBytesMax : WireLimits.preAuthenticationFrameBytesMax
        var offset = 0
        while stream.byteCount - offset >= FrameHeader.byteCount {
            guard let header = try? FrameHeader(stream.extracting(offset..<stream.byteCount), frameBytesMax: cap) else { return }
            try must((FrameHeader.byteCount...cap).contains(Int(header.length)), "a frame of \(header.length) bytes was let in under a cap of \(cap)")
            guard Int(header.length) <= stream.byteCount - offset else { return }
            let body = stream.extracting((offset + FrameHeader.byteCount)..<(offset + Int(header.length)))
            offset += Int(header.length)
            guard let opcode = Opcode(rawValue: header.opcode) else { continue }
            for decoder in Decoders.all where decoder.opcode == opcode { try decode(decoder, body) }
            if header.flags.contains(.error) { _ = try? ErrorReply(body) }
        }
    }

    private static func decode(_ decoder: Decoder, _ body: RawSpan) throws {
        do throws(any Error) {
            let reserved = try decoder.decode(body)
            // Lists are reserved by counts that the body's own bytes must bear out.
            try must(reserved <= body.byteCount + 16, "\(decoder.name) made room for \(reserved) items out of \(body.byteCount) bytes")
        } catch let failure as FuzzFailure {
            throw failure
        } catch {
            // Refused: that is what decoders are for.
        }
    }
}
