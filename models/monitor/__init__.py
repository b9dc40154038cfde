"""The watch over models and sources: what comes in and what is said of it, held against what was usual.

A pure fold: ``Monitor.hear`` takes what a deployment's topics say, fact by fact, and gives notices. Its only time is
that of the facts themselves.
"""
