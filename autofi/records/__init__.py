"""Records of a study beside its trials: predictions, metrics, costs, checks, models, the winner."""
