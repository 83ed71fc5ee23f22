#!/usr/bin/env python3
"""Lists the names in backticks in this project's pages and comments that the code does not have. A type, a message or a
test suite is known by its capital, a function by its parentheses, a constant, a field or a metric by its underscore.
Pages about the wire also name messages in their drawings, before a brace.

Other words in backticks in a contract, such as parameters, must be in the header's own code or in that of a header that
it includes, or be an enumerator or a text of the program: so a contract that names a renamed parameter is found."""
import re
import subprocess
import sys
from pathlib import Path

PAGES = ("README.md", "CONTRIBUTING.md", "docs/*.md")
CODE = ("*.h", "*.cpp", "*.cu", "*.cuh")
# What else a page may name: packages, units, Python, CMake, recipes of operators.
BESIDE = ("*.py", "*.pyi", "*.txt", "*.cmake", "*.sh", "*.json", "*.yaml", "*.yml", "*.in", "*.toml", "*.service", "*.rules",
          ".ci/*", ".clang-*", "packaging/*", "tests/fuzz/corpus/*")

# Names that others gave, and whose they are; or that a program puts together.
FOREIGN = {
    "Origin": "HTTP",
    "CAP_SYSLOG": "Linux",
    "process_vm_writev": "Linux",
    "ptrace_scope": "Linux",
    "CUDA_VISIBLE_DEVICES": "NVIDIA",
    "cuGetProcAddress_v2": "NVIDIA",
    "cuda_ipc": "UCX",
    "gdr_copy": "UCX",
    "ucp_am_lat": "UCX",
    "images_dir_fd": "CRIU",
    "from_pretrained": "Hugging Face",
    "link_remap": "CRIU",
    "http_config": "Alertmanager",
    "cuda_direct_over_staged_tcp": "tests/bench/cuda.cpp: one figure for each transport",
}
SELF = ("scripts/check_doc_names.py", "tests/scripts/check_doc_names_test.py")

SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
FENCE = re.compile(r"```.*?```", re.S)
DRAWN = re.compile(r"\b([A-Z][a-z]\w*)\{")
PARTS = re.compile(r"^(?:\w+::)*([A-Za-z_]\w*)(\([^()]*\)|\{[^{}]*\})?$")
TEST = re.compile(r"^([A-Z]\w*)\.([A-Z]\w*|)(\*?)$")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
TEXT_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.S)
WORD = re.compile(r"[A-Za-z_]\w*")
CONTRACT = re.compile(r"(?:^[ \t]*///[^\n]*\n)+|///<[^\n]*(?:\n[ \t]*///<[^\n]*)*", re.MULTILINE)
ONE_WORD = re.compile(r"(?<!`)`([a-z][a-z0-9]*)`(?!`)")
UNNAMED = re.compile(r"/\*(\w+)\*/")
ENUMERATORS = re.compile(r"enum (?:class )?\w+[^{;]*\{(.*?)\}", re.DOTALL)
INCLUDE = re.compile(r'^#include "([^"]+)"', re.MULTILINE)
TEXT = re.compile(r'"(?:--)?([a-z][a-z0-9]*)"')
ROOMS = ("agent/", "cuda/", "migrator/", "runtime/")
IS_TYPE = re.compile(r"[A-Z]\w*[a-z]")


def names_of(span: str):
    """Each name in a piece of code in backticks, and whether it is only the beginning of a name."""
    if test := TEST.match(span):
        yield test[1], False
        if test[2]:
            yield test[2], bool(test[3])
        return
    if not (found := PARTS.match(span)):
        return
    name, call = found[1], (found[2] or "").startswith("(")
    if IS_TYPE.match(name) or call or ("_" in name and not name.startswith("_")):
        yield name, False
    for outer in span[:found.start(1)].split("::"):
        if IS_TYPE.match(outer):
            yield outer, False


def spans(path: str, text: str):
    """(line, text in backticks) for a whole page, or for the comments of a source."""
    if path.endswith(".md"):
        prose = FENCE.sub(lambda code: "\n" * code[0].count("\n"), text)
        for found in SPAN.finditer(prose):
            yield prose.count("\n", 0, found.start()) + 1, found[1]
        for number, line in enumerate(prose.split("\n"), 1):
            if path.endswith("wire.md") and line.startswith("    "):
                for drawn in DRAWN.finditer(line):
                    yield number, drawn[1]
        return
    for comment in COMMENT.finditer(text):
        for found in SPAN.finditer(comment[0]):
            yield text.count("\n", 0, comment.start() + found.start()) + 1, found[1]


def words_of(files: dict[str, str]) -> tuple[set[str], set[str]]:
    """The names in code, and all words of the tree. Comments do not count: a comment does not prove that a type
    exists."""
    names, words = set(), set()
    for path, text in files.items():
        if path.endswith((".h", ".cpp", ".cu", ".cuh")):
            bare = TEXT_OR_COMMENT.sub(lambda part: part[0] if part[0].startswith('"') else " ", text)
            words.update(WORD.findall(bare))
            names.update(WORD.findall(TEXT_OR_COMMENT.sub(" ", text)))
        else:
            names.update(WORD.findall(text))
    return names, words | names


def complaints(pages: dict[str, str], files: dict[str, str], foreign=None) -> list[str]:
    """Names in `pages` that `files` do not have; both map paths to texts."""
    allowed = FOREIGN if foreign is None else foreign
    names, words = words_of(files)
    found, used = [], set()
    for path, text in pages.items():
        for line, span in spans(path, text):
            for name, is_beginning in names_of(span):
                known = names if IS_TYPE.match(name) else words
                if name in known or (is_beginning and any(one.startswith(name) for one in known)):
                    continue
                if name in allowed:
                    used.add(name)
                else:
                    found.append(f"{path}:{line}: nothing is called {name}")
    if "README.md" in pages:  # this project's, or a test's
        found += [f"scripts/check_doc_names.py: no page names {name} any more" for name in sorted(set(allowed) - used)]
    return found


def bare_words(text: str) -> set[str]:
    """The words of a source's code, with parameters that are named in a comment only."""
    return set(WORD.findall(TEXT_OR_COMMENT.sub(" ", text))) | set(UNNAMED.findall(text))


def strange_words(sources: dict[str, str]) -> list[str]:
    """One-word names in the contracts of headers that the code there does not have."""
    known, own = set(), {path: bare_words(text) for path, text in sources.items()}
    for text in sources.values():
        bare = TEXT_OR_COMMENT.sub(lambda part: part[0] if part[0].startswith('"') else " ", text)
        known.update(TEXT.findall(bare))
        for values in ENUMERATORS.finditer(bare):
            known.update(WORD.findall(values[1]))
    found = []
    for path, text in sorted(sources.items()):
        if not path.startswith(ROOMS) or not path.endswith((".h", ".cuh")):
            continue
        near = own[path].union(*(own.get(included, set()) for included in INCLUDE.findall(text)))
        for contract in CONTRACT.finditer(text):
            for word in ONE_WORD.finditer(contract[0]):
                if word[1] not in near and word[1] not in known:
                    line = text.count("\n", 0, contract.start() + word.start()) + 1
                    found.append(f"{path}:{line}: neither this header nor the program has a {word[1]}")
    return found


def texts(*patterns: str) -> dict[str, str]:
    """The texts of the files of this project, by path."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], capture_output=True, text=True,
                            check=True).stdout.split("\n")
    return {path: Path(path).read_text(encoding="utf-8", errors="replace") for path in listed if path and Path(path).is_file()}


def main() -> int:
    sources = texts(*CODE)
    beside = {path: text for path, text in texts(*BESIDE).items() if path not in SELF}
    found = complaints(texts(*PAGES) | sources, sources | beside) + strange_words(sources)
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
