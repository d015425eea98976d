"""One script per revision of our tables; a published script never changes."""
