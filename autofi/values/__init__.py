"""Types of values, and how a column of any type is read as one of them."""
