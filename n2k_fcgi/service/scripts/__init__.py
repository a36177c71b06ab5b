"""The LSL scripts: listing them, and filling in their settings."""
