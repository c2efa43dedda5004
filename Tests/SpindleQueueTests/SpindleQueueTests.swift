// SpindleQueueTests
