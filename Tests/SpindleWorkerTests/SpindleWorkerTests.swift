// SpindleWorkerTests
