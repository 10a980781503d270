"""Scenarios and their cadence: may this contact be touched, at what rate, which touch is next, and why not now.

A pure engine: values in, decisions with reasons out. `entries.advance` says who is in a scenario, `touches.merge_sends`
what counts against the caps, `policy.decide` what is due at one instant, `policy.recheck` whether it still is.
"""
