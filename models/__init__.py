"""What is concluded from what is known: rules, models and the life cycle of alerts."""
