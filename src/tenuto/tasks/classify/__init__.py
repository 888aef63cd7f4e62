"""Which class a whole sequence belongs to."""
