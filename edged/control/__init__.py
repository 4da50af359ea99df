"""The control socket: what is said on it, who listens, who calls."""
