"""The rules: each a small pure function of the record, and its table as data beside it."""
