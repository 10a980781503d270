"""The tree of what was written to the checked program: names, types, units, and what contradicts what."""
