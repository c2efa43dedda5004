// SpindleConformanceTests
