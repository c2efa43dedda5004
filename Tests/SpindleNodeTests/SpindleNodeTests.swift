// SpindleNodeTests
