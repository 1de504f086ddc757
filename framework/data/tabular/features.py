"""Columns as features: what scikit-learn's pipelines make of them, fitted on the train split alone.

    numbers   missing ones become the median, then each column gets mean 0 and standard deviation 1 (all of train)
    text      missing ones become the word (missing), then one column of 0 and 1 for each word (one-hot); of more
              than 32 words the rarest share one column, with words that train has not; of fewer these have none

true and false are the numbers 1 and 0. A column that train has no value of is 0.

Shapes: N rows, F features.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer  # type: ignore[import-untyped]
from sklearn.impute import SimpleImputer  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # type: ignore[import-untyped]

from framework.data.tabular.checks import is_number_column

MOST_WORDS = 32
MISSING = "(missing)"

Array = npt.NDArray[np.float64]


class Features:
    """Makes features (N, F) of frames with the columns of the one that it was fitted on."""

    def __init__(self, train: pd.DataFrame) -> None:
        numbers = [name for name in train if is_number_column(train[name])]
        words = [name for name in train if name not in numbers]
        numeric = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
        encoder = OneHotEncoder(
            max_categories=MOST_WORDS, handle_unknown="infrequent_if_exist", sparse_output=False
        )
        self._numbers = frozenset(numbers)
        self._transformer: Any = ColumnTransformer(
            [("numbers", numeric, numbers), ("words", encoder, words)], verbose_feature_names_out=False
        )
        self._transformer.fit(self._prepared(train))
        self.names = tuple(str(name) for name in self._transformer.get_feature_names_out())

    def __call__(self, frame: pd.DataFrame) -> Array:
        """The features (N, F) of the rows of a frame."""
        return np.ascontiguousarray(self._transformer.transform(self._prepared(frame)), dtype=np.float64)

    def _prepared(self, frame: pd.DataFrame) -> pd.DataFrame:
        columns: dict[Any, Any] = {}
        for name in frame:
            column = frame[name]
            if name in self._numbers:
                columns[name] = column.to_numpy(dtype=np.float64, na_value=np.nan)
            else:
                words = column.astype(object).where(column.notna(), MISSING)
                columns[name] = np.array([str(word) for word in words], dtype=object)
        return pd.DataFrame(columns, index=frame.index)
