"""The API: one table of types (`NODES`), its root fields among them, filled by concept.

What an operation does stands in the module that is named here; what hangs on a node, beside its type.
"""

from launch.server.graphql import Schema
from launch.server.resolvers import (
    agents,
    artifact_queries,
    artifacts,
    collections,
    commits,
    links,
    projects,
    run_changes,
    sweeps,
    uploads,
    viewer,
)
from launch.server.resolvers.table import NODES, define, public

define("Query", public, {**viewer.QUERIES, **projects.QUERIES, **artifact_queries.QUERIES})
define(
    "Mutation",
    public,
    {
        **projects.MUTATIONS,
        **run_changes.MUTATIONS,
        **uploads.MUTATIONS,
        **sweeps.MUTATIONS,
        **agents.MUTATIONS,
        **artifacts.MUTATIONS,
        **commits.MUTATIONS,
        **collections.MUTATIONS,
        **links.MUTATIONS,
    },
)
SCHEMA: Schema = NODES
