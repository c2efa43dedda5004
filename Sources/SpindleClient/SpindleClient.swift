// SpindleClient
