// SpindleCluster
