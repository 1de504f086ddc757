"""The root fields of the API, by concept. What an operation does stands in the module that is named here."""

from collections.abc import Mapping

from launch.server.graphql import Resolver
from launch.server.resolvers import (
    agents,
    artifact_queries,
    artifacts,
    branches,
    collections,
    links,
    projects,
    run_changes,
    sweeps,
    uploads,
    viewer,
)

QUERIES: Mapping[str, Resolver] = {
    "viewer": viewer.viewer,
    "serverInfo": viewer.server_info,
    "entity": viewer.entity,
    "organization": viewer.nothing,
    "users": viewer.no_users,
    "__type": viewer.type_info,
    "__schema": viewer.nothing,
    "models": projects.projects,
    "project": projects.project,
    "model": projects.project,
    "artifact": artifact_queries.artifact,
    "artifactCollection": artifact_queries.collection,
    "clientIDMapping": artifact_queries.client_id_mapping,
}
MUTATIONS: Mapping[str, Resolver] = {
    "upsertModel": projects.upsert_project,
    "upsertBucket": run_changes.upsert_run,
    "deleteRun": run_changes.delete_run,
    "stopRun": run_changes.stop_run,
    "rewindRun": branches.rewind,
    "updateRunState": run_changes.update_state,
    "notifyScriptableRunAlert": run_changes.alert,
    "createRunFiles": uploads.create_run_files,
    "markRunFilesUploaded": uploads.mark_uploaded,
    "deleteFiles": uploads.delete_files,
    "upsertSweep": sweeps.upsert_sweep,
    "createAgent": agents.create_agent,
    "agentHeartbeat": agents.agent_heartbeat,
    "createArtifact": artifacts.create,
    "createArtifactManifest": artifacts.create_manifest,
    "updateArtifactManifest": artifacts.update_manifest,
    "createArtifactFiles": artifacts.create_files,
    "commitArtifact": artifacts.commit,
    "useArtifact": artifacts.use,
    "updateArtifact": collections.update_artifact,
    "addAliases": collections.add_aliases,
    "deleteAliases": collections.delete_aliases,
    "deleteArtifact": collections.delete_artifact,
    "linkArtifact": links.link,
    "unlinkArtifact": links.unlink,
    "updateArtifactSequence": collections.update_collection,
    "updateArtifactPortfolio": collections.update_collection,
    "moveArtifactSequence": collections.move_collection,
    "createArtifactCollectionTagAssignments": collections.add_tags,
    "deleteArtifactCollectionTagAssignments": collections.delete_tags,
    "deleteArtifactSequence": collections.delete_collection,
    "deleteArtifactPortfolio": collections.delete_collection,
}
ROOTS: Mapping[str, Mapping[str, Resolver]] = {"query": QUERIES, "mutation": MUTATIONS}

viewer.FIELDS.update(
    {
        "Query": tuple(QUERIES),
        "Mutation": tuple(MUTATIONS),
        "Project": projects.FIELDS,
    }
)
