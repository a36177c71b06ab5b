"""What the directory does: lookups, registrations, imports. Knows stores by their promises, nothing of HTTP or commands."""
