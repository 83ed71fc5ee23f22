"""Small files that go along with a job, and that an export of its snapshots writes beside the tensors."""

from __future__ import annotations

import os
import re

from . import _library as library

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_BYTES_MAX = 4 << 20


class AttachedFile(library.Thing):
    """A file's bytes, as they were when it was attached. A standby takes those of the source."""

    kind = "file"

    def __init__(self, name: str, file: str | os.PathLike[str]) -> None:
        """Raises CardswapError for a name or size that cannot be attached, and OSError."""
        if not _NAME.fullmatch(name):
            raise library.CardswapError(f"'{name}' cannot be the name of an attached file: use letters, digits, '.', "
                                        "'_' and '-', a letter or digit first")
        super().__init__(f"attached {name}")
        with open(file, "rb") as opened:
            self._data = opened.read(_BYTES_MAX + 1)
        if len(self._data) > _BYTES_MAX:
            raise library.CardswapError(f"attach '{name}': it has more than {_BYTES_MAX} bytes, and each snapshot has "
                                        "it and each move sends it: attach small files")

    def save(self) -> bytes:
        return self._data

    def load(self, data: bytes) -> None:
        self._data = data
