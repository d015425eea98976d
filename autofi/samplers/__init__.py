"""Search engines: from measured trials to the next proposal; they know neither torch nor SQL.

A sampler is one file here, one class, one decorator.
"""
