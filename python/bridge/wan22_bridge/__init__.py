"""Runs the user's own Musubi Tuner under wan22's trainer contract, with a resume that gives what no interruption would.

Its training loop, models, datasets and files stay its own: a subclass of its trainer uses the hooks that it offers, and
where there is no hook, one small function changes one named thing, after a look whether the line it stands for is there:

    loop.resumable_loop            the first epoch and step of the training loop
    losses.Losses                  the moving average of the loss
    scripts.use_trainer            which trainer the script makes
    caching.save_whole_items       how a cache file is saved
    missing.only_what_is_missing   which clips are decoded

Reading order: scripts, trainer, batches, memory; then loop, losses, states, saving, samples, caching, missing, failures.
"""
