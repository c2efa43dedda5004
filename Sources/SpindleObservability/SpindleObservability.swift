// SpindleObservability
