// SpindleBridge
