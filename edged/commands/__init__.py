"""One module a command, imported when it is typed: nobody pays for what they did not ask for."""
