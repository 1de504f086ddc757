"""Configs and summaries as columns: whose values they are."""

import json

from launch.server.views.columns import Columns, config_of


def test_what_runs_of_this_project_keep_of_themselves_is_no_column() -> None:
    record = {"sashiko": {"value": {"config": {"a": 1}, "config_id": "x"}}, "a": {"value": 1}}
    other = {"sashiko": {"value": {"stitches": 2}}, "a": {"value": 2}}
    columns = Columns(3)
    columns.configs(0, [json.dumps(config) for config in (record, other, record)])
    assert columns.values == {"a": [1, 2, 1], "sashiko.stitches": [None, 2, None]}
    assert set(config_of(json.dumps(record))) == {"a"}
