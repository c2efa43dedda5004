// SpindleLog
