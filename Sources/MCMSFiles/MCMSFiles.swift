// MCMSFiles
