"""Checked values and conditions: names resolved, types known, every construct in its one normal form.

Spans do not count for equality, so two aggregates written in different files with the same meaning are equal, and
the compiler computes them once.
"""
