"""What ``n2k doctor`` looks at: the installation, this process's limits, the data directory, the web site."""
