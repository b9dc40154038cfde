"""How well models and rules do on stays that they did not see, as those who would use them want to know it."""
