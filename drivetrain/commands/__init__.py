"""The commands, in the order in which a project meets them: parse, call, print."""
