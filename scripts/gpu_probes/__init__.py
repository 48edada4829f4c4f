"""The probes of the GPU check: each runs alone in a process of its own, tries one thing and returns what it measured.

It knows nothing of tables, time limits and exit codes (gpu_check.py) and downloads nothing: weights are random, the
tokenizer maps bytes. It calls torch, TRL, Unsloth and vLLM bare, so that a failure is theirs and not caderno's.
"""
