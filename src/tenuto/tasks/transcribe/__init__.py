"""What is said in a recording, as text with times; whole files, or sound that comes as a stream."""
