"""How a study comes to its candidates: what is learned before anything is trained from scratch, and what is left."""
