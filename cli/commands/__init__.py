"""One module a command, named after it; `command` is the click command."""
