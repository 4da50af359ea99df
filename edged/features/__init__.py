"""Samples to frames to windows: what a model gets to see."""
