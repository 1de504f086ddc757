"""Links: a version as a member of a collection that it was not made in.

Registries, which are collections of a whole organisation, are part of W&B's cloud and refused here.
"""

import sqlite3

from launch.server.arguments import ALIASES, TEXT
from launch.server.errors import CONFLICT, NOT_IMPLEMENTED, ApiError, NotFound
from launch.server.graphql import Field
from launch.server.request import Request
from launch.server.resolvers.artifact_queries import collection_row, version_of_client
from launch.server.resolvers.artifacts import checked_alias, find
from launch.server.resolvers.table import Given, Payload, mutation, shown
from launch.server.storage import artifacts
from launch.server.wire import checked_name

REGISTRY_PREFIX = "wandb-registry-"
LATEST = "latest"


def link(request: Request, given: Given) -> Payload:
    """Make a version a member of a collection of links, which is made if it is new.

    Raises:
        NotFound: there is no such version.
        ApiError: it is not committed yet; the collection holds another type, or versions of its own.
    """
    row = _version(request, given)
    request.must_change(
        row["project_id"]
    )  # who may only read a version does not make it last, or show it to others
    if row["state"] != artifacts.COMMITTED:
        raise ApiError("this artifact is not committed yet: wait for it before you link it", CONFLICT)
    collection = _portfolio(request, given, row["type"])
    aliases = [checked_alias(item.get("alias")) for item in given.get("aliases") or []]
    number = request.tables.memberships.add(collection["id"], row["id"])
    for alias in dict.fromkeys([*aliases, LATEST]):
        request.tables.collections.set_alias(collection["id"], alias, row["id"])
    member = request.tables.memberships.get(collection["id"], row["id"])
    return {"versionIndex": number, "artifactMembership": shown("ArtifactCollectionMembership", member)}


def unlink(request: Request, given: Given) -> Payload:
    """Take a version out of a collection of links; the version itself stays.

    Raises:
        NotFound: the version or the collection is not there, or the one is not in the other.
        ApiError: the version was made in this collection.
    """
    row = find(request, given.get("artifactID"))
    collection = collection_row(request, given.get("artifactPortfolioID"))
    if collection is None or request.tables.memberships.get(collection["id"], row["id"]) is None:
        raise NotFound("this artifact is not linked there")
    request.must_change(collection["project_id"])
    if not collection["portfolio"]:
        raise ApiError("this artifact was made in this collection: delete it instead of unlinking it", CONFLICT)
    request.tables.memberships.drop(collection["id"], row["id"])
    return {"success": True}


def _version(request: Request, given: Given) -> sqlite3.Row:
    if given.get("artifactID"):
        return find(request, given["artifactID"])
    row = version_of_client(request, given.get("clientID"))
    if row is None:
        raise NotFound("no artifact to link: the client named none that is here")
    return row


def _portfolio(request: Request, given: Given, kind: str) -> sqlite3.Row:
    if given.get("artifactPortfolioID"):
        found = collection_row(request, given["artifactPortfolioID"])
        found = request.changeable(found, "there is no such collection")
    else:
        found = request.changeable(_named(request, given, kind), "there is no such collection")
    if not found["portfolio"]:
        raise ApiError(f"{found['name']!r} holds versions of its own: link to another name", CONFLICT)
    if found["type"] != kind:
        raise ApiError(f"the collection {found['name']!r} links {found['type']!r}, not {kind!r}", CONFLICT)
    return found


def _named(request: Request, given: Given, kind: str) -> sqlite3.Row | None:
    where = str(given.get("projectName") or "")
    if where.startswith(REGISTRY_PREFIX):
        raise ApiError("registries are part of W&B's cloud: link to a collection of a project", NOT_IMPLEMENTED)
    project, _ = request.made_project(given.get("entityName"), where)
    name = checked_name(given.get("artifactPortfolioName"), "collection")
    return request.tables.collections.make(project["id"], kind, name, portfolio=True)


MUTATIONS: dict[str, Field] = {
    "linkArtifact": mutation(
        link,
        dict.fromkeys(("artifactID", "clientID", "artifactPortfolioID", "artifactPortfolioName"), TEXT),
        entityName=TEXT, projectName=TEXT, aliases=ALIASES,
    ),
    "unlinkArtifact": mutation(unlink, artifactID=TEXT, artifactPortfolioID=TEXT),
}  # fmt: skip
