// SpindleClusterTests
