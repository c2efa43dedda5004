// SpindleQueue
