"""What scripts/downtime_svg.py makes of a table of costs: python3 downtime_svg_test.py SCRIPTS"""
import json
import re
import sys
import unittest
import xml.etree.ElementTree as ElementTree

sys.path.insert(0, sys.argv.pop(1))
sys.dont_write_bytecode = True
from downtime_svg import WAYS, picture, read  # noqa: E402


def row(way, r, lost, gradients="fp32", repeat=0, **more):
    return json.dumps(
        {"gradients": gradients, "r": r, "way": way, "repeat": repeat, "stall": lost / 2, "lost": lost, **more}
    )


def table(kinds=("fp32", "bf16")):
    return "\n".join(row(way, r, r * 0.7, kind) for kind in kinds for way in WAYS for r in (0.5, 2, 20))


class TestDowntimeSvg(unittest.TestCase):
    def test_has_a_line_for_each_way_figure_and_kind_of_gradients(self):
        lines = re.findall(r"<title>([^;]+);", picture(table()))
        for label, _, _ in WAYS.values():
            self.assertEqual(lines.count(label), 4)

    def test_is_xml(self):
        ElementTree.fromstring(picture(table()))

    def test_is_for_a_light_page_and_for_a_dark_one(self):
        self.assertIn("prefers-color-scheme: dark", picture(table()))

    def test_draws_the_median_of_each_point(self):
        medians, counts = read("\n".join(row("replay", 2, lost, repeat=i) for i, lost in enumerate((9, 1, 2))))
        self.assertEqual(medians["fp32", "replay", "lost"], {2: 2})
        self.assertEqual(counts, [3, 3])

    def test_leaves_out_moves_with_a_limit_and_lines_that_are_cut(self):
        text = "\n".join((row("replay", 2, 1), row("replay", 2, 50, limited=True), row("replay", 6, 3)[:20]))
        self.assertEqual(read(text)[0]["fp32", "replay", "lost"], {2: 1})

    def test_has_one_column_where_one_kind_was_measured(self):
        self.assertEqual(picture(table(kinds=("bf16",))).count("<g "), 2)

    def test_says_that_a_table_has_nothing_to_draw(self):
        for text in ("", row("step", 0, 0)):
            with self.assertRaises(ValueError):
                picture(text)


unittest.main()
