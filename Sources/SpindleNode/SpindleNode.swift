// SpindleNode
