#!/usr/bin/env python3
"""Checks that this project names no host of a package registry: a machine's own settings (apt's sources, pip's
index) say which host it uses, and behind a firewall that is often another one."""
import re
import subprocess
import sys
from pathlib import Path

HOSTS = re.compile(
    r"(?<![\w.-])((deb|ftp|security|snapshot|archive|cdn-fastly)\.debian\.org|(archive|security|ports)\.ubuntu\.com"
    r"|(test\.)?pypi\.org|files\.pythonhosted\.org|download(-r2)?\.pytorch\.org|pypi\.nvidia\.com"
    r"|registry\.npmjs\.org|registry\.yarnpkg\.com|(static\.|index\.)?crates\.io|proxy\.golang\.org|rubygems\.org"
    r"|repo1?\.maven\.(apache\.)?org|conda\.anaconda\.org|registry-1\.docker\.io|quay\.io|ghcr\.io)(?![\w-])")


def complaints(files: dict[str, str]) -> list[str]:
    """The places in `files`, which maps paths to texts, that name such a host."""
    return [f"{path}:{number}: {host[0]}: the machine's own settings name its registries"
            for path, text in files.items() for number, line in enumerate(text.splitlines(), 1)
            for host in HOSTS.finditer(line)]


def texts(paths):
    for path in map(Path, paths):
        try:
            yield str(path), path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            pass  # no text, or one that is gone


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True, text=True,
                            check=True).stdout.split("\0")
    found = complaints(dict(texts(path for path in listed if path)))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
