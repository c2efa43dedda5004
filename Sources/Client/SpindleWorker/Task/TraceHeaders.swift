internal import Instrumentation
internal import SpindleClient

/// Carries trace context in the user headers of messages.
struct TraceHeaders: Injector, Extractor {
    func inject(_ value: String, forKey key: String, into message: inout Message) {
        message.userHeaders.removeAll { $0.name == key }
        message.userHeaders.append(Message.UserHeader(name: key, value: value))
    }

    func extract(key: String, from message: Message) -> String? { message.userHeader(key) }
}
