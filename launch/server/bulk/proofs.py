"""Proofs of who sent which bytes: to name a file by its digest takes having sent it.

A proof is a signature over the digests, the size and the sender, good for some hours; nothing is kept of it here.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from launch.server.blobs import Blob
from launch.server.errors import FORBIDDEN, UNPROCESSABLE, ApiError
from launch.server.signing import Signer

VERB = "BULK"


def given(signer: Signer, blob: Blob, user_id: int) -> str:
    """The proof that a user has sent these bytes."""
    return signer.url("", VERB, _path(blob.name, blob.md5, blob.size), user_id).partition("?")[2]


class Proofs:
    """The proofs that came with something, by SHA-256."""

    def __init__(self, signer: Signer, user_id: int, proofs: Any) -> None:
        self._signer = signer
        self._user_id = user_id
        self._proofs = proofs if isinstance(proofs, dict) else {}

    def of(self, told: Mapping[str, Any]) -> Blob:
        """The bytes that are told by `sha256` and `size`.

        Raises:
            ApiError: 403, there is no proof that the sender has sent them.
        """
        name, size = told.get("sha256"), told.get("size")
        proof = self._proofs.get(name)
        if (
            not isinstance(name, str)
            or not isinstance(size, int)
            or not isinstance(proof, list)
            or len(proof) != 2
        ):
            raise ApiError(f"no proof came with the file {str(name)[:80]!r}", FORBIDDEN)
        md5, query = map(str, proof)
        user = self._signer.check(VERB, _path(name, md5, size), dict(parse_qsl(query)))
        if user != self._user_id:
            raise ApiError("this proof is somebody else's", FORBIDDEN)
        if told.get("md5") not in (None, md5):
            raise ApiError(f"the file {name[:80]} has the MD5 {md5}, not {told['md5']}", UNPROCESSABLE)
        return Blob(name, md5, size)


def _path(name: str, md5: str, size: int) -> str:
    return f"/bulk/{name}/{md5}/{size}"
