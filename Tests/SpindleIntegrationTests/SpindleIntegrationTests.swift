// SpindleIntegrationTests
