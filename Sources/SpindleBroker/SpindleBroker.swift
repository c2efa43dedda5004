// SpindleBroker
