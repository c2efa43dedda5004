/// A message as an application sees it: body and headers, plain. Compression and checksums are the client's work.
public struct Message: Sendable, Equatable {
    /// A header of the application's own.
    public struct UserHeader: Sendable, Equatable {
        /// 1 to 255 bytes of UTF-8.
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public static let priorityDefault: UInt8 = 4

    /// Up to 64 MiB; what does not fit a frame of the broker even when compressed is refused.
    public var body: [UInt8]
    /// 0 (last) to 9 (first); only queues whose policy honours priorities look at it.
    public var priority: UInt8
    /// How long the message stays invisible after it was stored, to the millisecond.
    public var delay: Duration
    /// How long the message may wait in its queue; nil for the queue's own setting.
    public var timeToLive: Duration?
    /// Joins everything that one cause led to.
    public var correlationID: String?
    /// A media type such as `application/json`.
    public var contentType: String?
    /// By what a worker chooses the handler.
    public var taskType: String?
    /// Messages of one group are delivered one at a time, in order, if the queue's policy says so.
    public var group: String?
    /// At most one message with this key is accepted within the queue's deduplication window.
    public var deduplicationKey: String?
    /// In order; names may repeat.
    public var userHeaders: [UserHeader]

    public init(
        body: [UInt8], priority: UInt8 = Message.priorityDefault, delay: Duration = .zero, timeToLive: Duration? = nil,
        correlationID: String? = nil, contentType: String? = nil, taskType: String? = nil, group: String? = nil,
        deduplicationKey: String? = nil, userHeaders: [UserHeader] = []
    ) {
        self.body = body
        self.priority = priority
        self.delay = delay
        self.timeToLive = timeToLive
        self.correlationID = correlationID
        self.contentType = contentType
        self.taskType = taskType
        self.group = group
        self.deduplicationKey = deduplicationKey
        self.userHeaders = userHeaders
    }

    /// A message whose body is the UTF-8 of `text`.
    public init(text: String, contentType: String? = "text/plain") {
        self.init(body: Array(text.utf8), contentType: contentType)
    }

    /// The value of the first user header of that name.
    public func userHeader(_ name: String) -> String? { userHeaders.first { $0.name == name }?.value }
}
