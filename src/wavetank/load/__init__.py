"""Load: an open-model engine, and a generator that says when it was the bottleneck.

It refuses to know checks, reports and the hub.
"""
