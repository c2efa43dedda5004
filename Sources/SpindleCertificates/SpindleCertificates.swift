// SpindleCertificates
