"""Who may do how much: tokens, rate limits, slots for long lists."""
