// SpindleDisk
