"""How soon the watch over models and sources finds a change, and how often it gives notice of none."""
