"""caderno: a notebook-first workspace for post-training small language models.

Importing this package loads no library; each module imports what it needs when it is used.
"""

__version__ = "0.1.0"
