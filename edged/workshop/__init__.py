"""The workshop: from recordings to a model at work, on one's own machine. The daemon loads nothing of it."""
