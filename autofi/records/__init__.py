"""Records of a study besides its trials: predictions, metrics, costs, checks, models, the winner."""
