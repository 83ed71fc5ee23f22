"""What the Python package does with torch, without an agent."""

import math
import unittest

import torch

import cardswap
from package_test import TRAINER, python


class WithTorch(unittest.TestCase):
    def test_torch_may_come_before_or_after(self):
        after = python(TRAINER + "train(); print(cardswap.state_digest())")
        before = python("import torch\n" + TRAINER + "train(); print(cardswap.state_digest())")
        self.assertEqual(after, before)
        self.assertEqual(after[0], 0)

    def test_modules_with_another_base_are_made_as_without_the_package(self):
        program = """
import cardswap, torch
class Net(torch.nn.Module, dict):
    pass
class Named:
    def __new__(cls, name):
        made = super().__new__(cls)
        made.named = name
        return made
class Other(torch.nn.Module, Named):
    def __init__(self, name):
        super().__init__()
print(isinstance(Net(), dict), Other("a").named)
"""
        self.assertEqual(python(program), (0, "True a\n"))

    def test_an_epochs_place_is_found_again(self):
        from cardswap._loop import Place
        from torch.utils.data import DataLoader, TensorDataset

        def values(batch):
            return batch[0].flatten().tolist()

        for workers in (0, 2):
            for own in (None, torch.Generator().manual_seed(5)):
                torch.manual_seed(7)
                loader = DataLoader(TensorDataset(torch.arange(40.0)), batch_size=3, shuffle=True, num_workers=workers,
                                    generator=own)
                there = Place("there", loader)
                for _ in range(4):
                    there.next()
                torch.randn(5)  # the training draws, too
                data, generators = there.save(), torch.get_rng_state()
                here = Place("here", loader)
                here.next()
                here.load(data)
                self.assertEqual(here.save(), data)
                rest = [values(here.next()) for _ in range(10)]
                torch.set_rng_state(generators)
                self.assertEqual(rest, [values(there.next()) for _ in range(10)])
                for place in (here, there):
                    with self.assertRaises(StopIteration):
                        place.next()

    def test_an_optimizers_step_is_the_same_again(self):
        from cardswap._optimizer import OptimizerThing
        for make in (lambda p: torch.optim.AdamW(p, fused=True), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
                     lambda p: torch.optim.Adafactor(p), lambda p: torch.optim.RMSprop(p, centered=True),
                     lambda p: torch.optim.NAdam(p), lambda p: torch.optim.Adam(p, lr=torch.tensor(0.01))):
            model = torch.nn.Linear(5, 3)
            optimizer = make(model.parameters())
            other = torch.nn.Linear(5, 3)
            there, here = OptimizerThing("there", optimizer), OptimizerThing("here", make(other.parameters()))
            for _ in range(3):
                model(torch.randn(2, 5)).square().sum().backward()
                optimizer.step()
                optimizer.zero_grad()
            other(torch.randn(2, 5)).square().sum().backward()  # a standby's first step
            here.thing.step()
            regions, _ = there.regions()
            here.adopt([region.name.decode() for region in regions])
            for ours, theirs in zip(here.regions()[0], regions):
                self.assertEqual((ours.name, ours.shape, ours.bytes), (theirs.name, theirs.shape, theirs.bytes))
                import ctypes
                ctypes.memmove(ours.memory, theirs.memory, theirs.bytes)
            here.load(there.save())
            other.load_state_dict(model.state_dict())
            self.assertEqual(here.save(), there.save())

    def test_a_step_in_another_thread_is_in_a_moves_way_and_not_in_the_programs(self):
        status, said = python(TRAINER + """
import threading
from cardswap import _library, _session
cardswap.boundary()
_library.has_attention = lambda session: True  # as while a migration is on its way
thing = next(iter(_session.current()._optimizers.values()))
print(thing.obstacles())
other = threading.Thread(target=optimizer.step)
other.start()
other.join()
print(thing.obstacles())
""")
        self.assertEqual(status, 0, said)
        self.assertNotIn("Traceback", said)
        self.assertRegex(said, r"^\[\]\n.*stepped in another thread")

    def test_what_cannot_be_looked_at_is_in_a_moves_way_and_not_in_the_programs(self):
        status, said = python(TRAINER + """
from cardswap import _library, _session
cardswap.boundary()
_library.has_attention = lambda session: True  # as while a migration is on its way
thing = next(iter(_session.current()._optimizers.values()))
fail = lambda: 1 / 0
thing._parameters, usual = fail, thing._parameters
optimizer.step()
cardswap.boundary()
thing._parameters = usual
print([what for what, hint in thing.obstacles()])
_session.current()._lib.cardswap_before_step = lambda session, thing: -1
optimizer.step()
print("it trains on")
""")
        self.assertEqual(status, 0, said)
        self.assertEqual(said.count("Traceback"), 1, said)  # once, however often it is looked at
        self.assertIn("its gradients cannot be looked at: ZeroDivisionError", said)
        self.assertIn("step 'Adam' failed", said)
        self.assertIn("it trains on", said)

    def test_a_gradient_that_is_left_from_a_step_is_in_the_way_where_the_next_one_adds_to_it(self):
        program = """
import cardswap, torch
from cardswap import _library, _session
often, seldom = torch.nn.Linear(4, 2), torch.nn.Linear(4, 2)
optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in (often, seldom)]
cardswap.boundary()
_library.has_attention = lambda session: True  # as while a migration is on its way
for step in range(8):
    for model, optimizer in zip((often, seldom), optimizers[:1 if step % 3 else 2]):
        if {zeroes}: optimizer.zero_grad()
        model(torch.randn(3, 4)).square().sum().backward()
        optimizer.step()
    cardswap.boundary()
for thing in _session.current()._optimizers.values(): print([what for what, hint in thing.obstacles()])
"""
        self.assertEqual(python(program.format(zeroes="True")), (0, "[]\n[]\n"))
        status, said = python(program.format(zeroes="model is often"))
        self.assertEqual(status, 0, said)
        self.assertRegex(said, r"^\[\]\n\['the gradient of parameter 1 of group 0 lives from step to step'\]")

    def test_each_dtype_has_the_runtimes_name(self):
        import pathlib
        import re
        from cardswap._tensors import RUNTIME_NAMES, region_of
        packing = pathlib.Path(__file__).resolve().parents[2] / "migrator/core/compression.cpp"
        sized = set(re.findall(r'dtype == "(\w+)"', packing.read_text()))
        self.assertIn("Float", sized)
        self.assertLessEqual(sized, set(RUNTIME_NAMES.values()))
        for name, ours in RUNTIME_NAMES.items():
            if name == "complex32":  # torch warns of it
                continue
            region, _ = region_of("", torch.zeros(2, dtype=getattr(torch, name)))
            self.assertEqual(region.dtype.decode(), ours)
        for name in ("float32", "float64", "float16", "bfloat16", "int16", "int32", "int64", "uint8", "bool"):
            # The old constructors are called as the runtime calls their elements.
            old = torch.zeros(1, dtype=getattr(torch, name)).type()
            self.assertEqual(old, f"torch.{RUNTIME_NAMES[name]}Tensor")

    def test_an_epoch_computes_as_a_number(self):
        epoch = next(iter(cardswap.epochs(9, start=7)))
        self.assertEqual((epoch % 4, 10 - epoch, f"{epoch:03d}", list(range(epoch))[-1], 2**epoch, epoch == 7, epoch < 8),
                         (3, 3, "007", 6, 128, True, True))
        self.assertEqual((divmod(10, epoch), divmod(epoch, 4), round(epoch), round(epoch, -1), math.trunc(epoch),
                          pow(epoch, 2, 5)), ((1, 3), (1, 3), 7, 10, 7, 4))


if __name__ == "__main__":
    unittest.main()
