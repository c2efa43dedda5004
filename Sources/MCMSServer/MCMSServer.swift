// MCMSServer
