"""The ways to store that are compared, one module each; a case is a function that takes a `Meter`."""
