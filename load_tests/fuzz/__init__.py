"""`python -m load_tests.fuzz`: every input parser is given what a careless or hostile sender could send."""
