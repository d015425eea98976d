"""Types of values, and the reading of columns of any Arrow type as one of them."""
