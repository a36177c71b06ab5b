"""What ``n2k doctor`` examines: the installation, the limits of this process, the data directory, the web site."""
