"""Who is asking, and what this server can do. Each user is an entity of the same name; there are no teams."""

from collections.abc import Sequence
from typing import Any

from launch.server.clients import NEWEST
from launch.server.graphql import Arguments, Node
from launch.server.request import Request
from launch.server.wire import gid

FEATURES = (
    "ARTIFACT_COLLECTIONS_FILTERING_SORTING",
    "ARTIFACT_COLLECTION_MEMBERSHIP_FILES",
    "ARTIFACT_MEMBERSHIP_IN_LINK_ARTIFACT_RESPONSE",
    "ARTIFACT_TAGS",
    "CLIENT_IDS",
    "FILESTREAM_GZIP",
    "MARK_RUN_FILES_UPLOADED",
    "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "UPDATE_RUN_STATE",
)
FIELDS: dict[str, tuple[str, ...]] = {
    "ServerInfo": ("features",),
    "User": (),
    "Artifact": ("aliases", "tags", "ttlDurationSeconds", "ttlIsInherited"),
}
"""What introspection tells of each type: just as much as older clients probe for."""
INPUT_FIELDS: dict[str, tuple[str, ...]] = {
    "CreateArtifactInput": (
        "clientID",
        "enableDigestDeduplication",
        "historyStep",
        "sequenceClientID",
        "tags",
        "ttlDurationSeconds",
    ),
}
"""Likewise of inputs. An older client leaves out what is not told here."""
NO_EDGES: Node = {"edges": []}


def user_node(name: str, entities: Sequence[str] = (), *, admin: bool = False) -> Node:
    """A user. `entities` are those of the other users whose projects are shared with this one."""
    return {
        "__typename": "User",
        "id": gid("User", name),
        "name": name,
        "username": name,
        "email": f"{name}@localhost",
        "entity": name,
        "admin": admin,
        "flags": "{}",
        "deletedAt": None,
        "apiKeys": NO_EDGES,
        "teams": {"edges": [{"node": {"name": item}} for item in (name, *entities)]},
        "defaultEntity": {"id": gid("Entity", name), "name": name},
        "organizations": [],
    }


def viewer(request: Request, args: Arguments) -> Node:
    """The user that the API key belongs to."""
    caller = request.caller
    return user_node(caller.name, request.tables.projects.entities(caller.user_id), admin=caller.is_owner)


def entity(request: Request, args: Arguments) -> Node | None:
    """An entity, which is a user; it belongs to no organization."""
    name = str(args.get("name") or request.caller.name)
    if name != request.caller.name and request.tables.users.by_name(name) is None:
        return None
    return {
        "__typename": "Entity",
        "id": gid("Entity", name),
        "name": name,
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
        "members": [_member(name)],
        "user": user_node(name),
        "organization": None,
        "xxhashDigestsEnabled": False,
    }


def _member(name: str) -> Node:
    """A user as the only member of its entity."""
    return {
        "__typename": "Member",
        "id": gid("Member", name),
        "name": name,
        "username": name,
        "email": f"{name}@localhost",
        "role": "admin",
        "pending": False,
        "accountType": "USER",
        "photoUrl": None,
        "apiKey": None,
    }


def server_info(request: Request, args: Arguments) -> Node:
    """The features that this server has of those that clients ask about."""
    return {
        "features": [{"name": name, "isEnabled": True} for name in FEATURES],
        "cliVersionInfo": {"max_cli_version": NEWEST},
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
    inputs = [{"name": field} for field in INPUT_FIELDS.get(name, ())]
    return {"name": name, "fields": fields, "inputFields": inputs, "enumValues": []}
