"""HTTP: the table of endpoints, requests in, answers out. Knows nothing of which server carries them."""
