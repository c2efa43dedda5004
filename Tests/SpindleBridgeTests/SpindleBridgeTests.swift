// SpindleBridgeTests
