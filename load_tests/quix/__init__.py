"""A smaller job in Quix Streams, to compare with: its own environment, its own process, the echo's records."""
