"""What every backend of wan22 keeps to, whatever it trains: the trainer contract, on the Python standard library alone.

A stage's script is given the trainer's own arguments and, last, `--context FILE`. It tells what happens in an events
file, watches for a stop, marks each training state that is complete, and ends with `finished`, `stopped` or `failed`.

Reading order: stage, events, streams, stop, training_state, retention, files.
"""
