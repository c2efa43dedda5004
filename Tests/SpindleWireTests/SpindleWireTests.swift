// SpindleWireTests
