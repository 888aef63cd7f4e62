"""One sequence of symbols into another."""
