"""FindCardswapUcx.cmake takes the UCX of CARDSWAP_UCX_ROOT and no other, or says what that folder lacks."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

MODULES = pathlib.Path(sys.argv.pop()).parent / "cmake"
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(finds C)
find_package(CardswapUcx {wanted} REQUIRED)
get_target_property(libraries cardswap::ucx INTERFACE_LINK_LIBRARIES)
message(STATUS "links ${{libraries}} of ${{CardswapUcx_VERSION}}")
"""


@unittest.skipUnless(shutil.which("cmake"), "there is no cmake here")
class FindUcx(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)
        self.root = self.work / "libucx"
        (self.root / "include/ucp/api").mkdir(parents=True)
        (self.root / "lib").mkdir()
        (self.root / "include/ucp/api/ucp.h").touch()
        (self.root / "include/ucp/api/ucp_version.h").write_text(
            "#define UCP_API_MAJOR       1\n#define UCP_API_MINOR       22\n"
            "#define UCP_API_VERSION     UCP_VERSION(1, 22)\n")
        for name in "libucp.so", "libucs.so":
            (self.root / "lib" / name).touch()

    def configured(self, wanted="1.13"):
        (self.work / "CMakeLists.txt").write_text(PROJECT.format(wanted=wanted))
        return subprocess.run(["cmake", "-S", self.work, "-B", self.work / "build", f"-DCMAKE_MODULE_PATH={MODULES}",
                               f"-DCARDSWAP_UCX_ROOT={self.root}"], capture_output=True, text=True)

    def test_what_the_folder_holds_is_taken(self):
        done = self.configured()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"links {self.root}/lib/libucp.so;{self.root}/lib/libucs.so of 1.22", done.stdout)

    def test_a_folder_without_the_library_is_named_and_no_other_ucx_is_taken(self):
        (self.root / "lib/libucp.so").unlink()
        done = self.configured()
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn("CardswapUcx_UCP", done.stderr)
        self.assertIn(f"CARDSWAP_UCX_ROOT is\n  {self.root}".replace("\n ", ""), done.stderr.replace("\n ", ""))

    def test_a_release_that_is_too_old_is_refused(self):
        done = self.configured(wanted="1.23")
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertIn('version "1.22"', done.stderr)


if __name__ == "__main__":
    unittest.main()
