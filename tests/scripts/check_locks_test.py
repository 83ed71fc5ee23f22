"""Clang sees a guarded member that is used without its mutex."""
import pathlib
import shutil
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(sys.argv.pop())
sys.path.insert(0, str(SCRIPTS))
import check_locks  # noqa: E402
import compile_commands  # noqa: E402

if shutil.which("clang++") is None:
    print("there is no clang++ here")
    sys.exit(check_locks.main())

COUNTER = """
#include "migrator/base/mutex.h"
class Counter {
 public:
  void set(int to) { BODY }
  void wait() {
    cardswap::MutexLock lock(mutex_);
    while (value_ == 0) changed_.wait(lock);
  }
 private:
  void count() CARDSWAP_REQUIRES(mutex_) { ++value_; }
  cardswap::Mutex mutex_;
  cardswap::Condition changed_;
  int value_ CARDSWAP_GUARDED_BY(mutex_) = 0;
};
void use(Counter& counter) { counter.set(1); counter.wait(); }
"""


class Locks(unittest.TestCase):
    def look(self, body):
        with tempfile.NamedTemporaryFile("w", suffix=".cpp") as file:
            file.write(COUNTER.replace("BODY", body))
            file.flush()
            return check_locks.look(file.name, ["-std=c++20", f"-I{SCRIPTS.parent}"])

    def test_a_member_is_used_with_its_mutex_held(self):
        self.assertEqual(self.look("const cardswap::MutexLock lock(mutex_); value_ = to; count(); changed_.notify_all();"), "")
        self.assertIn("requires holding mutex 'mutex_'", self.look("value_ = to;"))
        self.assertIn("requires holding mutex 'mutex_'", self.look("count();"))
        self.assertIn("requires holding mutex 'mutex_'", self.look("cardswap::MutexLock lock(mutex_); lock.unlock(); value_ = to;"))

    def test_a_mutex_is_not_taken_twice(self):
        self.assertIn("already held", self.look("cardswap::MutexLock a(mutex_); cardswap::MutexLock b(mutex_);"))

    def test_what_uses_a_mutex_is_looked_at_and_only_that(self):
        found = check_locks.users(["runtime/step_gate.cpp", "migrator/base/error.cpp"])
        self.assertEqual(found, ["runtime/step_gate.cpp"])

    def test_options_of_the_build_are_taken_without_what_clang_cannot_take(self):
        options = compile_commands.options_of(
            "/usr/bin/ccache /usr/bin/c++ -DA=1 -I/x -isystem /y -fPIC -Wno-error=restrict -std=c++20 -Winvalid-pch "
            "-include /b/cmake_pch.hxx -o a.o -c /x/a.cpp")
        self.assertEqual(options, ["-DA=1", "-I/x", "-isystem", "/y", "-fPIC", "-std=c++20"])


if __name__ == "__main__":
    unittest.main()
