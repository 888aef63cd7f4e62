"""What is strange in a series: a score for each step, and alarms."""
