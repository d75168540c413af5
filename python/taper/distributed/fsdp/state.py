"""When the units of sharded modules are gathered, reduced and given back."""

from taper import _C, cuda
from taper.nn.distributed import _tensors_in
from taper.nn.mixed_precision import cast_inputs

from .memory import follow, streams_of


def states_of(module):
    """The states of the sharded modules in module, each once, outermost first."""
    found = (getattr(inner, "_fsdp", None) for inner in module.modules())
    return list(dict.fromkeys(state for state in found if state is not None))


class Root:
    """What the sharded modules below one root share: their order, and whether backward runs."""

    def __init__(self, module):
        self.states, self.in_backward = states_of(module), False
        self.units = [unit for state in self.states for unit in state.units]
        self._preceding, self._last = {}, None
        self._names = {inner: name for name, inner in module.named_modules()}
        for state in self.states:
            if state.root is not None:
                raise RuntimeError(
                    f"FSDP state has already been lazily initialized for {self._names[state.modules[0]]}\n"
                    "FSDP requires running forward through the root module first"
                )
        for state in self.states:
            state.root = self

    def devices(self):
        """Where the units are computed with."""
        return {unit.device for unit in self.units}

    def runs_backward(self):
        """Whether a backward is under way; what one that raised left is dropped."""
        if self.in_backward and not _C._in_backward():  # it raised, so end_backward was not called
            self.in_backward = False
            for unit in self.units:
                unit.forget_backward()
        return self.in_backward

    def begin(self):
        """Before the outermost forward."""
        if self.runs_backward():
            return
        self._preceding, self._last = {}, None
        self._check_memory()
        for device in self.devices():
            self._follow(device)
        for state in self.states:
            state.remaining = set()
            for unit in state.units:
                unit.begin()

    def _check_memory(self):
        for unit in self.units:
            missing = [
                f"{self._names.get(module, '')}.{name}".lstrip(".")
                for module, name in (entry.places[0] for entry in unit.entries)
                if module._parameters[name].device.type == "meta"
            ]
            if missing:
                raise RuntimeError(
                    "FSDP parameters should be materialized from meta device before training, but the "
                    f"following were still on meta device: {missing}\nGive them memory by "
                    "to_empty(device=...), and values"
                )

    def _follow(self, device):
        events = [state.optimizer_event for state in self.states if state.optimizer_event is not None]
        if device.type != "cuda" or not events:
            follow({device})
        for event in events if device.type == "cuda" else ():
            streams_of(device).gathering.wait_event(event)
        for state in self.states:
            state.optimizer_event = None

    def begin_backward(self):
        """Before the first gradient of a sharded module's results."""
        if self.runs_backward():
            return
        self.in_backward = True
        for unit in self.units:
            unit.begin_backward()
        _C._queue_callback(self.end_backward)

    def end_backward(self):
        """After all gradients."""
        self.in_backward = False
        for unit in self.units:
            unit.reduce()
        for unit in self.units:
            unit.finish_reducing()
            unit.drop_gathering()
        for device in self.devices():
            if device.type == "cuda" and any(unit.offload for unit in self.units):
                # The host reads the gradients.
                cuda.current_stream(device).synchronize()

    def note(self, state):
        """state's forward comes next."""
        if state not in self._preceding:
            self._preceding[state] = self._last
        self._last = state

    def before(self, state):
        """Whose backward comes after that of state."""
        return self._preceding.get(state)


class State:
    """What fully_shard leaves in modules that make up one group: gathered before the first one's forward,
    given back after the last one's.

    reshard_after_forward  whether it is given back then; None: unless this is the outermost module
    smaller                a group of fewer ranks, in which the whole is kept in parts after forward, or None
    """

    def __init__(self, modules, units, reshard_after_forward, smaller, policy):
        self.modules, self.units, self.policy = modules, units, policy
        self.reshard_after_forward, self.smaller = reshard_after_forward, smaller
        self.reshard_after_backward = self.unshard_in_backward = True
        self.root, self.is_outermost, self.is_pinned, self.remaining = None, False, False, set()
        self.forward_prefetch, self.backward_prefetch, self.optimizer_event = [], None, None
        for unit in units:
            unit.on_reduced = self._after_backward
        for module in modules:
            object.__setattr__(module, "_fsdp", self)
            module.register_forward_pre_hook(self.before_forward, prepend=True, with_kwargs=True)
            module.register_forward_hook(self.after_forward)
            module.register_state_dict_pre_hook(self._show_parts)
            module.register_load_state_dict_pre_hook(self._show_parts)

    def start_gathering(self):
        """Begins to gather the parameters."""
        for unit in self.units:
            unit.start_gathering()

    def gather(self):
        """Makes the parameters whole."""
        self.start_gathering()
        for unit in self.units:
            unit.gather()

    def release(self):
        """Gives the whole parameters back."""
        for unit in self.units:
            unit.release()

    def _show_parts(self, *_):
        """State dictionaries are of parts, but within summon_full_params."""
        if self.root is not None:
            self.root.runs_backward()
        if not self.is_pinned:
            self.release()

    def take_root(self, module):
        """Makes module the outermost, unless it is known which one is."""
        if self.root is None:
            if len(self.modules) > 1:
                raise RuntimeError(f"FSDP requires a single root module but got {self.modules}")
            Root(module)
            self.is_outermost = True

    def before_forward(self, module, args, kwargs):
        """Gathers the parameters, and casts the arguments."""
        self.take_root(module)
        if self.is_outermost:
            self.root.begin()
        if not self.root.in_backward:
            self.root.note(self)
            if not self.remaining:
                self.remaining = set(self.modules)
        self.gather()
        for following in self.forward_prefetch:
            following._fsdp.start_gathering()
        if self.policy.param_dtype is not None and self.policy.cast_forward_inputs:
            return cast_inputs(args, self.policy.param_dtype), cast_inputs(kwargs, self.policy.param_dtype)
        return None

    def after_forward(self, module, args, output):
        """Gives the parameters back, to be gathered again before the gradients of output come."""
        self.remaining.discard(module)
        outputs = _tensors_in(output)
        tracked = [tensor for tensor in outputs if tensor.requires_grad] if _C.is_grad_enabled() else []
        if not self.root.in_backward and not self.remaining:
            self._release_after_forward(bool(tracked))
        if self.policy.output_dtype is not None:
            output = cast_inputs(output, self.policy.output_dtype)
            tracked = [tensor for tensor in _tensors_in(output) if tensor.requires_grad] if tracked else []
        for tensor in tracked:
            tensor.register_hook(self._before_backward)
        return output

    def _release_after_forward(self, has_backward):
        releases = self.reshard_after_forward
        if releases is None:
            releases = not self.is_outermost
        if releases or not has_backward:
            for unit in self.units:
                unit.release(self.smaller if has_backward else None)

    def _before_backward(self, gradient):
        self.root.begin_backward()
        if self.unshard_in_backward:
            self.gather()
        if self.backward_prefetch is not None:
            for module in self.backward_prefetch:
                module._fsdp.start_gathering()
        elif (following := self.root.before(self)) is not None and following.unshard_in_backward:
            for unit in following.units:
                if unit.awaits_gradients:  # else its backward is over already
                    unit.start_gathering()

    def _after_backward(self, unit):
        if self.reshard_after_backward:
            unit.release()
