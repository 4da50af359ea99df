"""Models: what they are (`bundle`), and how they are put to work (`model`)."""
