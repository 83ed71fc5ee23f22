#!/usr/bin/env python3
"""Checks the rules of this code base that the text of one file shows: banned words, locks,
coroutines, lengths, contracts. Other scripts check the rest: scripts/check.sh runs them all."""
import re
import subprocess
import sys
from pathlib import Path

TESTS = ("tests/unit/", "tests/integration/", "tests/support/", "tests/faults/", "tests/security/", "tests/journeys/")
PRODUCT = ("agent/", "cuda/", "migrator/", "runtime/")

# What a job has, and what one run of the agent knows of an instance; the instance's record is private.
RECORD = (r"(attached|frozen|median_step_ms|framework|network|remains|saved_step|reported|obstacles|spec|epoch|newer_epoch"
          r"|standby|superseded|migration|restarts|stop_asked)")
JOB = r"spec|world_size|epoch|newer_epoch|standby|superseded|migration|restarts|protection_notes|stop_asked"

# (pattern in a line, why it is refused, where; empty: everywhere, where not)
BANNED = (
    (r"(\b(job|source|instance|standby|trainer)|job\(\))(\.|->)(job\(\)\.)?" + RECORD + r"( = |\.(clear|push_back|emplace_back)\()",
     "a job's record is changed by JobList, JobProcesses or runtime_report.h, which say whether it is on disk",
     ("agent/",), ("agent/jobs/", "agent/cli/")),
    (r"\bjob(\(\))?(\.|->)(" + JOB + r")(\.\w+)?( = |\.(clear|push_back|emplace)\()|(\+\+|--)job(\.|->)",
     "what a job has besides its instances is changed by JobList alone, because it decides who steps",
     ("agent/jobs/",), ("agent/jobs/job_list.cpp",)),
    (r"\bJobList::note\(|\b(jobs|table)_?(\(\))?\.note\(",
     "an instance's record is changed by JobList's verbs or runtime_report.h, which say whether it is on disk",
     ("agent/",), ("agent/jobs/",)),
    (r"::poll\(nullptr|(= |return )start_process\(", "the agent's one loop waits for nothing: co_await pause_for(), start_child()",
     ("agent/",),
     # the small programs, which do nothing else meanwhile; a look at all processes, which has a second
     ("agent/process/process.cpp", "agent/process/supervisor_main.cpp", "agent/process/wait_for_tree.cpp",
      "agent/process/environment_scan.cpp")),
    (r"asio::detached|thread.*\.detach\(\)", "background work has an owner: TaskGroup or jthread", (), ()),
    (r"context_?\.stop\(\)", "tasks are cancelled and awaited, not cut off", (), ()),
    (r"\b(src|dst)\b([^.]|$)", "the pair is source and target", (), ()),
    (r"sleep_for|sleep_until|usleep", "a test waits for a condition", TESTS, ()),
    (r"class \w*(Manager|Util|Helper)\b", "names say what a thing is", (), ()),
    (r"catch \((const )?(std::\w+|(cardswap::)?Error)\b", "where a job's only memory hangs on it: catch (...) and error_of()",
     ("runtime/holder/", "runtime/memory_departure.cpp", "runtime/memory_socket.cpp"),
     # begins and ends with no memory in hand
     ("runtime/holder/main.cpp", "runtime/holder/try_data.cpp")),
    (r"GTEST_SKIP\(", "skip_without() names what is missing", ("tests/",), ("tests/support/needs.h",)),
    (r"std::j?thread\b(?!::)", "GuestThread handles none of its program's signals", ("migrator/", "runtime/", "cuda/"),
     ("migrator/base/guest_thread.h", "runtime/examples/")),
    (r"std::(recursive_|shared_|timed_)?mutex\b|std::condition_variable", "Mutex and CARDSWAP_GUARDED_BY say what is guarded",
     # what an example shows needs the standard library alone; what a stand-in's GPU does may call it again
     (*PRODUCT, "tests/"), ("migrator/base/mutex.h", "runtime/examples/", "tests/stand_ins/cudart/runtime.h")),
)

# Files over 400 lines, with the reason.
LINES_MAX = 400
LONG: dict[str, str] = {}

# Functions over 60 lines, with what makes them so. The list may only get shorter.
FUNCTION_LINES_MAX = 60
LONG_FUNCTIONS: dict[tuple[str, str], str] = {
}
AWAITED = re.compile(r"\bco_await\s[^;{}]*;")
NO_FUNCTION = re.compile(r"\s*(if|for|while|switch|else|catch|try|do|namespace|class|struct|enum|union|extern|case|default|return"
                         r"|co_return|template <class[^()]*>\s*(struct|class))\b")
ENDS_A_STATEMENT = re.compile(r"([;{}:]|^#.*|;\s*//.*)$")
RAW_STRING = re.compile(r'R"(\w*)\(.*?\)\1"', re.S)

# A coroutine's frame holds a pointer to its lambda, not the lambda's captures. Routes live as long as
# the router; others die while their coroutine still runs, unless whoever made them waits for it.
COROUTINE_LAMBDA = re.compile(
    r"\[(?P<capture>[^\[\]\n]+)\]\s*(?:\((?:[^()]|\([^()]*\))*\)\s*)?(?:mutable\s*|noexcept\s*)*->\s*(?:boost::)?asio::awaitable")
ROUTE = re.compile(r"router_?\.add\(\s*\"[A-Z]+\",\s*\"[^\"]*\",\s*$")
# (file, what stands before the lambda) -> why it outlives its coroutine.
CAPTURING = {
}


# What lists keep they also forget, while a coroutine waits: it takes an id, or a hold on its task.
COROUTINE = re.compile(r"\bawaitable<[^;{}()]*>\s+(?:\w+::)*\w+\(|\[[^\[\]\n]*\]\s*\((?=[^{};]*->\s*(?:boost::)?asio::awaitable)")
KEPT_IN_A_LIST = re.compile(r"\b(Job|Instance|Migration|Transfer|Reservation)(Record)?(\s+const)?\s*&")


# A contract's first sentence names the thing, or says what it does: a reader who comes from a search
# sees that sentence alone, without the one that "The same" or "Of those" would lean on.
LEANS = re.compile(
    r"(The same|That|Those|Of|Whose|It|Its|They|Their|Them|As|By|Behind|Beside|Until|Since|After|Before|While|If|Unless|From|At"
    r"|In|Into|On|For|To|With|Without|Over|None|Nothing|False|True|Empty|Null|Told|Also|And|But|Or|0)(?![\w'-])")
TYPE = re.compile(r"\s*(?:struct|class|enum class)\s+(?:\[\[\w+\]\]\s+|CARDSWAP_\w+\(.*\)\s+|alignas\(\d+\)\s+)*(\w+)"
                  r"(?![^{]*;)(?![\w<])")
# Another project's interface, declared here with its own words; its header says what it is.
FOREIGN = "_api.h"


def contracts(path, text):
    """What is wrong with a header's comments: with their first sentences, of which each type must have one, and
    with comments that belong to nothing."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        before = lines[number - 2].strip() if number > 1 else ""
        sentence = re.match(r"\s*/// (.*)", line)
        if sentence and not before.startswith("///"):
            if leans := LEANS.match(sentence[1]):
                yield f"{path}:{number}: begins with '{leans[1]}': name the thing, or say what it does"
        if not line.strip() and before.startswith("///"):
            yield f"{path}:{number}: a blank line between a contract and what it is of"
        found = TYPE.match(line)
        if not found or path.endswith(FOREIGN):
            continue
        at = number - 2
        while at >= 0 and re.match(r"\s*(template\b|requires\b)", lines[at]):
            at -= 1
        if at < 0 or not lines[at].lstrip().startswith("//"):
            yield f"{path}:{number}: {found[1]} has no first line: say its one job"


def banned_words(path, text):
    for pattern, why, where, but in BANNED:
        if (where and not path.startswith(where)) or (but and path.startswith(but)):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(pattern, line):
                yield f"{path}:{number}: banned: {line.strip()}: {why}"


def lambdas(path, text, capturing):
    """Each capturing lambda that is a coroutine: its line, and the key in `capturing` that allows it."""
    for found in COROUTINE_LAMBDA.finditer(text):
        before = text[:found.start()]
        if ROUTE.search(before):
            continue
        allowed = next((key for key in capturing if key[0] == path and before.rstrip().endswith(key[1])), None)
        yield before.count("\n") + 1, allowed


def parameters(text, begin):
    """The parameters that begin at this place, without those of functions among them."""
    found, depth = "", 0
    for character in text[begin:]:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
        found += character if depth == 0 else ""
    return found


def awaited_choices(path, text):
    """Each awaited call that chooses what it is given: GCC 12 destroys what was made for the choice twice."""
    for found in AWAITED.finditer(text):
        call = found[0].partition("(")[2]
        if re.search(r"\s\?\s", call):
            yield (f"{path}:{text.count(chr(10), 0, found.start()) + 1}: an awaited call is given a conditional expression, "
                   "whose operand GCC 12 destroys twice: name it first")


def forgotten_parameters(path, text):
    """Each coroutine that takes a reference to an object that may be gone before it ends."""
    for found in COROUTINE.finditer(text):
        if kept := KEPT_IN_A_LIST.search(parameters(text, found.end())):
            yield (f"{path}:{text.count(chr(10), 0, found.start()) + 1}: a coroutine's {kept[0]} may be forgotten while it "
                   "waits: give it the id")


def functions(text):
    """Each function of a text as clang-format leaves it: the number of its first line, its name, its number of
    lines."""
    lines = RAW_STRING.sub(lambda raw: '""' + "\n" * raw[0].count("\n"), text).split("\n")
    at = 0
    while at < len(lines):
        first = before = at
        while lines[at].endswith("{") and before > 0 and lines[before - 1] and not ENDS_A_STATEMENT.search(lines[before - 1]):
            before -= 1
            if not lines[before].lstrip().startswith("//"):
                first = before
        head = " ".join(line for line in lines[first:at + 1] if not line.lstrip().startswith("//"))
        name = re.search(r"([\w:~]+)\(", head)
        if lines[at].endswith("{") and name and not NO_FUNCTION.match(head):
            indent = re.match(r"\s*", head)[0]
            end = next((i for i in range(at + 1, len(lines)) if lines[i].startswith(indent + "}")), len(lines) - 1)
            yield first + 1, name[1], end - first + 1
            at = end
        at += 1


def long_functions(path, text, allowed):
    """What is wrong with the lengths of the functions of a text; removes from `allowed` what it finds."""
    for line, name, lines in functions(text):
        if lines <= FUNCTION_LINES_MAX:
            continue
        if (path, name) in allowed:
            allowed.discard((path, name))
        else:
            yield f"{path}:{line}: {name} has {lines} lines: give a part of it a name"


def complaints(files: dict[str, str], long=None, capturing=None, functions=None) -> list[str]:
    """What is wrong with `files`, which maps paths to texts."""
    long = LONG if long is None else long
    capturing = CAPTURING if capturing is None else capturing
    long_ones = set(LONG_FUNCTIONS if functions is None else functions)
    found = []
    used = set()
    for path, text in files.items():
        found += banned_words(path, text)
        for line, allowed in lambdas(path, text, capturing):
            used.add(allowed)
            if allowed not in capturing:
                found.append(f"{path}:{line}: a lambda with captures is no coroutine: give it parameters, by value")
        lines = text.count("\n")
        if lines > LINES_MAX and path not in long:
            found.append(f"{path}: {lines} lines; has it taken on a second job?")
        elif lines <= LINES_MAX and path in long:
            found.append(f"{path}: {lines} lines: strike it off the list of long files")
        if path.startswith(PRODUCT):
            found += long_functions(path, text, long_ones)
            found += forgotten_parameters(path, text)
            found += awaited_choices(path, text)
            found += contracts(path, text) if path.endswith(".h") else ()
    found += [f"{path}: {name} is no long function any more: strike it off the list" for path, name in sorted(long_ones)]
    found += [f"{path}: on the list of long files, and not there" for path in long if path not in files]
    found += [f"{path}: no coroutine lambda stands behind '{before}' any more: strike it off the list"
              for path, before in capturing if (path, before) not in used]
    return found


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.h", "*.cpp", "*.cu", "*.cuh"],
                            capture_output=True, text=True, check=True).stdout.split()
    found = complaints({path: Path(path).read_text(encoding="utf-8") for path in listed if Path(path).exists()})
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
