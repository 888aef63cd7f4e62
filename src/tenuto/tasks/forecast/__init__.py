"""What comes next in a series, with intervals."""
