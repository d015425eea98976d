"""Why a row got its probability: contributions by exact masking, memorized cells, weights that streams gave."""
