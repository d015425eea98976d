"""The points of a study: parameters that a sampler may set, and the architecture that they stand for."""
