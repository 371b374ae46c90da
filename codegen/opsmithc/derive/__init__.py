"""One module a reading of the formula: gradients, adjoints, rows."""
