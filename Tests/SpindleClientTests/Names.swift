import SpindleClient

// Types of the client whose wire halves have the same names; here, only the client is imported.
typealias ClientToken = DeliveryToken
typealias ClientCursor = TopicCursor
typealias ClientFilter = MessageFilter
typealias ClientParts = BrowseParts
typealias ClientAction = WorkerAction
