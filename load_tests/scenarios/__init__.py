"""Runs of a scenario against the service, with the echo beside it; the scenarios are the TOML files here."""
