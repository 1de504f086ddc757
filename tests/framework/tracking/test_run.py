"""What a run sends."""

import pandas as pd

from framework.tracking.run import wandb_table


def test_words_beside_numbers_are_a_column_of_words():
    """W&B's columns have one type, and refuse another in any row."""
    frame = pd.DataFrame(
        {"stopped": [True, False, "-"], "size": [16, None, "-"], "score": [0.5, float("nan"), 1.0]}, dtype=object
    )
    table = wandb_table(frame)
    assert [row[:2] for row in table.data] == [["True", "16"], ["False", None], ["-", "-"]]
    assert [row[2] for row in table.data[::2]] == [0.5, 1.0]
