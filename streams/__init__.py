"""What moves events: the Faust app, topics, doors, dead letters, the board and the command line."""
