internal import SpindleText
internal import SpindleWire

/// The name of who holds a lease, as the log keeps it and operators read it: `principal/client`, and `principal/client (actor)` where the
/// principal acted for somebody.
///
/// A name of a principal holds neither `/` nor a space, so the text says whose lease it is: its token is good for that principal only, also
/// after a restart.
enum Holder {
    /// At most ``WireLimits/nameBytesMax`` bytes, which is what readers of a holder take: a client's name is cut first, then the actor's.
    static func text(principal: String, client: String, actor: String? = nil) -> String {
        let bytesMax = WireLimits.nameBytesMax
        var ending = ""
        if let actor {
            let room = max(0, bytesMax - principal.utf8.count - 3)
            ending = " (" + actor.cut(toBytes: room) + ")"
        }
        var text = principal
        let room = bytesMax - principal.utf8.count - 1 - ending.utf8.count
        if !client.isEmpty, room > 0 { text += "/" + client.cut(toBytes: room) }
        return (text + ending).cut(toBytes: bytesMax)
    }

    /// Returns whether a lease that keeps `holder` is of the client whose own holder is `client`, in whosever name.
    static func isSame(_ holder: String, as client: String) -> Bool {
        guard holder.hasBytePrefix(client) else { return false }
        return holder.utf8.count == client.utf8.count || holder.utf8.dropFirst(client.utf8.count).starts(with: " (".utf8)
    }

    /// Returns whether the lease that keeps `holder` was granted to `principal`.
    static func isHolder(_ holder: String, principal: String) -> Bool {
        guard holder.hasBytePrefix(principal) else { return false }
        switch holder.utf8.dropFirst(principal.utf8.count).first {
        case nil, UInt8(ascii: "/"), UInt8(ascii: " "): return true
        default: return false
        }
    }
}
