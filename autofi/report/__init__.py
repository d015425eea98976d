"""What a study found, for people: reads the store only."""
