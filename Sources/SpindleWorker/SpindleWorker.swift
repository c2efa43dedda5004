// SpindleWorker
