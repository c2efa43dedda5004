// SpindleDiskTests
