"""A package beside AutoFI that offers operators, a sampler and a strategy by entry points."""
