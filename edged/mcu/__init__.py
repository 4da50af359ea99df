"""Boards on the gateway: the link to them, and what is said on it."""
