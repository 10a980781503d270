"""What the workspace says, as plain values that engines can use without knowing the language or YAML."""
