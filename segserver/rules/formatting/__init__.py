"""Rule files in one canonical style, comments in their places."""
