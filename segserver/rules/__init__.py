"""The language: text of rule files to a checked, typed program, with every finding at its place."""
