"""Training by several processes, the ranks of one run: what each of them does of every batch, and how they agree.

    world.py      which rank this process is, of how many, and what they tell one another
    shares.py     a rank's share of every batch
    layers.py     the layers that look at a whole batch: batch normalisation and dropout
    strategy.py   how Lightning has the gradients of the shares become that of the whole batch

Who starts the ranks is not known here.
"""
