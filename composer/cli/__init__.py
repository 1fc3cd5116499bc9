"""The `muster` command: one file a verb. Only this package prints or exits."""
