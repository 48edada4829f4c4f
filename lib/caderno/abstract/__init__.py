"""Abstract chain-of-thought (arXiv 2604.22709): a small vocabulary of codes in place of a verbal thought.

It loads nothing by itself: import what you need from its modules.
"""
