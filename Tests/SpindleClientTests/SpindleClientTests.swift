// SpindleClientTests
