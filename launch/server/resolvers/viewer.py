"""Who is asking, and what this server can do. There is one user and one entity, `local`."""

from typing import Any

from launch.server.graphql import Arguments, Node
from launch.server.services import Request
from launch.server.wire import ENTITY, gid

FEATURES = ("FILESTREAM_GZIP", "MARK_RUN_FILES_UPLOADED", "TOTAL_COUNT_IN_FILE_CONNECTION")
FIELDS: dict[str, tuple[str, ...]] = {"ServerInfo": ("features",), "User": (), "Artifact": ("aliases", "tags")}
"""What introspection tells of each type: just as much as older clients probe for."""
NO_EDGES: Node = {"edges": []}

USER: Node = {
    "__typename": "User",
    "id": gid("User", 1),
    "name": ENTITY,
    "username": ENTITY,
    "email": f"{ENTITY}@localhost",
    "entity": ENTITY,
    "admin": True,
    "flags": "{}",
    "deletedAt": None,
    "apiKeys": NO_EDGES,
    "teams": {"edges": [{"node": {"name": ENTITY}}]},
    "defaultEntity": {"id": gid("Entity", 1), "name": ENTITY},
    "organizations": [],
}


def viewer(request: Request, args: Arguments) -> Node:
    """The user that the API key belongs to."""
    return USER


def entity(request: Request, args: Arguments) -> Node | None:
    """The one entity; it belongs to no organization."""
    if args.get("name") not in (None, ENTITY):
        return None
    return {
        "__typename": "Entity",
        "id": gid("Entity", 1),
        "name": ENTITY,
        "entityType": "user",
        "isTeam": False,
        "available": False,
        "photoUrl": None,
        "readOnly": False,
        "readOnlyAdmin": False,
        "privateOnly": False,
        "storageBytes": 0,
        "codeSavingEnabled": True,
        "defaultAccess": "PRIVATE",
        "isPaid": False,
        "members": [],
        "user": USER,
        "organization": None,
        "xxhashDigestsEnabled": False,
    }


def server_info(request: Request, args: Arguments) -> Node:
    """The features that this server has of those that clients ask about."""
    return {
        "features": [{"name": name, "isEnabled": True} for name in FEATURES],
        "cliVersionInfo": None,
        "latestLocalVersionInfo": None,
    }


def nothing(request: Request, args: Arguments) -> None:
    """A part of the API that this server leaves empty."""


def no_users(request: Request, args: Arguments) -> Node:
    """A search for users finds nobody else."""
    return NO_EDGES


def type_info(request: Request, args: Arguments) -> Node:
    """As much introspection as clients probe for: the names of a type's fields."""
    name = str(args.get("name", ""))
    fields: list[dict[str, Any]] = [{"name": field, "args": []} for field in FIELDS.get(name, ())]
    return {"name": name, "fields": fields, "inputFields": [], "enumValues": []}
