"""What the Python package does by itself, without an agent; the parts with torch where Python has one."""

import os
import subprocess
import sys
import unittest

try:
    import numpy
    import torch
except ImportError:
    torch = None

from cardswap import _codec as codec


def python(program, **environment):
    """Runs a program of its own, since a process has one session: its exit status, and what it printed."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("CARDSWAP_")}
    done = subprocess.run([sys.executable, "-c", program], env={**env, **environment}, capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout + done.stderr


TRAINER = """
import cardswap, numpy, random, torch
for seed in (torch.manual_seed, random.seed, numpy.random.seed):
    seed(3)
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.Adam(model.parameters())
loader = torch.utils.data.DataLoader(torch.randn(12, 4), batch_size=3, shuffle=True)
def train():
    for batch in cardswap.batches(loader):
        model(batch).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
"""


class Inert(unittest.TestCase):
    def test_importing_it_imports_no_torch(self):
        self.assertEqual(python("import cardswap, sys; sys.exit('torch' in sys.modules)")[0], 0)

    def test_without_a_library_all_calls_do_nothing(self):
        status, said = python("import cardswap; cardswap.track('x', [1]); cardswap.boundary()\n"
                              "print(list(cardswap.batches([1, 2])), [int(e) for e in cardswap.epochs(2)],"
                              "cardswap.is_standby(), cardswap.steps())", CARDSWAP_C_LIBRARY="/nowhere.so")
        self.assertEqual((status, said), (0, "[1, 2] [0, 1] False 0\n"))

    def test_an_agents_job_does_not_train_on_without_the_library(self):
        status, said = python("import cardswap; cardswap.boundary()", CARDSWAP_SOCKET="/nowhere",
                              CARDSWAP_C_LIBRARY="/nowhere.so")
        self.assertNotEqual(status, 0)
        self.assertIn("CARDSWAP_C_LIBRARY", said)

    def test_boundaries_are_counted_and_values_have_a_digest(self):
        program = ("import cardswap, random; random.seed(1); x = [1]; cardswap.track('x', x); cardswap.boundary(); x.append({0})\n"
                   "print(cardswap.state_digest(), cardswap.steps())")
        one, again, other = (python(program.format(value)) for value in (2, 2, 3))
        self.assertEqual(one, again)
        self.assertNotEqual(one, other)
        self.assertEqual(one[1].split()[1], "1")


class Programs(unittest.TestCase):
    def test_a_program_begins_with_the_signals_that_any_program_does(self):
        status, said = python("import sys; from cardswap import _programs as p; p.FOLDER = '/bin'\n"
                              "sys.argv = ['grep', 'SigIgn', '/proc/self/status']; p.run('grep')")
        self.assertEqual((status, said.split()), (0, ["SigIgn:", "0" * 16]))

    def test_one_that_is_not_there_is_named(self):
        status, said = python("from cardswap import _programs; _programs.FOLDER = '/nowhere'; _programs.cardswapd()")
        self.assertEqual(status, 1)
        self.assertIn("cardswapd: /nowhere has no such program: install", said)


class Attached(unittest.TestCase):
    def test_a_file_is_part_of_the_state_under_a_name_that_leads_nowhere_else(self):
        program = """
import cardswap, random, tempfile
random.seed(1)
with tempfile.NamedTemporaryFile() as file:
    file.write(b"{}")
    file.flush()
    cardswap.attach("config.json", file.name)
    for name in ("config.json", "../config.json", "", "a b", ".hidden"):
        try:
            cardswap.attach(name, file.name)
        except cardswap.CardswapError as error:
            print(error.code)
try:
    cardswap.attach("gone.json", "/nowhere/gone.json")
except FileNotFoundError:
    print("not found")
print(cardswap.state_digest())
"""
        (status, one), (_, again), (_, other) = (python(program.format(text)) for text in ("one", "one", "other"))
        self.assertEqual(status, 0, one)
        self.assertEqual(one.split()[:-1], ["bad_request"] * 5 + ["not", "found"])
        self.assertEqual(one, again)
        self.assertNotEqual(one.split()[-1], other.split()[-1])


class TheProcessThatAJobHasLeft(unittest.TestCase):
    LEAVES = """
import cardswap, sys
def fails(): raise RuntimeError("no run to finish")
cardswap.on_moved(fails)
cardswap.on_moved({hook})
try: cardswap._session.current()._leave([])
finally: print("the program's own end")
"""

    def test_ends_where_a_hook_fails_and_has_called_the_others(self):
        status, said = python(self.LEAVES.format(hook="lambda: print('the next hook')"))
        self.assertEqual(status, 0, said)
        self.assertIn("RuntimeError: no run to finish", said)
        self.assertIn("the next hook", said)
        self.assertNotIn("the program's own end", said)

    def test_ends_as_its_program_does_where_a_hook_exits(self):
        status, said = python(self.LEAVES.format(hook="lambda: sys.exit(3)"))
        self.assertEqual(status, 3, said)
        self.assertIn("the program's own end", said)


class Loaders(unittest.TestCase):
    def test_a_new_loader_where_one_was_freed_has_a_place_of_its_own(self):
        status, said = python("""
import cardswap
class Letters:
    def __init__(self, letters): self.letters = letters
    def __iter__(self): return iter(self.letters)
# The allocator keeps memory that has neighbours in use, and hands out first what was freed last.
neighbours = [Letters("") for _ in range(1000)]
first = neighbours.pop(500)
first.letters = "ab"
freed = id(first)
cardswap.batches(first, name="train")
training = cardswap.batches(Letters("cd"), name="train")
del first
fresh = [Letters("xy")]
while len(fresh) < 100000 and id(fresh[-1]) != freed: fresh.append(Letters("xy"))
assert id(fresh[-1]) == freed
read = [next(training)]
read += cardswap.batches(fresh[-1])
print(*read, *training)
""")
        self.assertEqual((status, said), (0, "c x y d\n"))


class AfterTheEnd(unittest.TestCase):
    """Exit handlers that were registered before the first call run after the session's end."""

    def said(self, call):
        return python(f"""
import atexit, cardswap
def ask():
    try: print({call})
    except cardswap.CardswapError as error: print(error.code, error)
atexit.register(ask)
cardswap.track("x", [1])
cardswap.boundary()
""")

    def test_steps_are_known_still(self):
        self.assertEqual(self.said("cardswap.steps(), cardswap.is_standby()"), (0, "1 False\n"))

    def test_nothing_is_noted_any_more(self):
        self.assertEqual(self.said("cardswap.note('loss', 1)"), (0, "False\n"))

    def test_all_else_is_refused_by_a_word(self):
        for call in ("boundary()", "state_digest()", "track('y', [1])", "do_not_rehearse('why')", "epochs(2)",
                     "batches([1])"):
            status, said = self.said("cardswap." + call)
            self.assertEqual(status, 0, said)
            self.assertIn("conflict the session was closed", said)

    @unittest.skipIf(torch is None, "without torch")
    def test_a_step_is_a_step(self):
        self.assertEqual(python("import atexit; atexit.register(lambda: train_on())\n" + TRAINER + """
def train_on():
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    print("stepped")
train()
"""), (0, "stepped\n"))


class Notes(unittest.TestCase):
    """Numbers of a step, which snapshots keep."""

    def test_a_note_needs_a_name_that_fits(self):
        self.assertEqual(python("""
import cardswap
cardswap.track("x", [1])
cardswap.boundary()
print(cardswap.note("loss", 0.5), cardswap.note("loss", float("nan")), cardswap.note("n" * 65, 1), cardswap.note("", 1))
print(sum(cardswap.note(f"n{i}", i) for i in range(40)))
"""), (0, "True True False False\n31\n"))


class Callbacks(unittest.TestCase):
    """What the library calls: a failure is an error, and what interrupts the program goes on in the program."""

    def said(self, get, before="pass"):
        status, said = python(f"""
import cardswap, os, signal, sys
from cardswap import _library
class Broken(Exception):
    def __str__(self): raise LookupError
def fail(error): raise error
{before}
cardswap.track("x", get=lambda: {get}, set=print)
try:
    cardswap.state_digest()
    print("a digest")
except BaseException as error:
    print("raised", type(error).__name__, error)
""")
        self.assertEqual(status, 0)
        self.assertNotIn("Exception ignored", said)
        self.assertNotIn("a digest", said)
        return said

    def test_an_interrupt_goes_on_in_the_program(self):
        self.assertIn("raised KeyboardInterrupt", self.said("os.kill(os.getpid(), signal.SIGINT)"))
        self.assertIn("raised KeyboardInterrupt", self.said("fail(KeyboardInterrupt())"))

    def test_an_exit_goes_on_in_the_program(self):
        self.assertIn("raised SystemExit 3", self.said("sys.exit(3)"))
        self.assertIn("raised SystemExit 4", self.said(
            "os.kill(os.getpid(), signal.SIGTERM)", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))"))

    def test_an_exception_that_cannot_be_told_is_a_failure(self):
        self.assertIn("Broken", self.said("fail(Broken())"))
        self.assertIn("ValueError: ?", self.said("fail(ValueError('\\udc80'))"))

    def test_a_failure_is_one_where_standard_error_is_closed(self):
        self.assertIn("ValueError: no", self.said("fail(ValueError('no'))", "sys.stderr.close()"))

    def test_a_thing_that_is_not_known_is_a_failure(self):
        self.assertIn("raised CardswapError", self.said("1", "before = _library.load\n"
                                                        "_library.load = lambda: _library._things.clear() or before()"))


class Words(unittest.TestCase):
    """Of what is wrong with a program."""

    def said(self, program):
        status, said = python("import cardswap\n" + program)
        self.assertNotEqual(status, 0)
        return said

    def test_a_name_is_taken_once(self):
        self.assertIn("'x' is tracked already", self.said("cardswap.track('x', [1]); cardswap.track('x', [2])"))

    def test_a_name_has_no_slash(self):
        self.assertIn("has a '/'", self.said("cardswap.track('x/y', [1])"))

    def test_what_is_tracked_late_is_refused(self):
        self.assertIn("'x' is tracked after the first boundary", self.said("cardswap.boundary(); cardswap.track('x', [1])"))

    def test_a_number_cannot_change_in_place(self):
        self.assertIn("attributes=", self.said("cardswap.track('x', 1)"))

    def test_a_fork_has_no_boundary(self):
        self.assertIn("forked from the trainer",
                      self.said("import os; cardswap.boundary()\n"
                                "if os.fork() == 0: cardswap.boundary()\n"
                                "else: os._exit(os.waitstatus_to_exitcode(os.wait()[1]))"))

    def test_another_thread_has_no_boundary(self):
        self.assertIn("main thread", self.said(
            "import threading, sys; cardswap.boundary()\n"
            "def run():\n  try: cardswap.boundary()\n  except cardswap.CardswapError as e: print(e)\n"
            "t = threading.Thread(target=run); t.start(); t.join(); sys.exit(1)"))


class Values(unittest.TestCase):
    def test_what_is_encoded_comes_back(self):
        import collections
        import random
        for value in (None, True, -5, 2**70, 0.1, 1j, "hä", b"x", [1, (2,)], {1: "a", "b": [3]}, {3, 1}, frozenset([2]),
                      collections.Counter("aab"), collections.deque([1, 2], 5), random.getstate()):
            data = codec.encode(value)
            self.assertEqual(codec.decode(data), value)
            self.assertEqual(codec.encode(codec.decode(data)), data)

    def test_what_is_no_value_is_named_by_its_place(self):
        with self.assertRaisesRegex(codec.NotAValue, r"\['a'\]\[1\] is a builtins.object"):
            codec.encode({"a": [1, object()]})

    def test_no_bytes_do_more_than_fail(self):
        data = codec.encode([1, {"a": (2.0, "text")}, {3}])
        for cut in range(len(data)):
            with self.assertRaises(ValueError):
                codec.decode(data[:cut])
        for at in range(len(data)):
            for byte in (0, 0x5B, 0x74, 0xFF):
                try:
                    codec.decode(data[:at] + bytes([byte]) + data[at + 1:])
                except ValueError:
                    pass

    def test_what_is_nested_within_arrays_shapes_counts_as_nested(self):
        import struct
        import types
        from unittest import mock
        plain = types.SimpleNamespace(dtype=lambda text: types.SimpleNamespace(kind="i"))
        shape_of_an_array = b"a" + struct.pack("<Q", 2) + b"i8"
        with mock.patch.dict(sys.modules, numpy=plain), self.assertRaisesRegex(ValueError, "too deeply"):
            codec.decode(shape_of_an_array * 5000)

    @unittest.skipIf(torch is None, "without torch")
    def test_tensors_and_arrays_are_values(self):
        for value in (torch.randn(2, 3), torch.zeros(0, 3), torch.tensor(1).bool(), torch.randn(2).bfloat16()):
            self.assertTrue(torch.equal(codec.decode(codec.encode(value)), value))
        for value in (numpy.arange(6).reshape(2, 3), numpy.float32(3)):
            self.assertTrue((codec.decode(codec.encode(value)) == value).all())
        with self.assertRaisesRegex(codec.NotAValue, "detach"):
            codec.encode(torch.ones(1, requires_grad=True) * 2)


if __name__ == "__main__":
    unittest.main()
