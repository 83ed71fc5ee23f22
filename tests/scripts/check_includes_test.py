"""The check of include directions says what is wrong, and only that."""
import sys
import unittest

sys.path.insert(0, sys.argv.pop())
import check_includes  # noqa: E402


class Check(unittest.TestCase):
    def complaints(self, path, *includes):
        return check_includes.complaints(path, [f"#include {header}" for header in includes])

    def test_an_include_of_a_lower_folder_and_of_the_own_one_is_fine(self):
        self.assertEqual(self.complaints("agent/handover/a.cpp", '"agent/jobs/jobs.h"', '"agent/handover/protocol/source_rules.h"',
                                         '"migrator/base/error.h"', "<vector>"), [])

    def test_an_include_that_runs_up_is_found_with_its_line(self):
        found = self.complaints("agent/jobs/a.cpp", '"agent/base/units.h"', '"agent/handover/source/migrations.h"')
        self.assertEqual(len(found), 1)
        self.assertIn("agent/jobs/a.cpp:2", found[0])
        self.assertIn("agent/handover/source, which is above it", found[0])

    def test_an_include_into_another_room_is_found(self):
        self.assertIn("must not include agent/", self.complaints("runtime/a.cpp", '"agent/base/units.h"')[0])
        self.assertIn("must not include runtime/", self.complaints("agent/a.cpp", '"runtime/session.h"')[0])

    def test_libraries_stay_where_they_are_wrapped(self):
        self.assertIn("ucp/api/ucp.h may be included only in migrator/link/ucx/",
                      self.complaints("migrator/engine/a.cpp", "<ucp/api/ucp.h>")[0])
        self.assertEqual(self.complaints("migrator/link/ucx/a.cpp", "<ucp/api/ucp.h>"), [])
        self.assertTrue(self.complaints("migrator/core/a.cpp", "<boost/asio.hpp>"))

    def test_a_migration_knows_no_http_server_but_its_routes_do(self):
        found = self.complaints("agent/handover/source/a.h", "<string>", '"agent/api/router.h"')
        self.assertEqual(found, ["agent/handover/source/a.h:2: agent/handover/source must not include agent/api"])
        self.assertEqual(self.complaints("agent/handover/a_routes.h", '"agent/api/router.h"'), [])

    def test_of_what_a_trainer_includes_the_other_rooms_know_the_error_alone(self):
        self.assertEqual(self.complaints("migrator/base/error.h", "<cardswap/error.h>"), [])
        self.assertTrue(self.complaints("agent/jobs/a.cpp", "<cardswap/error.h>"), "it has migrator/base/error.h")
        self.assertTrue(self.complaints("migrator/engine/a.cpp", "<cardswap/session.h>"))
        self.assertEqual(self.complaints("runtime/a.cpp", "<cardswap/session.h>"), [])

    def test_a_header_that_is_not_there_is_found_with_its_line(self):
        lines = ["#include <vector>", '#include "agent/jobs/job.h"', '#include "agent/jobs/gone.h"', '#include "config.h"']
        self.assertEqual(check_includes.absent("agent/a.cpp", lines, lambda path: path == "agent/jobs/job.h"),
                         ["agent/a.cpp:3: there is no agent/jobs/gone.h"])

    def test_a_new_folder_needs_a_rank(self):
        self.assertIn("has no rank", self.complaints("agent/new/a.cpp")[0])

    def test_tests_may_include_everything(self):
        self.assertEqual(self.complaints("tests/unit/a.cpp", '"agent/agent.h"', '"migrator/base/error.h"'), [])

    def test_the_page_names_every_folder_in_their_order(self):
        head = "# A\n\n| folder | what |\n| --- | --- |\n"
        folders = ("migrator/core", "migrator/link", "migrator/link/ucx", "cuda")
        good = ("| `migrator/core/` | c |\n| `migrator/link/` | l |\n| `migrator/link/ucx/` | u |\n| `cuda/` | c |\n"
                "\n| `other/` | |\n")

        def said(rows):
            return check_includes.complaints_of_page(head + rows, folders)

        self.assertEqual(said(good), [])
        self.assertIn("lacks migrator/core", said(good.replace("`migrator/core/`", "core"))[0])
        self.assertIn("there is no folder agent/gone", said(good.replace("| c |\n\n", "| c |\n| `agent/gone/` | |\n\n"))[0])
        first = "| `cuda/` | c |\n"
        self.assertIn("migrator/core stands below cuda", said(first + good.replace(first, ""))[0])


if __name__ == "__main__":
    unittest.main()
