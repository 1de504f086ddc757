"""Who is asking, and what this server can do. Each user is an entity of the same name; there are no teams."""

from typing import Any

from launch.server.arguments import TEXT
from launch.server.clients import NEWEST
from launch.server.graphql import Arguments, Field, Node, Resolver
from launch.server.request import Request
from launch.server.resolvers.paging import connection
from launch.server.resolvers.table import NODES, always, define, field, public
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
    "SWEEPS_LOCAL_SCHEDULER",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "UPDATE_RUN_STATE",
)
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
"""What introspection tells of inputs: as much as older clients probe for. They leave out what is not told here."""
PROBED = {"Artifact": ("aliases", "tags", "ttlDurationSeconds", "ttlIsInherited"), "ServerInfo": ("features",)}
"""Likewise of types that introspection does not tell whole."""
WHOLE = ("Query", "Mutation", "Project")
"""Those that it does."""


def viewer(request: Request, row: None, args: Arguments) -> Node:
    """The user that the API key belongs to."""
    return Node("User", request.caller.name)


def entity(request: Request, row: None, args: Arguments) -> Node | None:
    """An entity, which is a user; it belongs to no organization."""
    name = str(args.get("name") or request.caller.name)
    if name != request.caller.name and request.tables.users.by_name(name) is None:
        return None
    return Node("Entity", name)


def type_info(request: Request, row: None, args: Arguments) -> Node:
    """As much introspection as clients probe for: the names of a type's fields."""
    return Node("__Type", str(args.get("name", "")))


def _fields_of(request: Request, name: str, args: Arguments) -> list[Node]:
    known = NODES[name].fields if name in WHOLE else PROBED.get(name, ())
    return [Node("__Field", field) for field in known]


def _teams(request: Request, name: str, args: Arguments) -> Node:
    """A user's entities: the own one and, told to that user alone, those who share a project with it."""
    own = name == request.caller.name
    others = request.tables.projects.entities(request.caller.user_id) if own else []
    return connection([Node("Entity", item) for item in (name, *others)])


def _is_owner(request: Request, name: str, args: Arguments) -> bool:
    return request.caller.is_owner and name == request.caller.name


def _id_of(kind: str) -> Resolver:
    return lambda request, name, args: gid(kind, name)


def _itself(request: Request, name: str, args: Arguments) -> str:
    return name


def _email(request: Request, name: str, args: Arguments) -> str:
    return f"{name}@localhost"


def _nobody(request: Request, row: Any, args: Arguments) -> Node:
    return connection([])


define(
    "User",
    public,
    {
        "id": _id_of("User"),
        "name": _itself,
        "username": _itself,
        "email": _email,
        "entity": _itself,
        "admin": _is_owner,
        "flags": always("{}"),
        "deletedAt": always(None),
        "apiKeys": _nobody,
        "teams": _teams,
        "defaultEntity": lambda request, name, args: Node("Entity", name),
        "organizations": always([]),
    },
)
define(
    "Entity",
    public,
    {
        "id": _id_of("Entity"),
        "name": _itself,
        "entityType": always("user"),
        "isTeam": always(False),
        "available": always(False),
        "photoUrl": always(None),
        "readOnly": always(False),
        "readOnlyAdmin": always(False),
        "privateOnly": always(False),
        "storageBytes": always(0),
        "codeSavingEnabled": always(True),
        "defaultAccess": always("PRIVATE"),
        "isPaid": always(False),
        "members": lambda request, name, args: [Node("Member", name)],
        "user": lambda request, name, args: Node("User", name),
        "organization": always(None),
        "xxhashDigestsEnabled": always(False),
    },
)
define(
    "Member",
    public,
    {
        "id": _id_of("Member"),
        "name": _itself,
        "username": _itself,
        "email": _email,
        "role": always("admin"),
        "pending": always(False),
        "accountType": always("USER"),
        "photoUrl": always(None),
        "apiKey": always(None),
    },
)
define(
    "ServerInfo",
    public,
    {
        "features": lambda request, row, args: [Node("ServerFeature", name) for name in FEATURES],
        "cliVersionInfo": always({"max_cli_version": NEWEST}),
        "latestLocalVersionInfo": always(None),
    },
)
define("ServerFeature", public, {"name": _itself, "isEnabled": always(True)})
define(
    "__Type",
    public,
    {
        "name": _itself,
        "fields": _fields_of,
        "inputFields": lambda request, name, args: [
            Node("__Field", field) for field in INPUT_FIELDS.get(name, ())
        ],
        "enumValues": always([]),
    },
)
define("__Field", public, {"name": _itself, "args": always([])})
QUERIES: dict[str, Resolver | Field] = {
    "viewer": viewer,
    "serverInfo": lambda request, row, args: Node("ServerInfo", None),
    "entity": field(entity, name=TEXT),
    "organization": always(None),
    "users": _nobody,
    "__type": field(type_info, name=TEXT),
    "__schema": always(None),
}
