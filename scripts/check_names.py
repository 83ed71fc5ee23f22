#!/usr/bin/env python3
"""Checks names. No name is in the anonymous namespaces of two sources of a folder: they may be compiled as one
(CARDSWAP_UNITY), and a reader who looks for a name finds one thing. What both need is in a header. Aliases
of one meaning and functions with other parameters may share a name; programs are compiled alone.

A const member function or a free function in a header that returns bool has a name that begins as a question
does: is_, has_, may_ ..., or with a verb in the third person. A proof over a table of rules is a sentence.

to_string() gives the name of an enumerator, so that a search for a text in logs, journals or messages finds it."""
import collections
import os
import re
import subprocess
import sys
from pathlib import Path

ROOMS = ("agent/", "cuda/", "migrator/", "runtime/")
OPENS = re.compile(r"^namespace ?([\w:]*) \{", re.MULTILINE)
ENDS = re.compile(r"^\}  // namespace.*$", re.MULTILINE)
ALIAS = re.compile(r"^(?:using|namespace) (\w+) = ([^;]+);", re.MULTILINE)
SHORT = re.compile(r"^namespace (\w+) = ([\w:]+);", re.MULTILINE)
TYPE = re.compile(r"^(?:struct|class|enum class|enum) (\w+)", re.MULTILINE)
VALUE = re.compile(r"^(?=\S)(?!using |namespace |return )(?:inline |static |const |constexpr )*[\w:<>, *]+ (\w+)(?:\[\])?(?:\{|;| = )", re.MULTILINE)
FUNCTION = re.compile(r"^[A-Za-z_\[][^;{}=\n#]*?\b(\w+)\(([^{};]*)\)[^;{}]*\{", re.MULTILINE)

# Blanked before declarations are looked for, so that prose is none.
PROSE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
ANSWER = re.compile(r"^([ \t]*)(?:\[\[nodiscard\]\] )?(?:(?:virtual|static|inline|constexpr|consteval|friend|CARDSWAP_BOTH) )*"
                    r"bool (\w+)\(([^;{}]*?)\)\s*(const\b)?", re.MULTILINE)
QUESTION = re.compile(r"(is|are|was|were|has|had|may|can|must|should|needs|wants|all)_|(is|has|may|empty)$")
VERB = re.compile(r"(admits|awaits|concerns|contains|covers|differs|fits|holds|lists|loads|matches|mentions|moves|outlasts"
                  r"|rehearses|replays|supersedes|survives)(_|$)")
# Public, or an action whose answer says whether it was done. The list may shrink, and does not grow.
NO_QUESTIONS = {
    "become_user", "check_attach", "confirm", "decide_on_rehearsal", "differ_by_rounding", "every_pair_is_listed_once", "find",
    "flag_at", "flag_or", "forget", "from_hex", "keep_only", "log_outlasts_a_step", "next_row",
    "on_trainer_message", "read", "read_at", "read_recorded", "signal_group", "signal_process",
    "take", "record_exit_status",
}

SPELLING = re.compile(r"\bto_string\([^)]*\)[^;{}]*\{\n(.*?)^ *\}\n", re.MULTILINE | re.DOTALL)
CASE = re.compile(r'case (?:\w+::)*(\w+): return "([^"]*)"')
KEYWORDS = {"automatic": "auto"}  # of C++, which no enumerator can have


def own_parts(text: str):
    """(enclosing namespace, content of the anonymous namespace there) for a source."""
    marks = sorted([(found.start(), found) for pattern in (OPENS, ENDS) for found in pattern.finditer(text)],
                   key=lambda mark: mark[0])
    open_now: list[tuple[str, int]] = []
    for _, mark in marks:
        if mark.re is OPENS:
            open_now.append((mark[1], mark.end()))
        elif open_now:
            name, begin = open_now.pop()
            if not name:
                yield "::".join(outer for outer, _ in open_now), text[begin:mark.start()]


def names_in(part: str, text: str):
    """Each name, with what distinguishes it from others that may share it: its parameters, with the aliases of the
    source resolved."""
    for found in ALIAS.finditer(part):
        yield found[1], " = " + found[2]
    for found in TYPE.finditer(part):
        yield found[1], ""
    for found in VALUE.finditer(part):
        yield found[1], ""
    for found in FUNCTION.finditer(part):
        parameters = re.sub(r" ?\b\w+ ?(,|$)", r"\1", re.sub(r"\s+", " ", found[2]))
        for alias, meaning in SHORT.findall(text):
            parameters = re.sub(rf"\b{alias}::", meaning + "::", parameters)
        yield found[1], f"({parameters})"


def other_words(files: dict[str, str]) -> list[str]:
    """Enumerators for which to_string() has another text; a blank may replace an underscore."""
    found = []
    for path, text in sorted(files.items()):
        if not path.startswith(ROOMS):
            continue
        for spelled in SPELLING.finditer(text):
            for name, word in CASE.findall(spelled[1]):
                wanted = KEYWORDS.get(name, name).rstrip("_")
                if re.sub(r"[ -]", "_", word).lower() != wanted:
                    found.append(f'{path}: to_string() calls {name} "{word}"')
    return found


def complaints(files: dict[str, str]) -> list[str]:
    places = collections.defaultdict(lambda: collections.defaultdict(set))
    for path, text in files.items():
        if path.startswith(ROOMS) and path.endswith(".cpp") and not re.search(r"^int main\(", text, re.MULTILINE):
            for outer, part in own_parts(text):
                for name, rest in names_in(part, text):
                    places[os.path.dirname(path), outer, name][rest].add(path)
    found = []
    for (_, _, name), meanings in sorted(places.items()):
        alias = any(rest.startswith(" = ") for rest in meanings)
        if alias and len(meanings) > 1:
            clash = set().union(*meanings.values())
        else:
            clash = set().union(set(), *(paths for rest, paths in meanings.items() if len(paths) > 1 and not alias))
        if len(clash) > 1:
            found.append(f"{', '.join(sorted(clash))}: {name} is a name of each: give one another, or write it once")
    return found


def no_questions(files: dict[str, str], excepted=frozenset(NO_QUESTIONS)) -> list[str]:
    found, met = [], set()
    for path, text in sorted(files.items()):
        if not path.startswith(ROOMS) or not path.endswith((".h", ".cuh")):
            continue
        text = PROSE.sub(lambda prose: re.sub(r"[^\n]", " ", prose[0]), text)
        for indent, name, parameters, const in ANSWER.findall(text):
            if (indent and not const) or "Rule> rules" in parameters or QUESTION.match(name) or VERB.match(name):
                continue
            met.add(name)
            if name not in excepted:
                found.append(f"{path}: {name}() answers with a bool: let it ask, is_{name}() or the like")
    return found + [f"scripts/check_names.py: nothing is called {name}() any more: take it off the list"
                    for name in sorted(excepted - met)]


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.cpp", "*.h", "*.cuh"],
                            capture_output=True, text=True, check=True).stdout.split()
    files = {path: Path(path).read_text(encoding="utf-8") for path in listed if Path(path).exists()}
    found = complaints(files) + no_questions(files) + other_words(files)
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
