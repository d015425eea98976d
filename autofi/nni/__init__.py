"""NNI's tuners as the proposers of a search, in an interpreter of their own; nothing here imports NNI but `host.py`.

    tuner (NNI) ─► manager (NNI) ─► trial_relay.py, a trial of NNI ─► candidates.py, in the leader of the search
                                            ▲                              │
                                            └────────── one number ────────┘

A trial of NNI is a thin relay: it asks the manager for parameters, hands them over a Unix socket to the process that
leads the search, waits, and reports the number that comes back. What is measured is measured by that process, which has
the data and the crosses open (a trial that opened them itself would read the whole table again each time), and is
recorded there before NNI hears of it: nothing is ever read back from NNI, whose `export_data` may pair a value with
another trial's parameters (microsoft/nni #5726).

`host.py` runs under NNI's interpreter. It starts the manager, watches it and the tuner's process, and ends both with
the search, however that ends.
"""
