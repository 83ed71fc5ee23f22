"""The check of names finds what two sources of a folder could not be compiled as one with, and nothing else."""
import pathlib
import sys
import unittest

SCRIPTS = pathlib.Path(sys.argv.pop())
sys.path.insert(0, str(SCRIPTS))
import check_names  # noqa: E402


def source(own, outer="cardswap"):
    return f"namespace {outer} {{\nnamespace {{\n\n{own}\n\n}}  // namespace\n}}  // namespace {outer}\n"


class Names(unittest.TestCase):
    def found(self, first, second, **where):
        return check_names.complaints({"agent/a/one.cpp": first, where.get("path", "agent/a/two.cpp"): second})

    def test_names_of_two_sources_of_a_folder_are_found(self):
        for own in ("constexpr int kMax = 3;", "constexpr std::array<int, 2> kMax{1, 2};", "struct Parts {\n  int a;\n};",
                    "enum class Stage { one, two };", "bool is_digit(char c) { return c >= '0'; }",
                    "int sum(const std::string& one,\n        int two) {\n  return two;\n}"):
            found = self.found(source(own), source(own))
            self.assertEqual(len(found), 1, own)
            self.assertTrue(found[0].startswith("agent/a/one.cpp, agent/a/two.cpp: "), found)

    def test_an_alias_may_stand_twice_with_one_meaning_only(self):
        steady, wall = (f"using Clock = std::chrono::{kind}_clock;" for kind in ("steady", "system"))
        self.assertEqual(self.found(source(steady), source(steady)), [])
        self.assertEqual(len(self.found(source(steady), source(wall))), 1)
        self.assertEqual(len(self.found(source(steady), source("struct Clock {\n};"))), 1)

    def test_other_folders_namespaces_parameters_and_programs_have_names_of_their_own(self):
        own = "constexpr int kMax = 3;"
        self.assertEqual(self.found(source(own), source(own), path="agent/b/two.cpp"), [])
        self.assertEqual(self.found(source(own), source(own), path="tests/unit/two.cpp"), [])
        self.assertEqual(self.found(source(own), source(own, "cardswap::wire")), [])
        self.assertEqual(self.found(source(own), source(own) + "int main() { return 0; }\n"), [])
        self.assertEqual(self.found(source("void take(int a) {\n}"), source("void take(char a) {\n}")), [])

    def test_parameters_that_differ_by_a_namespace_alias_are_the_same(self):
        short = source("namespace fs = std::filesystem;\n\nint size(const fs::path& file) {\n  return 1;\n}")
        whole = source("int size(const std::filesystem::path& file) {\n  return 2;\n}")
        self.assertEqual(len(self.found(short, whole)), 1)

    def test_locals_and_members_are_no_names_of_a_file(self):
        self.assertEqual(self.found(source("int one() {\n  const int found = 1;\n  return found;\n}"),
                                    source("int two() {\n  const int found = 2;\n  return found;\n}")), [])


class Questions(unittest.TestCase):
    def found(self, text, excepted=(), path="agent/a/one.h"):
        return check_names.no_questions({path: text}, frozenset(excepted))

    def test_what_a_header_offers_to_be_asked_begins_as_a_question(self):
        for asked in ("  [[nodiscard]] bool closed() const;", "  [[nodiscard]] virtual bool closed() const { return true; }",
                      "bool closed(int one,\n            int other);", "[[nodiscard]] inline bool closed(int one) {",
                      "constexpr bool closed(Kind kind) {", "CARDSWAP_BOTH bool closed(unsigned width);"):
            found = self.found(asked)
            self.assertEqual(len(found), 1, asked)
            self.assertTrue(found[0].startswith("agent/a/one.h: closed() "), found)
            self.assertEqual(self.found(asked, path="agent/a/one.cpp"), [])
            self.assertEqual(self.found(asked, path="tests/support/one.h"), [])
            for better in ("is_closed", "has_closed", "may_close", "contains", "holds_each", "empty"):
                self.assertEqual(self.found(asked.replace("closed", better)), [], better)

    def test_actions_proofs_fields_and_prose_ask_nothing(self):
        for said in ("  bool take_next(Item& item);", "  static bool start();", "  bool closed = false;",
                     "  /// bool closed() const;", "constexpr bool each_is_left(std::span<const Rule> rules) {",
                     "  std::function<bool(int)> closed;"):
            self.assertEqual(self.found(said), [], said)

    def test_an_exception_that_nothing_needs_is_found(self):
        self.assertEqual(self.found("bool closed();", {"closed"}), [])
        self.assertEqual(len(self.found("bool is_closed();", {"closed"})), 1)

    def test_the_exceptions_do_not_grow(self):
        self.assertLessEqual(len(check_names.NO_QUESTIONS), 23, "let it ask, or begin with a verb that the check knows")


class Words(unittest.TestCase):
    def found(self, *cases, path="agent/a/one.cpp"):
        lines = "".join(f'    case {name}: return "{word}";\n' for name, word in cases)
        return check_names.other_words({path: "std::string_view to_string(State state) {\n  switch (state) {\n" + lines +
                                        "  }\n  return {};\n}\n"})

    def test_an_enumerator_is_called_by_its_name(self):
        self.assertEqual(self.found(("State::frozen", "frozen"), ("in_doubt", "in doubt"), ("bool_", "bool"),
                                    ("automatic", "auto")), [])
        found = self.found(("frozen", "frozen"), ("depart_refused", "depart_too_early"))
        self.assertEqual(found, ['agent/a/one.cpp: to_string() calls depart_refused "depart_too_early"'])
        self.assertEqual(self.found(("one", "other"), path="tests/support/one.cpp"), [])

    def test_cases_elsewhere_are_none(self):
        self.assertEqual(check_names.other_words({"agent/a/one.cpp": 'int f(State state) {\n  case one: return "other";\n}\n'}), [])


if __name__ == "__main__":
    unittest.main()
