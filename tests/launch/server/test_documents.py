"""Documents and the paths into them."""

import json

import pytest

from launch.server import documents
from launch.server.documents import MISSING, RunDocument, lookup
from tests.launch.server.test_filters import ROW


def test_a_path_that_leads_nowhere_is_missing_and_a_stored_null_is_not():
    assert lookup({"config": {}}, "config.a.b.c") is MISSING
    assert lookup({"name": "x"}, "name.more") is MISSING
    assert lookup({"name": None}, "name") is MISSING
    assert lookup({"config": {"a": {"value": None}}}, "config.a") is None
    assert lookup({"summary_metrics": {"a": {"b": None}}}, "summary_metrics.a.b") is None


@pytest.mark.parametrize("name", sorted(documents.RUN))
def test_every_column_can_be_read(name: str):
    document = RunDocument(ROW)  # type: ignore[arg-type]
    assert name in document
    assert document[name] == document.get(name)
    assert set(document) == documents.RUN
    assert documents.checked(f"{name}.more", documents.RUN, "filter") == f"{name}.more"


def test_config_and_summary_are_parsed_once():
    document = RunDocument(ROW)  # type: ignore[arg-type]
    assert document["config"] is document["config"]
    assert document["summaryMetrics"] is document["summary_metrics"]
    assert document["config"] == json.loads(ROW["config"])
