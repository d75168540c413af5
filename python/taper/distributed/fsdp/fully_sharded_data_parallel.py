"""FullyShardedDataParallel: fully_shard as a wrapper around a module."""

from contextlib import contextmanager

from taper import _C
from taper._grad_mode import no_grad
from taper.nn.mixed_precision import cast_inputs
from taper.nn.module import Module

from ..algorithms._checkpoint.checkpoint_wrapper import rename_keys
from ..device_mesh import DeviceMesh
from ..job import _resolve, get_process_group_ranks, new_group
from ..tensor.dtensor import DTensor
from . import optimizer_state
from .api import *  # noqa: F403  PyTorch's programs import them from here, too
from .api import CONFIGS, BackwardPrefetch, MixedPrecision, ShardingStrategy, StateDictSettings, StateDictType
from .fully_shard import shard_modules
from .policies import CPUOffloadPolicy, MixedPrecisionPolicy
from .state import states_of
from .whole import whole_parameters
from .wrap import wrap_chosen

_PREFIX = "_fsdp_wrapped_module."
_HYBRID = (ShardingStrategy.HYBRID_SHARD, ShardingStrategy._HYBRID_SHARD_ZERO2)
_KEEPING = (ShardingStrategy.SHARD_GRAD_OP, ShardingStrategy._HYBRID_SHARD_ZERO2)


def _mesh_of(process_group, strategy, device_mesh, kind):
    """The mesh along whose last dimension parameters are divided."""
    if device_mesh is not None:
        if process_group is not None:
            raise ValueError(
                "Cannot pass both process_group and device_mesh at the same time. Please just pass only one "
                "of them."
            )
        if strategy in _HYBRID and device_mesh.ndim != 2:
            raise ValueError(f"Expected device_mesh to have ndim=2 but got {device_mesh.ndim}")
        if strategy is not ShardingStrategy.NO_SHARD or device_mesh.ndim > 1:
            return device_mesh
        process_group = device_mesh.get_group()
    if isinstance(process_group, tuple):  # (shard group, replicate group)
        shard, replicate = process_group
        return DeviceMesh.from_group([replicate, shard], kind, [get_process_group_ranks(shard)])
    if strategy in _HYBRID:
        if process_group is not None:
            raise ValueError(
                "Expected process_group to be passed in as either None or Tuple[dist.ProcessGroup, "
                f"dist.ProcessGroup] but got {type(process_group)}"
            )
        raise ValueError(
            f"Manual wrapping with {strategy} requires explicit specification of process group or "
            "device_mesh."
        )
    group = _resolve(process_group)
    if group is None:
        raise ValueError("FullyShardedDataParallel: this process is not in the given process group")
    if strategy is ShardingStrategy.NO_SHARD:
        lonely = [new_group([rank]) for rank in get_process_group_ranks(group)][group.rank()]
        return DeviceMesh.from_group([group, lonely], kind, [get_process_group_ranks(lonely)])
    return DeviceMesh.from_group(group, kind, get_process_group_ranks(group))


def _device_of(module, device_id):
    """The device to compute on: the one named, else that of the first parameter with memory."""
    if device_id is not None:
        return _C.device("cuda", device_id) if isinstance(device_id, int) else _C.device(device_id)
    places = (parameter.device for parameter in module.parameters())
    return next((place for place in places if place.type != "meta"), _C.device("cpu"))


def _materialize(module, initialize, device):
    """Gives memory and values to the modules of `module` that have tensors on meta: by initialize(module),
    or their reset_parameters()."""
    for inner in module.modules():
        own = [*inner.parameters(recurse=False), *inner.buffers(recurse=False)]
        if not any(tensor.device.type == "meta" for tensor in own) or hasattr(inner, "_fsdp"):
            continue
        if initialize is not None:
            initialize(inner)
        elif hasattr(inner, "reset_parameters"):
            inner.to_empty(device=device, recurse=False).reset_parameters()
        else:
            raise ValueError(
                f"FullyShardedDataParallel: {type(inner).__name__} has tensors on meta and no "
                "reset_parameters(); pass param_init_fn, which gives them memory and values"
            )


def _ignored(ignored_modules, ignored_states):
    """(modules, parameters) that stay as they are."""
    if ignored_modules is not None and ignored_states is not None:
        raise ValueError(
            "Cannot pass both ignored_modules and ignored_states at the same time. Please just pass "
            "ignored_states."
        )
    given = list(ignored_states or ())
    modules = list(ignored_modules or ())
    if given and all(isinstance(state, Module) for state in given):
        modules, given = given, []
    wrong = [type(module) for module in modules if not isinstance(module, Module)]
    if wrong:
        raise ValueError(f"ignored_modules expects nn.Module list elements but got types {wrong}")
    inner = {module for outer in modules for module in outer.modules()}
    if any(isinstance(module, FullyShardedDataParallel) for module in inner):
        raise ValueError("`ignored_modules` should not include FSDP modules")
    return inner, [*given, *(p for module in modules for p in module.parameters())]


class FullyShardedDataParallel(Module):
    """Zhao et al. 2023, arXiv:2304.11277: a module whose parameters are divided as fully_shard does it. Those
    that auto_wrap_policy chooses are wrapped as well, each a unit of its own. Parameters of the modules are
    this rank's parts, DTensors, outside of forward and backward, whatever use_orig_params says.

    state_dict() gives whole parameters on all ranks, under the names of the wrapped module, unless
    state_dict_type() says otherwise.
    """

    def __init__(
        self,
        module,
        process_group=None,
        sharding_strategy=None,
        cpu_offload=None,
        auto_wrap_policy=None,
        backward_prefetch=BackwardPrefetch.BACKWARD_PRE,
        mixed_precision=None,
        ignored_modules=None,
        param_init_fn=None,
        device_id=None,
        sync_module_states=False,
        forward_prefetch=False,
        limit_all_gathers=True,
        use_orig_params=False,
        ignored_states=None,
        device_mesh=None,
    ):
        super().__init__()
        left_modules, left = _ignored(ignored_modules, ignored_states)
        device = _device_of(module, device_id)
        options = {
            "strategy": sharding_strategy or ShardingStrategy.FULL_SHARD,
            "precision": mixed_precision or MixedPrecision(),
            "offload": cpu_offload,
        }
        mesh = _mesh_of(process_group, options["strategy"], device_mesh, device.type)
        _materialize(module, param_init_fn, device)
        if device_id is not None:
            module.to(device)
        if sync_module_states:
            with no_grad():
                tensors = [*module.parameters(), *module.buffers()]
                tensors = [t._part if isinstance(t, DTensor) else t for t in tensors]
                for group in reversed(mesh.get_all_groups()):
                    _C._distributed._broadcast_tensors(group, tensors, 0)
        if auto_wrap_policy is not None:
            self._wrap_children(module, auto_wrap_policy, mesh, left_modules, left, options)
        self._take(module, mesh, left, **options)
        self._cast_buffers(options["precision"].buffer_dtype)

    def _wrap_children(self, module, policy, mesh, left_modules, left, options):
        for name, inner in module.named_modules():
            if isinstance(inner, FullyShardedDataParallel):
                raise ValueError(
                    "FSDP auto wrapping requires modules to not already have FSDP applied but found "
                    f"{name} in\n{module}"
                )
        precise = options["precision"]._module_classes_to_ignore if options["precision"].param_dtype else ()

        def is_chosen(module, recurse, nonwrapped_numel):
            if not recurse and isinstance(module, tuple(precise)):
                return {"mixed_precision": None}
            return policy(module=module, recurse=recurse, nonwrapped_numel=nonwrapped_numel)

        def make(
            child, sharding_strategy=None, mixed_precision=options["precision"], cpu_offload=None, **rest
        ):
            own = FullyShardedDataParallel.__new__(type(self))
            Module.__init__(own)
            strategy = sharding_strategy or options["strategy"]
            exact = MixedPrecision(child.weight.dtype) if mixed_precision is None else mixed_precision
            output = options["precision"].param_dtype if mixed_precision is None else None
            place = mesh
            if (strategy is ShardingStrategy.NO_SHARD) != (options["strategy"] is ShardingStrategy.NO_SHARD):
                place = _mesh_of(mesh.get_group(0), strategy, None, mesh.device_type)
            own._take(child, place, left, strategy, exact, cpu_offload or options["offload"], output)
            return own

        wrap_chosen(module, is_chosen, make, left_modules, left)

    def _take(self, module, mesh, ignored, strategy, precision, offload, output_dtype=None):
        """Becomes the wrapper of module."""
        if precision.keep_low_precision_grads:
            raise _C.NotImplementedError(
                "FullyShardedDataParallel: keep_low_precision_grads is not supported; gradients are of the "
                "parameters' dtype"
            )
        self._fsdp_wrapped_module, self.sharding_strategy = module, strategy
        self.process_group, self.mixed_precision = mesh.get_group(mesh.ndim - 1), precision
        self._settings, self._shows_whole = StateDictSettings(), False
        casts = precision.cast_forward_inputs or output_dtype is not None
        policy = MixedPrecisionPolicy(precision.param_dtype, precision.reduce_dtype, output_dtype, casts)
        policy_of_place = CPUOffloadPolicy() if getattr(offload, "offload_params", False) else None
        self._state = shard_modules(
            [module], mesh, strategy not in _KEEPING, None, policy, policy_of_place, ignored
        )
        self.register_load_state_dict_pre_hook(_with_prefix)
        self.register_load_state_dict_post_hook(_without_prefix)

    def _cast_buffers(self, dtype):
        self._buffer_dtypes = {}
        for name, buffer in self.module.named_buffers() if dtype is not None else ():
            if buffer.is_floating_point():
                self._buffer_dtypes[name.replace(_PREFIX, "")] = buffer.dtype
                buffer.data = buffer.to(dtype)

    @property
    def module(self):
        """The module that is wrapped."""
        return self._fsdp_wrapped_module

    def forward(self, *args, **kwargs):
        """What the wrapped module gives."""
        dtype = self.mixed_precision.param_dtype
        if dtype is not None and self.mixed_precision.cast_root_forward_inputs and self.check_is_root():
            args, kwargs = cast_inputs(args, dtype), cast_inputs(kwargs, dtype)
        return self._fsdp_wrapped_module(*args, **kwargs)

    def check_is_root(self):
        """Whether no other of these modules is around this one; asked of one that was in no forward yet, it
        becomes the outermost."""
        self._state.take_root(self.module)
        return self._state.is_outermost

    def __getattr__(self, name):
        """What the wrapper lacks is the wrapped module's."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name in ("_fsdp", _PREFIX[:-1]):  # what is sharded is the module, once
                raise
            return getattr(super().__getattr__(_PREFIX[:-1]), name)

    def __getitem__(self, key):
        return self.module[key]

    def _only_root(self, call, message):
        if not self.check_is_root():
            raise RuntimeError(f"`{call}()` {message}")

    @staticmethod
    def fsdp_modules(module, root_only=False):
        """The wrappers in module; with root_only those that are in no other."""
        found = [m for m in module.modules() if isinstance(m, FullyShardedDataParallel)]
        return [m for m in found if m.check_is_root()] if root_only else found

    def named_parameters(self, *args, **kwargs):
        """Parameters with their paths; those of the wrapped modules within summon_full_params()."""
        if self._state.root is not None:
            self._state.root.runs_backward()
        for name, parameter in super().named_parameters(*args, **kwargs):
            yield name.replace(_PREFIX, "") if self._shows_whole else name, parameter

    def named_buffers(self, *args, **kwargs):
        """Buffers with their paths; those of the wrapped modules within summon_full_params()."""
        for name, buffer in super().named_buffers(*args, **kwargs):
            yield name.replace(_PREFIX, "") if self._shows_whole else name, buffer

    def _apply(self, *args, **kwargs):
        self._state.release()
        return super()._apply(*args, **kwargs)

    def apply(self, fn):
        """fn of every module, children first, which has its parameters whole then."""
        with self.summon_full_params(self, recurse=False):
            return super().apply(fn)

    @contextmanager
    def no_sync(self):
        """Within it, backward only accumulates whole gradients in this process."""
        self._only_root(
            "no_sync",
            "on inner FSDP instances is not supported. Please call `no_sync()` on root FSDP module.",
        )
        units = [unit for state in states_of(self) for unit in state.units]
        for unit in units:
            unit.requires_sync = False
        try:
            yield
        finally:
            for unit in units:
                unit.requires_sync = True

    def clip_grad_norm_(self, max_norm, norm_type=2.0):
        """Scales the gradients so that their norm over all ranks is at most max_norm; returns the norm."""
        from taper.nn.utils import clip_grad_norm_

        self._only_root("clip_grad_norm_", "should only be called on the root FSDP instance")
        return clip_grad_norm_(self.parameters(), max_norm, norm_type)

    @staticmethod
    @contextmanager
    def summon_full_params(
        module, recurse=True, writeback=True, rank0_only=False, offload_to_cpu=False, with_grads=False
    ):
        """Within it the modules have whole parameters, in the dtype of computation; what is written to them
        is kept if writeback says so, of their gradients, which are there if with_grads says so, as well. With
        rank0_only rank 0 alone has them. They stay on the device of the computation."""
        if writeback and rank0_only:
            raise NotImplementedError("writeback=True and rank0_only=True is not supported yet")
        wrappers = FullyShardedDataParallel.fsdp_modules(module)
        wrappers = wrappers if recurse else [m for m in wrappers if m is module]
        with whole_parameters([m._state for m in wrappers], writeback, rank0_only, with_grads):
            for wrapper in wrappers:
                wrapper._shows_whole = True
            try:
                yield
            finally:
                for wrapper in wrappers:
                    wrapper._shows_whole = False

    @staticmethod
    def set_state_dict_type(module, state_dict_type, state_dict_config=None, optim_state_dict_config=None):
        """What state dictionaries of module and of its optimizer are from now on; returns what they were."""
        kinds, configs = CONFIGS[state_dict_type], [state_dict_config, optim_state_dict_config]
        for place, name in enumerate(("state_dict_config", "optim_state_dict_config")):
            configs[place] = kinds[place]() if configs[place] is None else configs[place]
            if type(configs[place]) is not kinds[place]:
                raise RuntimeError(f"Expected {name} of type {kinds[place]} but got {type(configs[place])}")
        before = FullyShardedDataParallel.get_state_dict_type(module)
        for wrapper in FullyShardedDataParallel.fsdp_modules(module):
            wrapper._settings = StateDictSettings(state_dict_type, *configs)
        return before

    @staticmethod
    def get_state_dict_type(module):
        """What state dictionaries of module and of its optimizer are now."""
        found = [m._settings for m in FullyShardedDataParallel.fsdp_modules(module)]
        if any(settings != found[0] for settings in found):
            raise AssertionError("All FSDP module must have the same state dict settings.")
        return found[0] if found else StateDictSettings()

    @staticmethod
    @contextmanager
    def state_dict_type(module, state_dict_type, state_dict_config=None, optim_state_dict_config=None):
        """What state dictionaries of module and of its optimizer are within it."""
        before = FullyShardedDataParallel.set_state_dict_type(
            module, state_dict_type, state_dict_config, optim_state_dict_config
        )
        try:
            yield
        finally:
            FullyShardedDataParallel.set_state_dict_type(
                module, before.state_dict_type, before.state_dict_config, before.optim_state_dict_config
            )

    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        """Whole parameters, or this rank's parts: see state_dict_type()."""
        if args:
            destination = args[0]
            prefix = args[1] if len(args) > 1 else prefix
        before = set(destination or ())
        state = self.module.state_dict(destination=destination, prefix=prefix)
        whole = self._settings.state_dict_type is StateDictType.FULL_STATE_DICT
        leaves = whole and self._settings.state_dict_config.rank0_only and _resolve(None).rank() != 0
        for name in [name for name in state if name not in before]:
            value = state[name]
            if not isinstance(value, _C.Tensor):
                continue
            if whole and isinstance(value, DTensor):
                value = value.full_tensor()
            if self._settings.state_dict_config.offload_to_cpu:
                value = value._like(value._part.cpu()) if isinstance(value, DTensor) else value.cpu()
            own_dtype = getattr(self, "_buffer_dtypes", {}).get(name[len(prefix) :])
            state[name] = value if own_dtype is None else value.to(own_dtype)
            if leaves:
                del state[name]
        return state

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Takes whole parameters or this rank's parts, under the names of the wrapped module."""
        return self.module.load_state_dict(state_dict, strict, assign)

    optim_state_dict = staticmethod(optimizer_state.optim_state_dict)
    optim_state_dict_to_load = staticmethod(optimizer_state.optim_state_dict_to_load)
    full_optim_state_dict = staticmethod(optimizer_state.full_optim_state_dict)
    sharded_optim_state_dict = staticmethod(optimizer_state.sharded_optim_state_dict)
    shard_full_optim_state_dict = staticmethod(optimizer_state.shard_full_optim_state_dict)
    flatten_sharded_optim_state_dict = staticmethod(optimizer_state.shard_full_optim_state_dict)
    scatter_full_optim_state_dict = staticmethod(optimizer_state.scatter_full_optim_state_dict)
    rekey_optim_state_dict = staticmethod(optimizer_state.rekey_optim_state_dict)


def _with_prefix(module, state_dict, prefix, *rest):
    if not any(key.startswith(prefix + _PREFIX) for key in state_dict):
        rename_keys(state_dict, prefix, prefix + _PREFIX)


def _without_prefix(module, keys):
    for names in (keys.missing_keys, keys.unexpected_keys):
        names[:] = [name.replace(_PREFIX, "") for name in names]
