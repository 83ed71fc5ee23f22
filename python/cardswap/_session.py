"""The session of this process: what is tracked, and what happens at a boundary."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import os
import sys
import threading
import traceback
from typing import Any, Callable

from . import _gang as gangs
from . import _groups as groups
from . import _library as library
from . import _places as places
from . import _recorder as recorder
from . import _signals as signals
from . import _values as values
from ._library import CardswapError
from ._module import ModuleThing
from ._optimizer import OptimizerThing
from ._ranks import Ranks


def say(text: str) -> None:
    """Writes a line to the job's log, which is standard error."""
    print(f"cardswap: {text}", file=sys.stderr, flush=True)


class Session:
    """The one session of a process, opened by the first call that needs it. Main thread only."""

    def __init__(self) -> None:
        self._lib = library.load()
        self._pid = os.getpid()
        self._thread = threading.main_thread().ident
        self._open_handle = ctypes.c_void_p()
        self._last_steps = 0  # steps after close()
        self.has_agent = bool(os.environ.get("CARDSWAP_SOCKET"))
        self._is_complete = False  # everything is tracked: the first boundary was reached
        self._names: set[str] = set()
        self._tracked: dict[int, Any] = {}  # by id; held, so that no other object gets that id
        self._things: list[library.Thing] = []
        self._optimizers: dict[int, OptimizerThing] = {}
        self._has_stepped = False  # since the latest boundary
        self._was_attentive = False
        self.carries_loaders = False  # a framework's loop finds its own position in its loaders
        self.moved_hooks: list[Callable[[], Any]] = []
        torch = sys.modules.get("torch")
        framework = f"torch {torch.__version__}" if torch is not None else "python"
        self._place = groups.place() if torch is not None else (0, 1)
        library.check(self._lib.cardswap_open_rank(framework.encode(), *self._place, ctypes.byref(self._open_handle)))
        self._closing = threading.Lock()  # held by other threads that use the session
        self._gang: gangs.Gang | None = None
        newcomer = gangs.newcomers_place(self._open_handle)
        if newcomer is not None:
            self._gang = self._new_gang()
            self._gang.begin_alone(*newcomer)
        atexit.register(self.close)
        self._is_fork = False
        os.register_at_fork(after_in_child=self._become_a_fork)

    def close(self) -> None:
        if self._open_handle and os.getpid() == self._pid:
            self._last_steps = self.steps
            with self._closing:
                handle, self._open_handle = self._open_handle, ctypes.c_void_p()
            self._lib.cardswap_close(handle)

    @property
    def _handle(self) -> ctypes.c_void_p:
        """The handle for the library's calls. Raises CardswapError if the session was closed."""
        if not self._open_handle:
            raise CardswapError("the session was closed at the program's end: call cardswap before that, not in an "
                                "exit handler that was registered before cardswap's first call", "conflict")
        return self._open_handle

    # ---- what is tracked

    def free_name(self, wanted: str) -> str:
        """A name that is not in use yet. Things that are found are named in the order in which they were made, which is
        the same on both sides."""
        wanted = wanted.replace("/", ".")
        name, count = wanted, 1
        while name in self._names:
            count += 1
            name = f"{wanted} {count}"
        return name

    def add(self, thing: library.Thing, of: Any = None, may_be_late: bool = False) -> None:
        """Tracks a thing; `of` is the program's object. Raises CardswapError for a name that is empty, in use or has a
        '/', in a forked process or another thread, and after the first boundary unless `may_be_late`: a late thing then
        only keeps the job from being moved."""
        self._check_process()
        handle = self._handle
        if self._is_complete and not may_be_late:
            raise CardswapError(f"'{thing.name}' is tracked after the first boundary: a standby has only what was "
                                "tracked before it; track everything before the loop", "conflict")
        if self._is_complete and self.has_agent:
            say(f"cannot move: {thing.kind} '{thing.name}' is new after the first boundary; begin with it before, or, "
                "if it is a new loader for the same place, name the place: cardswap.batches(loader, name='train')")
        library.track(handle, thing)
        self._names.add(thing.name)
        self._things.append(thing)
        if of is not None:
            self._tracked[id(of)] = of
        if isinstance(thing, OptimizerThing):
            self._optimizers[id(thing.thing)] = thing

    def complete(self) -> None:
        """Tracks what the program has made and did not track itself, before the first boundary."""
        if self._is_complete:
            return
        gc.collect()  # an object that only a cycle keeps alive here may be gone in a standby
        for module in _roots(recorder.alive("module")):
            if not self._has_module(module) and _has_tensors(module):
                self.add(ModuleThing(self.free_name(type(module).__name__), module), module)
        for optimizer in recorder.alive("optimizer"):
            if id(optimizer) not in self._tracked and hasattr(optimizer, "param_groups") and not self._is_wrapper(optimizer):
                self.add(OptimizerThing(self.free_name(type(optimizer).__name__), optimizer), optimizer)
        for kind in ("scheduler", "scaler"):
            for thing in recorder.alive(kind):
                if id(thing) not in self._tracked:
                    self.add(values.thing_for(self.free_name(type(thing).__name__), thing), thing)
        self.add(values.CallbackThing(self.free_name("rng"), values.random_generators, values.set_random_generators,
                                      "generator", loads_last=True))
        self._track_ranks()
        modules = [thing for thing in self._things if isinstance(thing, ModuleThing)]
        for stepped in self._optimizers.values():
            stepped.begin(modules)
        self._is_complete = True
        if self.has_agent:
            self._tell_what_is_tracked()

    def take_whole(self, program: library.Thing) -> None:
        """Tracks `program` and no other thing: all other state moves with the process."""
        self.add(program)
        self._track_ranks()
        page = ctypes.c_void_p()  # so that there is some memory to send ahead, even if the program has none
        library.check(self._lib.cardswap_allocate(self._handle, b"process", 1, ctypes.byref(page)))
        self._is_complete = True
        say("this program calls nothing of Cardswap: it moves as a whole process, with --arrive criu")

    def _track_ranks(self) -> None:
        place = groups.rank(), groups.world_size()
        if place[1] == 1:
            if self._place[1] > 1:  # its environment speaks of ranks, and it trains alone
                library.check(self._lib.cardswap_set_ranks(self._handle, *place, None, None))
            return
        can_move = bool(self._lib.cardswap_agent_address(self._handle))
        self.add(Ranks(self.free_name("ranks"), can_move))
        if can_move:
            self._gang = self._gang or self._new_gang()
            self._gang.begin(*place)

    def _new_gang(self) -> gangs.Gang:
        return gangs.Gang(self._handle, gangs.agents_of(self._handle, self._tell_agents, say))

    def _tell_agents(self, addresses: list[str]) -> None:
        """Any thread."""
        told = (ctypes.c_char_p * len(addresses))(*(address.encode() for address in addresses))
        with self._closing:
            if self._open_handle:
                self._lib.cardswap_tell_agents(self._open_handle, told, len(addresses))

    def is_ours(self) -> bool:
        """Whether boundary() may be called here."""
        return bool(self._open_handle) and os.getpid() == self._pid and threading.get_ident() == self._thread

    def _is_wrapper(self, optimizer: Any) -> bool:
        """Whether it is a wrapper such as Accelerate's, which has the state of the optimizer in it."""
        return any(thing.thing.state is optimizer.state for thing in self._optimizers.values())

    def _has_module(self, module: Any) -> bool:
        return id(module) in self._tracked or any(
            isinstance(thing, ModuleThing) and any(one is module for one in thing.thing.modules())
            for thing in self._things)

    def _tell_what_is_tracked(self) -> None:
        say("tracked: " + ", ".join(f"'{thing.name}' ({thing.kind})" for thing in self._things))
        for thing in self._things:
            for what, hint in thing.obstacles():
                say(f"cannot move: {thing.kind} '{thing.name}': {what}; {hint}")
        for loader in recorder.alive("loader") if not self.carries_loaders else ():
            if not any(_reads_for(thing, loader) for thing in self._things):
                say("a DataLoader was made whose place is not carried: where the training reads from it, iterate "
                    "over cardswap.batches(loader)")
        for generator in self._untracked_generators():
            say(f"a {type(generator).__module__}.{type(generator).__qualname__} was made and is not tracked: where the "
                "training draws from it, cardswap.track('noise', generator) before the first boundary")

    def _untracked_generators(self) -> list[Any]:
        numpy = sys.modules.get("numpy")
        if numpy is None:
            return []
        return [thing for thing in gc.get_objects()
                if type(thing) is numpy.random.Generator and id(thing) not in self._tracked]

    # ---- steps

    def before_step(self, optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any],
                    ) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
        """Called before each optimizer's step. If the step has a closure, its gradients exist only after the closure
        was called."""
        thing = self._optimizers.get(id(optimizer))
        if thing is not None and thing.is_replaying:
            return None
        self._has_stepped = True
        if thing is None:
            return None
        closure: Any = kwargs.get("closure") if "closure" in kwargs else args[1] if len(args) > 1 else None
        if closure is None:
            self._capture(thing)
            return None

        stepped: OptimizerThing = thing

        def closure_then_capture() -> Any:
            result = closure()
            self._capture(stepped)
            return result

        if "closure" in kwargs:
            return args, {**kwargs, "closure": closure_then_capture}
        return (args[0], closure_then_capture, *args[2:]), kwargs

    def _capture(self, thing: OptimizerThing) -> None:
        if not self._open_handle:
            return  # a step in an exit handler does not count
        if threading.get_ident() != self._thread:
            thing.is_stepped_elsewhere = True
            return
        if library.has_attention(self._handle) and os.getpid() == self._pid:  # a fork's steps are its own
            thing.before_step()
            with signals.handlers_wait() as waiting:
                result = self._lib.cardswap_before_step(self._handle, thing.handle)
            try:
                library.tell(result, thing, "step")  # a failed capture fails the migration, not the loop
            finally:
                signals.call_handlers(waiting)

    @property
    def boundary_is_due(self) -> bool:
        """Whether an optimizer has stepped since the latest boundary, or none is known."""
        return self._has_stepped or not self._optimizers and not recorder.alive("optimizer")

    def boundary(self) -> None:
        self._check_process()
        if not self._is_complete:
            self.complete()
        self._has_stepped = False
        if self._gang is not None and self._gang.needs_another_step():
            return
        if library.has_attention(self._handle):
            self._was_attentive = True
            for optimizer in self._optimizers.values():
                optimizer.look_at_gradients()
            with signals.interrupts_end_the_process(), signals.handlers_wait() as waiting:
                result = self._lib.cardswap_boundary(self._handle)
        else:
            if self._was_attentive:
                self._was_attentive = False
                for optimizer in self._optimizers.values():
                    optimizer.forget_gradients()
            result, waiting = self._lib.cardswap_boundary(self._open_handle), []
        if result == library.PROCEED and not waiting:
            library.go_on_where_interrupted()
            return
        if result == library.MOVED:
            self._leave(waiting)
        signals.finish(result, waiting)

    def _leave(self, waiting: list[tuple[Any, int]]) -> None:
        """Ends the process, because the job goes on in another one: no more of this program may run, so that it does
        not print or save anything a second time. A rank of many keeps its place by a small program of the same pid: its
        launcher waits for that."""
        rank, ranks = groups.place() if self._gang is not None else (0, 1)
        is_rank = ranks > 1
        say(f"the job goes on elsewhere, from step {self.steps}; this process {'follows it' if is_rank else 'ends'}")
        for hook in self.moved_hooks:
            try:
                hook()
            except Exception:  # not SystemExit: a hook that fails does not run the program's exit handlers
                traceback.print_exc()
        self.close()
        multiprocessing = sys.modules.get("multiprocessing")
        for child in multiprocessing.active_children() if multiprocessing is not None else ():
            child.terminate()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        if is_rank:
            places.keep(rank, [number for _, number in waiting])
        os._exit(0)

    def _become_a_fork(self) -> None:
        self._is_fork = True

    def _check_process(self) -> None:
        if self._is_fork:
            raise CardswapError("a process that was forked from the trainer is not the job, and has no boundary: call "
                                "cardswap in the process that trains, not in a DataLoader's worker", "conflict")
        if threading.get_ident() != self._thread:
            raise CardswapError("cardswap is for the main thread, which runs the training loop", "conflict")

    # ---- what can be asked

    @property
    def is_standby(self) -> bool:
        return bool(self._open_handle and self._lib.cardswap_is_standby(self._open_handle))

    @property
    def steps(self) -> int:
        return int(self._lib.cardswap_steps(self._open_handle)) if self._open_handle else self._last_steps

    def digest(self) -> str:
        self.complete()
        text = ctypes.create_string_buffer(33)
        signals.call(self._lib.cardswap_digest, self._handle, text)
        return text.value.decode()

    def note(self, name: str, number: float) -> bool:
        if not self._open_handle:
            return False
        return library.check(self._lib.cardswap_note(self._open_handle, name.encode(), number)) == 1

    def do_not_rehearse(self, why: str) -> None:
        library.check(self._lib.cardswap_do_not_rehearse(self._handle, why.encode()))


def _reads_for(thing: library.Thing, loader: Any) -> bool:
    """Whether the thing is the place of the loader, or of a loader that was made of it, as Accelerate's prepare()
    does."""
    of: Any = getattr(thing, "loader", None)
    return of is loader or hasattr(of, "base_dataloader") and of.dataset is loader.dataset


def _roots(modules: list[Any]) -> list[Any]:
    """The modules that are not in another one."""
    inner = {id(child) for module in modules for child in vars(module).get("_modules", {}).values()}
    return [module for module in modules if "_modules" in vars(module) and id(module) not in inner]


def _has_tensors(module: Any) -> bool:
    return next(module.parameters(), None) is not None or next(module.buffers(), None) is not None


_session: Session | None = None
_lock = threading.Lock()


def current() -> Session | None:
    """The session, opened at the first call; None if there is neither a runtime library nor an agent: then the
    package does nothing. Raises CardswapError if an agent started the program and the session cannot be opened, and in
    a worker process of multiprocessing."""
    global _session
    if _session is not None:
        return _session
    with _lock:
        if _session is None:
            try:
                library.load()
            except CardswapError:
                if os.environ.get("CARDSWAP_SOCKET"):
                    raise
                return None
            multiprocessing = sys.modules.get("multiprocessing")
            if multiprocessing is not None and multiprocessing.parent_process() is not None:
                raise CardswapError("a worker of multiprocessing is not the job: call cardswap in the process that "
                                    "trains", "conflict")
            _session = Session()
            recorder.before_each_step(_session.before_step)
    return _session


def _open_as_standby() -> None:
    """A newcomer has to know that it is one before its groups are made: they would wait for peers."""
    is_standby = os.environ.get("CARDSWAP_ROLE") == "standby" and os.environ.get("CARDSWAP_SOCKET")
    if is_standby and threading.current_thread() is threading.main_thread():
        current()


groups.before_making.append(_open_as_standby)


def begin_whole(program: library.Thing) -> Session:
    """Opens the session of a program that does not call Cardswap. Raises CardswapError."""
    global _session
    with _lock:
        session = Session()
        session.take_whole(program)
        _session = session
    return session
