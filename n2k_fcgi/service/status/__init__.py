"""How the service is doing, for its owner."""
