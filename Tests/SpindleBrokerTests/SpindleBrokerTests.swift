// SpindleBrokerTests
