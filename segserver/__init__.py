"""Segments, models and frequency caps as rule files, planned before they are pushed."""
