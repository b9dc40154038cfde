"""The process that watches over models and sources: it reads what the others write, and writes `model.watch`."""
