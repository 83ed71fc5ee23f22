"""What scripts/check_links.py says of links: python3 check_links_test.py SCRIPTS"""
import sys
import unittest

sys.path.insert(0, sys.argv.pop(1))
sys.dont_write_bytecode = True
from check_links import absent_files, anchors, complaints, misnumbered  # noqa: E402


def said(text: str) -> list[str]:
    pages = {"docs/a.md": text, "docs/b.md": "# B\n\n## In doubt\n"}
    return complaints(pages, lambda path: path in ("README.md", "docs/picture.svg"))


class TestLinks(unittest.TestCase):
    def test_that_lead_to_a_page_a_file_a_site_or_a_heading_are_good(self):
        self.assertEqual(said("# A\n\n[b](b.md) [c](b.md#in-doubt) [a](#a) [s](https://x.org/y#z) [r](../README.md)\n"
                              "![p](picture.svg) [`b`](b.md)"), [])

    def test_that_lead_to_no_file_are_told_with_their_line(self):
        self.assertEqual(said("one\n\n[x](gone.md)"), ["docs/a.md:3: there is no docs/gone.md"])
        self.assertEqual(said("[`x`](gone.md)"), ["docs/a.md:1: there is no docs/gone.md"])

    def test_that_lead_to_no_heading_are_told(self):
        self.assertEqual(said("[x](b.md#in-no-doubt)"), ["docs/a.md:1: docs/b.md has no heading '#in-no-doubt'"])
        self.assertEqual(said("# A\n[x](#b)"), ["docs/a.md:2: docs/a.md has no heading '#b'"])

    def test_in_code_are_none(self):
        self.assertEqual(said("`[x](gone.md)`\n\n    [x](gone.md)\n\n```\n[x](gone.md)\n```\n"), [])


class TestAnchors(unittest.TestCase):
    def test_are_the_heading_without_what_is_no_letter(self):
        self.assertEqual(anchors("# The target's host: `a_b`, 2x\n## Same\n### Same\n```\n# no heading\n```\n"),
                         {"the-targets-host-a_b-2x", "same", "same-1"})


class TestFilesThatACommentNames(unittest.TestCase):
    TREE = {"agent/security/access.h": "", "agent/api/router.h": ""}

    def said(self, text):
        return absent_files(self.TREE | {"agent/a.h": text})

    def test_are_there_by_their_name_or_with_folders(self):
        self.assertEqual(self.said("// access.h, security/access.h and agent/security/access.h\n"), [])

    def test_are_told_with_their_line_where_they_are_not(self):
        self.assertEqual(self.said("int a;\n/// See api/access.h.\n"), ["agent/a.h:2: there is no api/access.h"])
        self.assertEqual(self.said("/* one\n gone.cpp */\n"), ["agent/a.h:2: there is no gone.cpp"])

    def test_are_no_others_headers_and_no_includes(self):
        self.assertEqual(self.said('#include "gone.h"\n// <gone.h>, as "http://a.b/gone.h" has it, and nvml.h\n'), [])


class TestDecisions(unittest.TestCase):
    def test_have_a_number_each_which_is_their_headings(self):
        self.assertEqual(misnumbered({"docs/decisions/007-a.md": "# 7. A", "docs/b.md": "# B"}), [])
        self.assertEqual(misnumbered({"docs/decisions/007-a.md": "# 7. A", "docs/decisions/007-b.md": "# 7. B"}),
                         ["docs/decisions/007-b.md: docs/decisions/007-a.md has this number"])
        self.assertEqual(misnumbered({"docs/decisions/008-a.md": "# 7. A"}),
                         ["docs/decisions/008-a.md:1: the heading does not begin with '# 8. '"])


if __name__ == "__main__":
    unittest.main()
