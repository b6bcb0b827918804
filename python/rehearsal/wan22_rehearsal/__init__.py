"""The rehearsal: Musubi Tuner's three scripts in miniature, on the Python standard library alone.

It takes the trainer's own arguments, makes files of the same names, reports the same events and stops and
resumes as the contract asks. What it trains is a toy: no checkpoint of it is good for anything but a test.
Every file that it writes says so (`wan22_rehearsal` in its metadata).

Reading order: stage, caching, training, model. It knows no dataset arithmetic: what to cache and to train
on stands in the items file that the context names.
"""
