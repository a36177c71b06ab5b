"""What the directory answers and stores: lookups, history, registrations, the right to be forgotten."""
