"""Tokens, rate limits, and slots for long lists."""
