// MCMSTests
