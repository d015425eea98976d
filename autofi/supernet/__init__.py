"""The supernet: shared weights, screening, selection and exploration by inherited weights."""
