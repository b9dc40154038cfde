"""The torture run: workers and brokers are killed, stopped and moved; the outcome must be what the pure step says."""
