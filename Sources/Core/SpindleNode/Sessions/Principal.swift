package import SpindleText

/// Who a session speaks for, and what that one may do. Patterns as in ``NamePattern``.
package struct Principal: Equatable, Sendable {
    package var name: String
    /// Queues that may be published to.
    package var publish: [NamePattern]
    /// Queues that may be leased from (and acknowledged, extended, given back).
    package var lease: [NamePattern]
    /// Queues whose figures and messages may be looked at.
    package var read: [NamePattern]
    /// Queues that may be declared and changed, and looked at.
    package var admin: [NamePattern]
    /// Topics that events may be published to.
    package var topicPublish: [NamePattern]
    /// Topics that may be subscribed to.
    package var topicSubscribe: [NamePattern]
    /// Whether requests may be made in the name of somebody else: a web server's, for the people who use it.
    package var actFor: Bool
    package var quota: PrincipalQuota

    package init(
        name: String, publish: [NamePattern] = [], lease: [NamePattern] = [], read: [NamePattern] = [], admin: [NamePattern] = [],
        topicPublish: [NamePattern] = [], topicSubscribe: [NamePattern] = [], actFor: Bool = false,
        quota: PrincipalQuota = PrincipalQuota()
    ) {
        self.name = name
        self.publish = publish
        self.lease = lease
        self.read = read
        self.admin = admin
        self.topicPublish = topicPublish
        self.topicSubscribe = topicSubscribe
        self.actFor = actFor
        self.quota = quota
    }
}
