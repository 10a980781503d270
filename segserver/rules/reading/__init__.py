"""Text of rules to the tree of what was written."""
