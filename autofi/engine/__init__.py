"""The run of a search: trials, fidelity, stopping."""
