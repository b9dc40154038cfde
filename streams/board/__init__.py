"""The nurses' board: who needs somebody, why, and since when; and what can be done about it."""
