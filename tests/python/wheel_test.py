"""The wheel that scripts/wheel.sh packs of a build.

Method: it is installed in a virtual environment of its own, without torch and away from the sources, and used there as
by anybody.

usage: wheel_test.py BUILD [unittest's arguments]   scripts/setup.sh makes what packs it
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from hosts import BUILD, CACHE, ROOT, Moves, run_tests

FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="cardswap-wheel-"))
BIN = FOLDER / "venv/bin"
OF_EVERY_MACHINE = re.compile(r"linux-vdso|.*/ld-linux|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+)\.so\.")


def run(*command, **more):
    env = {key: value for key, value in os.environ.items() if not key.startswith(("CARDSWAP_", "PYTHON"))}
    done = subprocess.run(command, env=env, cwd=FOLDER, capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


def setUpModule():
    unittest.addModuleCleanup(shutil.rmtree, FOLDER)
    os.environ.pop("PYTHONPATH", None)
    done = subprocess.run([ROOT / "scripts/wheel.sh", "--of", BUILD, FOLDER], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    run(sys.executable, "-m", "venv", FOLDER / "venv")
    run(BIN / "pip", "install", "--disable-pip-version-check", "--no-index", *FOLDER.glob("*.whl"))


class Wheel(unittest.TestCase):
    def test_it_is_for_every_python_and_says_what_it_is(self):
        (wheel,) = FOLDER.glob("*.whl")
        name = re.fullmatch(r"cardswap-([0-9.]+)-py3-none-linux_\w+\.whl", wheel.name)
        self.assertIsNotNone(name, wheel.name)
        for program in ("cardswap", "cardswapd"):
            self.assertEqual(run(BIN / program, "--version"), name[1] + "\n")
        run("sha256sum", "--quiet", "--check", "SHA256SUMS")

    def test_what_not_every_machine_has_comes_along(self):
        (package,) = FOLDER.glob("venv/lib/python*/site-packages/cardswap")
        files = [package / "libcardswap_c.so", *(package / "bin").iterdir(), *package.glob("lib/*.so*")]
        self.assertGreater(len(files), 8, files)
        alone = [line for file in files for line in run("ldd", file).splitlines()
                 if not OF_EVERY_MACHINE.match(line.strip()) and f" => {package}/" not in line and
                 "statically linked" not in line and file.parent != package / "lib"]
        self.assertEqual(alone, [])
        self.assertTrue(list(package.glob("lib/ucx/libuct_*.so.0")))

    def test_whatever_comes_along_says_whose_it_is(self):
        (package,) = FOLDER.glob("venv/lib/python*/site-packages/cardswap")
        told = {path.name: path.read_text(errors="replace") for path in (package / "copyright").iterdir()}
        for text in told.values():
            self.assertIn("opyright", text)
        # Debian's packages of libraries are called after the file, more or less.
        plain = [re.sub(r"[^a-z]", "", name) for name in told]
        other = {"libucp": "libucx", "libuct": "libucx", "libucs": "libucx", "libucm": "libucx", "libcrypto": "libssl",
                 "libz": "zlib"}
        for file in package.glob("lib/*.so*"):
            stem = re.sub(r"[^a-z]", "", file.name.split(".so")[0])
            stem = other.get(stem, stem)
            self.assertTrue([name for name in plain if name.startswith(stem)], f"{file.name}: {sorted(told)}")
        for name in ("libboost", "libssl", "libcli"):
            self.assertTrue([one for one in told if one.startswith(name)], sorted(told))

    def test_a_job_without_an_agent_runs_as_without_the_package(self):
        said = run(BIN / "python", "-c", """
import cardswap, importlib.util
from cardswap import _library
numbers = [1]
cardswap.track("numbers", numbers)
print(list(cardswap.batches([1, 2])), cardswap.steps(), cardswap.is_standby(), importlib.util.find_spec("torch"))
print(_library.load()._name)
""")
        self.assertRegex(said, r"^\[1, 2\] 3 False None\n.*/venv/lib/.*/site-packages/cardswap/libcardswap_c\.so\n$")

    def test_it_is_imported_in_an_agents_jobs_and_in_no_other_program(self):
        asks = (BIN / "python", "-c", "import sys; print('cardswap' in sys.modules, 'torch' in sys.modules)")
        self.assertEqual(run(*asks), "False False\n")
        self.assertEqual(run("/usr/bin/env", "CARDSWAP_SOCKET=/nowhere", *asks), "True False\n")


class Job(Moves):
    programs, python = BIN, BIN / "python"
    of_jobs = {"PYTHONDONTWRITEBYTECODE": "1"}

    def test_it_moves_there_and_back_with_nothing_but_the_wheel(self):
        self.assertRegex(self.a.command("version").stdout, r"agent [0-9.]+")
        self.there_and_back("auto", "tests/python/plain.py")


if __name__ == "__main__":
    run_tests([CACHE / "wheel-tools/bin/pip"])
