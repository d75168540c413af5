"""DistributedDataParallel: one module trained by all processes of a group."""

import inspect
import time
import warnings
from contextlib import contextmanager
from enum import Enum
from types import SimpleNamespace

from .. import _C
from .mixed_precision import call_cast, cast_buffers
from .module import Module
from .reduction_log import ReductionLog


def _group_of(process_group):
    from ..distributed.job import _resolve

    group = _resolve(process_group)
    if group is None:
        raise ValueError("this process is not in the given process group")
    return group


def _tensors_in(value):
    if isinstance(value, _C.Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif hasattr(value, "__dataclass_fields__"):
        value = [getattr(value, name) for name in value.__dataclass_fields__]
    elif not isinstance(value, (list, tuple, set)):
        return []
    return [tensor for item in value for tensor in _tensors_in(item)]


def _group_given(process_group, device_mesh):
    if device_mesh is None:
        return process_group
    if process_group is not None:
        raise RuntimeError("Cannot specify both process_group and device_mesh arguments.")
    if device_mesh.ndim != 1:
        raise RuntimeError(f"Only 1D device mesh is supported, but got {device_mesh}.")
    return device_mesh.get_group()


class _BufferCommHookLocation(Enum):
    PRE_FORWARD = 1
    POST_FORWARD = 2


class DistributedDataParallel(Module):
    """Trains a module in all processes of a group together: Li et al. 2020, arXiv:2006.15704.

    Parameters and buffers start as rank 0's. Forward is the module's own; backward leaves in every `.grad`
    the average over the processes, equal to training in one process on the joined batch (where the loss is a
    mean and all batches have one size). Gradients are reduced in buckets, in the order in which backward
    makes them, while it goes on.

    bucket_cap_mb            size of a bucket in MiB; unless given a tenth of the gradients, from 1 to 25, so
                             that most of the reduction has begun when backward ends
    bucket_cap_mb_list       sizes of the first bucket, the second, ...; the last holds for all further
    find_unused_parameters   looks through each graph for parameters that get no gradient: none is waited for,
                             nor are those that only outputs depend on which the loss leaves out
    skip_all_reduce_unused_params
                             with find_unused_parameters: buckets that no process uses are not reduced
    gradient_as_bucket_view  gradients live in the buckets: no copies, and no memory beside them
    static_graph             as find_unused_parameters, and refuses passes that use others than the first did
    broadcast_buffers        buffers become rank 0's before each pass that follows one whose gradients were
                             reduced (so the first one of an evaluation, too); False: not at the start either
    forward_sync_buffers     as broadcast_buffers, but at the start they become rank 0's always
    init_sync                False: parameters and buffers are taken to be equal on all ranks
    device_mesh              instead of process_group: a mesh of one dimension
    mixed_precision          a MixedPrecision: dtypes to compute and to average in
    delay_all_reduce_named_params, param_to_hook_all_reduce
                             parameters with their names, whose gradients are averaged at the end of backward
                             passes that reach the second

    device_ids and output_device are accepted for PyTorch's sake; they must be empty on the CPU.
    batched_grad_copy, lazy_bucket_allocation and check_reduction, which change no result, are accepted.
    """

    def __init__(
        self,
        module,
        device_ids=None,
        output_device=None,
        dim=0,
        broadcast_buffers=None,
        init_sync=True,
        process_group=None,
        bucket_cap_mb=None,
        find_unused_parameters=False,
        check_reduction=False,
        gradient_as_bucket_view=False,
        static_graph=False,
        delay_all_reduce_named_params=None,
        param_to_hook_all_reduce=None,
        mixed_precision=None,
        device_mesh=None,
        skip_all_reduce_unused_params=False,
        batched_grad_copy=False,
        forward_sync_buffers=None,
        lazy_bucket_allocation=False,
        bucket_cap_mb_list=None,
    ):
        from ..distributed.utils import _sync_module_states, _verify_param_shape_across_processes

        super().__init__()
        if (delay_all_reduce_named_params is None) != (param_to_hook_all_reduce is None):
            raise ValueError(
                "delay_all_reduce_named_params and param_to_hook_all_reduce need to be set at the same time."
            )
        if device_ids or output_device is not None:
            raise ValueError(
                "DistributedDataParallel device_ids and output_device arguments only work with single-device "
                f"GPU modules, but got device_ids {device_ids}, output_device {output_device}"
            )
        if broadcast_buffers is not None:
            warnings.warn(
                "`broadcast_buffers` is deprecated; use `forward_sync_buffers`, which sends buffers at the "
                "start also where it is False",
                FutureWarning,
                stacklevel=2,
            )
        self.process_group = _group_of(_group_given(process_group, device_mesh))
        self.device_mesh = device_mesh
        delayed = dict(delay_all_reduce_named_params or ())
        self.parameters_to_ignore = {*getattr(module, "_ddp_params_and_buffers_to_ignore", ()), *delayed}
        self.module, self.dim, self._join = module, dim, None
        trained = self._trained()
        if not trained and not delayed:
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameter that "
                "requires a gradient."
            )
        self.device_ids, self.output_device = None, None
        self.device = next(iter([*trained.values(), *delayed.values()])).device
        self.device_type, self.mixed_precision = self.device.type, mixed_precision
        # What programs hand to _sync_module_states and the like, which send all at once.
        self.broadcast_bucket_size = 250 * 1024 * 1024
        starts_equal = broadcast_buffers is not False or forward_sync_buffers is not None
        self.forward_sync_buffers = forward_sync_buffers if forward_sync_buffers is not None else starts_equal
        self.require_backward_grad_sync = self.require_forward_param_sync = True
        self.find_unused_parameters, self.static_graph = find_unused_parameters, static_graph
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.skip_all_reduce_unused_params = skip_all_reduce_unused_params
        self._bucket_caps_mb = list(bucket_cap_mb_list or ([bucket_cap_mb] if bucket_cap_mb else []))
        self.bucket_bytes_cap = int(max(self._bucket_caps_mb, default=25) * 1024 * 1024)
        self.bucket_bytes_cap_list = [int(cap * 1024 * 1024) for cap in bucket_cap_mb_list or ()]
        self._passes, self._forward_begin, self._lazy_init_ran = 0, 0, False
        self._buffer_hook, self._hook = None, None
        if init_sync:
            _verify_param_shape_across_processes(self.process_group, list(trained.values()))
            _sync_module_states(
                module, self.process_group, None, 0, self.parameters_to_ignore, broadcast_buffers=starts_equal
            )
        self._make_reducer()
        self.logger = ReductionLog(self)
        if mixed_precision is not None:
            self._mix_precision()
        if delayed:
            self._delay(list(delayed.values()), param_to_hook_all_reduce)

    def _trained(self):
        """By name: the parameters whose gradients are reduced."""
        return {
            name: parameter
            for name, parameter in self.module.named_parameters()
            if parameter.requires_grad and name not in self.parameters_to_ignore
        }

    def _buffers_to_send(self):
        """By name; modules may replace their buffers."""
        ignored = self.parameters_to_ignore
        return {name: b for name, b in self.module.named_buffers() if name not in ignored}

    @property
    def broadcast_buffers(self):
        """forward_sync_buffers, by its older name."""
        return self.forward_sync_buffers

    @broadcast_buffers.setter
    def broadcast_buffers(self, value):
        self.forward_sync_buffers = value

    def _delay(self, parameters, last):
        from ..distributed import ReduceOp

        def reduce():
            gradients = [p.grad for p in parameters if p.grad is not None]
            works = [self.process_group._all_reduce(dx, ReduceOp.AVG, True) for dx in gradients]
            for work in works:
                work.wait()

        def begin(_):
            # Which gradients are there by now depends on the order of the graph; at the end all are.
            if self.require_backward_grad_sync:
                _C._queue_callback(reduce)

        last.register_post_accumulate_grad_hook(begin)

    def _make_reducer(self):
        trained = self._trained()
        self.reducer = None
        if not trained:
            return
        self.reducer = _C._distributed.GradientReducer(
            list(trained.values()),
            self.process_group,
            self._bucket_caps_mb,
            self.find_unused_parameters,
            self.gradient_as_bucket_view,
            self.static_graph,
            self.skip_all_reduce_unused_params,
        )
        self.reducer.set_names(list(trained))

        if self._hook is not None:
            self.reducer.set_hook(self._hook)

    def _mix_precision(self):
        from ..distributed.algorithms.ddp_comm_hooks.default_hooks import compress_hook

        given = self.mixed_precision
        if given.buffer_dtype is not None:
            cast_buffers(self.module, given.buffer_dtype, self.parameters_to_ignore)
        reduced_in = given.reduce_dtype or given.param_dtype
        if reduced_in is not None and self.reducer is not None:
            self.register_comm_hook(self.process_group, compress_hook(reduced_in))

    def _compute(self, inputs, kwargs):
        dtype = self.mixed_precision and self.mixed_precision.param_dtype
        if dtype is None:
            return self.module(*inputs, **kwargs)
        return call_cast(self.module, dtype, self.parameters_to_ignore, inputs, kwargs)

    def __getstate__(self):
        if self.process_group is not _C._distributed._default_group():
            raise RuntimeError(
                "DDP Pickling/Unpickling are only supported when using DDP with the default process group"
            )
        left_out = ("process_group", "reducer", "_hook", "logger")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state):
        super().__setstate__(state)
        self.process_group, self._hook = _C._distributed._default_group(), None
        self._make_reducer()
        self.logger = ReductionLog(self)

    def forward(self, *inputs, **kwargs):
        """What the wrapped module gives."""
        self.begin_pass()
        return self.end_pass(self._compute(inputs, kwargs))

    def begin_pass(self):
        """Before the module's forward."""
        reduces = _C.is_grad_enabled() and self.require_backward_grad_sync
        divisor = None
        if self._join is not None and _C.is_grad_enabled():
            divisor = self._join.notify_join_context(self)
        if not self._lazy_init_ran:
            self._step_in_backward()
        if reduces:
            self._note_pass()
        syncs = self.require_forward_param_sync and self.forward_sync_buffers
        if syncs:
            self._sync_buffers(_BufferCommHookLocation.PRE_FORWARD)
        self._pass = reduces, syncs, divisor

    def end_pass(self, output):
        """After the module's forward, which gave output."""
        reduces, syncs, divisor = self._pass
        if syncs:
            self._sync_buffers(_BufferCommHookLocation.POST_FORWARD)
        self.require_forward_param_sync = reduces
        if divisor is not None:
            # Gradients are divided by the number of all processes.
            scale = self.process_group.size() / divisor
            for tensor in _tensors_in(output):
                if tensor.requires_grad:
                    tensor.register_hook(lambda gradient: gradient * scale)
        if self.reducer is None:
            return output
        if reduces:
            self.reducer.prepare_for_backward(
                _tensors_in(output) if self.find_unused_parameters or self.static_graph else []
            )
        elif _C.is_grad_enabled():
            self.reducer.skip()
        return output

    def _step_in_backward(self):
        """Optimizers of _apply_optimizer_in_backward take their steps after the reduction, not before."""
        from ..distributed.algorithms.ddp_comm_hooks import default_hooks, optimizer_overlap_hooks

        self._lazy_init_ran = True
        chosen = [p for p in self._trained().values() if getattr(p, "_in_backward_optimizers", ())]
        for parameter in chosen:
            for hook in parameter._in_backward_hooks:
                hook.remove()
        if chosen:
            hook = optimizer_overlap_hooks._apply_optim_in_backward_hook(default_hooks.allreduce_hook)
            self.register_comm_hook(self.process_group, hook)

    def _note_pass(self):
        if self.reducer is not None and self.logger.wants(self._passes):
            self.logger.sample(self.reducer.report(), self._forward_begin)
        self._passes += 1
        self._forward_begin = time.monotonic_ns()

    def _sync_buffers(self, place):
        """Buffers become rank 0's before forward, or what the hook of this place makes of them."""
        state, hook, where = self._buffer_hook or (None, None, _BufferCommHookLocation.PRE_FORWARD)
        buffers = self._buffers_to_send() if place is where else None
        if not buffers:
            return
        if hook is None:
            _C._distributed._broadcast_tensors(self.process_group, list(buffers.values()), 0)
            return
        for future in hook(state, buffers) or ():
            future.wait()

    def _register_buffer_comm_hook(
        self, state, hook, comm_hook_location=_BufferCommHookLocation.POST_FORWARD
    ):
        """Instead of sending rank 0's buffers, hook(state, buffers by name) makes them equal, and returns
        None or a list of futures to wait for."""
        self._buffer_hook = state, hook, comm_hook_location

    @contextmanager
    def no_sync(self):
        """Within it, backward only accumulates gradients in this process; the next one outside reduces
        all."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    @contextmanager
    def join(self, divide_by_initial_world_size=True, enable=True, throw_on_early_termination=False):
        """Within it, processes may have different numbers of batches: see
        taper.distributed.algorithms.join.Join. At its end all have the same model."""
        from ..distributed.algorithms.join import Join

        options = {"divide_by_initial_world_size": divide_by_initial_world_size}
        self._join_config = SimpleNamespace(
            enable=enable, throw_on_early_termination=throw_on_early_termination, **options
        )
        self.logger.entries["join_uneven_inputs"] = int(enable)
        with Join([self], enable, throw_on_early_termination, **options):
            yield

    def join_hook(self, **kwargs):
        """What a process without data does: see taper.distributed.algorithms.join.Join."""
        from ..distributed.algorithms.join import DataParallelJoinHook

        return DataParallelJoinHook(self)

    @property
    def join_device(self):
        """Where the parameters are."""
        return self.device

    @property
    def join_process_group(self):
        """The group of this module's collectives."""
        from ..distributed.algorithms.join import Join

        # From now on forward asks whether it is within a Join.
        self._join = Join
        return self.process_group

    def register_comm_hook(self, state, hook):
        """Reduces by hook(state, bucket), which returns a taper.futures.Future of the averaged bucket: see
        taper.distributed.algorithms.ddp_comm_hooks.default_hooks."""
        from ..distributed import GradBucket
        from ..futures import Future

        self._check_hook(hook)
        self.logger.entries["comm_hook"] = getattr(hook, "__qualname__", type(hook).__qualname__)

        def begin(*fields):
            future = hook(state, GradBucket(*fields))
            if not isinstance(future, Future):
                self._refuse(
                    RuntimeError,
                    "Communication hook: callback must return a torch.futures.Future object, but got "
                    f"{type(future)}",
                )

            def finish():
                result = future.wait()
                return result[0] if isinstance(result, (list, tuple)) else result

            return finish

        self._hook = begin
        self.reducer.set_hook(begin)

    def _register_fused_optim(self, optim, *args, optim_params=None, **kwargs):
        """After the reduction of a bucket an optimizer of this class, made with the further arguments, takes
        a step for each of its parameters (of optim_params only, where they are given)."""
        from ..distributed.algorithms.ddp_comm_hooks import default_hooks, optimizer_overlap_hooks

        steps = optimizer_overlap_hooks._StepEach(optim, *args, **kwargs)
        state = optimizer_overlap_hooks._OptimizerHookState(steps, optim_params)
        hook = optimizer_overlap_hooks._hook_then_optimizer(default_hooks.allreduce_hook, state)
        self.register_comm_hook(self.process_group, hook)

    def _check_hook(self, hook):
        from ..distributed import GradBucket
        from ..futures import Future

        if not callable(hook):
            self._refuse(TypeError, "Communication hook must be callable.")
        if self._hook is not None:
            self._refuse(
                RuntimeError, "register_comm_hook or register_builtin_comm_hook can only be called once."
            )
        try:
            signature = inspect.signature(hook)
        except (TypeError, ValueError):
            return
        bucket = signature.parameters.get("bucket")
        if bucket is not None and bucket.annotation not in (bucket.empty, GradBucket, "GradBucket"):
            self._refuse(ValueError, "Communication hook: bucket annotation should be dist.GradBucket.")
        if signature.return_annotation not in (signature.empty, Future, Future[_C.Tensor]):
            self._refuse(
                ValueError,
                "Communication hook: return annotation should be torch.futures.Future[torch.Tensor].",
            )

    def _refuse(self, error, text):
        self.logger.note_error(text)
        raise error(text)

    def _get_ddp_logging_data(self):
        """Facts and figures of this model's reductions, by PyTorch's names: sizes of buckets, times of the
        first ten passes and of every hundredth, the last error."""
        if self.reducer is not None:
            report = self.reducer.report()
            if report["rebuilt"]:
                self.logger.note_rebuilt(report, list(self._trained().values()))
            if report["error"]:
                self.logger.note_error(report["error"])
        return dict(self.logger.entries)

    def _set_ddp_runtime_logging_sample_rate(self, sample_rate):
        """Of how many passes after the first ten one is looked at."""
        if sample_rate < 1:
            self._refuse(ValueError, "DDP runtime logging sample rate should be equal or greater than 1")
        self.logger.sample_rate = sample_rate

    def _set_static_graph(self):
        """static_graph=True, after the fact: before the first forward pass and register_comm_hook()."""
        if self._passes:
            self._refuse(RuntimeError, "_set_static_graph() should be called before training loop starts")
        self.static_graph = True
        self.logger.entries["static_graph"] = 1
        self._make_reducer()

    def _update_process_group(self, new_process_group):
        """Reduces in this group from now on; all its processes call it, between iterations."""
        self.process_group = _group_of(new_process_group)
        self._make_reducer()

    def _remove_autograd_hooks(self):
        """Leaves the module alone from now on: gradients are no longer reduced."""
        self.reducer = None

    def _check_reducer_finalized(self):
        """Raises where the last backward pass left gradients out of the reduction."""
        if self.reducer is not None:
            self.reducer.check_finished()

    def _build_params_for_reducer(self):
        """(the parameters whose gradients are reduced, whether each may have sparse ones: none here)."""
        trained = list(self._trained().values())
        return trained, [False] * len(trained)

    def _build_debug_param_to_name_mapping(self, parameters):
        """The names of these parameters, which must be all whose gradients are reduced, by their places."""
        places = {parameter: place for place, parameter in enumerate(parameters)}
        names = {}
        for name, parameter in self._trained().items():
            if parameter not in places:
                self._refuse(ValueError, f"Param with name {name} found in module parameters, but not given.")
            names[places[parameter]] = name
        if len(names) != len(places):
            self._refuse(
                ValueError,
                f"Expected param to name mapping to cover all parameters, but got {len(places)} parameters "
                f"and {len(names)} names.",
            )
        return names

    def _set_ddp_sink_clone(self, val):
        """Whether outputs may be copies, for PyTorch's sake: here they never are."""

    def _distributed_broadcast_coalesced(self, tensors, buffer_size=None, authoritative_rank=0):
        """The tensors become those of this rank of the group."""
        _C._distributed._broadcast_tensors(self.process_group, list(tensors), authoritative_rank)

    def _default_broadcast_coalesced(self, bufs=None, bucket_size=None, authoritative_rank=0):
        """The tensors, the module's buffers unless given, become those of this rank of the group."""
        bufs = list(self._buffers_to_send().values()) if bufs is None else bufs
        self._distributed_broadcast_coalesced(bufs, bucket_size, authoritative_rank)

    @staticmethod
    def _get_data_parallel_params(module, named_params=False):
        """The parameters that DistributedDataParallel does not leave alone."""
        inner = module.module if isinstance(module, DistributedDataParallel) else module
        ignored = getattr(inner, "_ddp_params_and_buffers_to_ignore", ())
        for name, parameter in inner.named_parameters():
            if name not in ignored:
                yield (name, parameter) if named_params else parameter

    @staticmethod
    def _set_params_and_buffers_to_ignore_for_model(module, params_and_buffers_to_ignore):
        """Names of parameters and buffers of the module that are to stay each process's own."""
        module._ddp_params_and_buffers_to_ignore = params_and_buffers_to_ignore

    def _register_builtin_comm_hook(self, comm_hook_type):
        """The hook of this dist.BuiltinCommHookType: ALLREDUCE or FP16_COMPRESS."""
        from ..distributed.algorithms.ddp_comm_hooks import default_hooks

        name = getattr(comm_hook_type, "name", str(comm_hook_type)).lower()
        hooks = {"allreduce": "allreduce_hook", "fp16_compress": "fp16_compress_hook"}
        if name not in hooks:
            raise ValueError(f"DistributedDataParallel: there is no hook {name!r}, only {sorted(hooks)}")
        self.register_comm_hook(self.process_group, getattr(default_hooks, hooks[name]))
        self.logger.entries["comm_hook"] = str(comm_hook_type)


__all__ = ["DistributedDataParallel"]
