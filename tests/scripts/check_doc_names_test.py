"""What scripts/check_doc_names.py says of names in pages and comments: python3 check_doc_names_test.py SCRIPTS"""
import sys
import unittest

sys.path.insert(0, sys.argv.pop(1))
sys.dont_write_bytecode = True
from check_doc_names import complaints, strange_words  # noqa: E402

SOURCES = {"agent/a.h": "// Knock, gone_name\nstruct ReadChunk {\n  int free_bytes;\n};\nvoid force_move();\n"
                        "constexpr int kMax = 1;\nconst char* at = \"memory_used CARDSWAP_JOB Held\";\n",
           "tests/a_test.cpp": "TEST(HandoffDirs, EndWithTheMove) {\n}\n", "cmake/a.cmake": "option(CARDSWAP_UNITY)\n"}


def said(text: str, path: str = "docs/a.md", foreign=None) -> list[str]:
    return complaints({path: text}, SOURCES, foreign or {})


class TestNames(unittest.TestCase):
    def test_that_the_code_has_are_good(self):
        for name in ("ReadChunk", "ReadChunk{chunk, bytes}", "force_move()", "cardswap::force_move()", "ReadChunk::free_bytes",
                     "free_bytes", "memory_used", "CARDSWAP_JOB", "CARDSWAP_UNITY", "HandoffDirs", "HandoffDirs.*",
                     "HandoffDirs.EndWith*", "HandoffDirs.EndWithTheMove"):
            self.assertEqual(said(f"`{name}`"), [], name)

    def test_that_are_gone_are_told_with_their_line(self):
        self.assertEqual(said("one\n\ntwo `force_place()`"), ["docs/a.md:3: nothing is called force_place"])
        for name, gone in (("Meetings", "Meetings"), ("gone_field", "gone_field"), ("place()", "place"), ("Gone::force_move()", "Gone"),
                           ("Gone{chunk}", "Gone"), ("HandoffDirs.Begin*", "Begin"), ("HandoffDirs.EndWith", "EndWith")):
            self.assertEqual(said(f"`{name}`"), [f"docs/a.md:1: nothing is called {gone}"], name)

    def test_of_a_comment_or_a_text_make_no_type(self):
        self.assertEqual(len(said("`Knock`")), 1)
        self.assertEqual(len(said("`Held`")), 1)
        self.assertEqual(len(said("`gone_name`")), 1)

    def test_of_others_are_listed_and_the_list_has_no_more(self):
        self.assertEqual(said("`cuda_ipc`", foreign={"cuda_ipc": "UCX"}), [])
        self.assertEqual(said("`free_bytes`", "README.md", {"cuda_ipc": "UCX"}),
                         ["scripts/check_doc_names.py: no page names cuda_ipc any more"])

    def test_are_no_words_options_paths_or_programs(self):
        self.assertEqual(said("`verified` `--gone-by` `gone_dir/gone.h` `cardswap run X` `_OF_MEMORY`\n```\n`Gone`\n```\n"), [])

    def test_in_a_comment_are_looked_at_too(self):
        self.assertEqual(said("int a;\n/// See `Gone`, not \"`Away`\".\n", "agent/b.h"),
                         ["agent/b.h:2: nothing is called Gone", "agent/b.h:2: nothing is called Away"])
        self.assertEqual(said("int a;  // `ReadChunk`\n", "agent/b.h"), [])

    def test_in_a_drawing_of_the_wire_are_looked_at_too(self):
        drawing = "    ReadChunk{chunk}  ->\n                      <-  Accept{}, Gone{x}\n"
        self.assertEqual(said(drawing), [])
        self.assertEqual(said(drawing, "docs/wire.md"), ["docs/wire.md:2: nothing is called Accept",
                                                         "docs/wire.md:2: nothing is called Gone"])


class Contracts(unittest.TestCase):
    def found(self, contract, code="void f(int wanted);", **others):
        sources = {"agent/a.h": f'#include "agent/b.h"\n{contract}\n{code}\n', "agent/b.h": "struct B {\n  int beside;\n};\n"}
        return strange_words(sources | others)

    def test_name_parameters_that_are_there(self):
        self.assertEqual(self.found("/// Takes `wanted`, `beside` of B, `--wanted`."), [])
        self.assertEqual(self.found("/// Takes `wished`."), ["agent/a.h:2: neither this header nor the program has a wished"])
        self.assertEqual(self.found("/// It\n/// takes `wished`.", "void f(int other);  ///< not `wished`"),
                         ["agent/a.h:3: neither this header nor the program has a wished",
                          "agent/a.h:4: neither this header nor the program has a wished"])
        self.assertEqual(self.found("/// Takes `wished`.", "void f(int /*wished*/);"), [])

    def test_may_name_states_and_texts_of_the_program(self):
        rest = {"agent/c.cpp": 'enum class State { frozen };\nconst auto* option = "--drop";  // "wished"\n'}
        self.assertEqual(self.found("/// When `frozen`, or by `drop`.", **rest), [])
        self.assertEqual(len(self.found("/// `wished`", **rest)), 1)

    def test_of_tests_are_left_alone(self):
        self.assertEqual(strange_words({"tests/a.h": "/// `gone`\nint a;\n"}), [])


if __name__ == "__main__":
    unittest.main()
