"""One conversation for each kind of board."""
