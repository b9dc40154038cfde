"""What is known about a patient at an instant."""
