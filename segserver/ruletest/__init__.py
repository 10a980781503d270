"""`test` blocks: a few invented contacts go through the real evaluation in a store in memory.

A channel may be used where its consent lines say so of a contact nobody spoke of; a model's score is what the test
gives it, and `likely` means at least one half. A contact that is alone in its test is ranked among nobody: `top` and
`percentile` hold for it where there is a value to rank by.
"""

from segserver.ruletest.results import Failure, TestResult, junit
from segserver.ruletest.running import run_tests

__all__ = ["Failure", "TestResult", "junit", "run_tests"]
