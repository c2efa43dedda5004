package import NIOCore
package import NIOHTTP1
package import NIOHTTPTypes

/// A piece of a request or an answer, of whichever version of HTTP.
package protocol MessagePart {
    var kind: MessagePartKind { get }
}

package enum MessagePartKind: Sendable, Hashable {
    case head
    case body(bytes: Int)
    case end
}

/// What a body consists of.
package protocol BodyBytes {
    var readableBytes: Int { get }
}

extension ByteBuffer: BodyBytes {}
extension IOData: BodyBytes {}

extension HTTPPart: MessagePart where BodyT: BodyBytes {
    package var kind: MessagePartKind {
        switch self {
        case .head: .head
        case .body(let body): .body(bytes: body.readableBytes)
        case .end: .end
        }
    }
}

extension HTTPRequestPart: MessagePart {
    package var kind: MessagePartKind {
        switch self {
        case .head: .head
        case .body(let body): .body(bytes: body.readableBytes)
        case .end: .end
        }
    }
}

extension HTTPResponsePart: MessagePart {
    package var kind: MessagePartKind {
        switch self {
        case .head: .head
        case .body(let body): .body(bytes: body.readableBytes)
        case .end: .end
        }
    }
}
