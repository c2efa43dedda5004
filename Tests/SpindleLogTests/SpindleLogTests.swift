// SpindleLogTests
