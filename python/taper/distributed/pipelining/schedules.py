"""Schedules: in which order the ranks of a pipeline compute the parts of a batch."""

import csv

from taper import _C
from taper._grad_mode import no_grad
from taper.utils._pytree import tree_leaves

from . import orders
from .microbatch import TensorChunkSpec, merge_chunks, split, split_args_kwargs_into_chunks
from .orders import BACKWARD, BACKWARD_WEIGHT, FORWARD, Action


def _shapes(value):
    return tuple(tuple(leaf.shape) for leaf in tree_leaves(value) if isinstance(leaf, _C.Tensor))


class _PipelineSchedule:
    """Runs batches through the stages of all ranks of a group.

    stages             the stages of this rank, in order
    n_microbatches     into how many parts a batch is cut, along the first dimension; they may differ in size
    loss_fn            loss_fn(output, target) of a part; the loss of the batch is the mean of the parts'
    args_chunk_spec, kwargs_chunk_spec
                       TensorChunkSpecs by argument, for those that are cut along another dimension
    output_merge_spec  along which dimensions the outputs of the parts are joined
    scale_grads        False: gradients are those of the sum of the losses

    pipeline_order has the actions of each rank.
    """

    def __init__(self, stages, n_microbatches, loss_fn=None, args_chunk_spec=None, kwargs_chunk_spec=None,
                 output_merge_spec=None, scale_grads=True):  # fmt: skip
        if n_microbatches < 1:
            raise ValueError(f"pipelining: n_microbatches is {n_microbatches}, expected at least 1")
        self._stages, self._n_microbatches, self._loss_fn = list(stages), n_microbatches, loss_fn
        self._num_stages, self.pp_group_size = stages[0].num_stages, stages[0].group_size
        self.rank, self.scale_grads = stages[0].group_rank, scale_grads
        self._args_spec, self._kwargs_spec = args_chunk_spec, kwargs_chunk_spec
        self._merge_spec = output_merge_spec
        self._set_order({rank: self._row(rank) for rank in range(self.pp_group_size)})

    def _row(self, rank):
        """The actions of a rank."""
        raise NotImplementedError

    def _set_order(self, table):
        self.pipeline_order = table
        self.stage_index_to_group_rank = orders.ranks_of_stages(table, self._num_stages, self._n_microbatches)
        wanted = {stage for stage, rank in self.stage_index_to_group_rank.items() if rank == self.rank}
        own = sorted(stage.stage_index for stage in self._stages)
        if own != sorted(wanted):
            raise ValueError(
                f"{type(self).__name__}: rank {self.rank} is to have the stages {sorted(wanted)} of "
                f"{self._num_stages}, got {own}"
            )
        self._actions = orders.merged(table[self.rank])

    def step(self, *args, target=None, losses=None, return_outputs=True, loss_kwargs=None, arg_mbs=None,
             kwarg_mbs=None, target_mbs=None, **kwargs):  # fmt: skip
        """Forward and backward of a batch: args where the first stage is, target where the last one is,
        whose rank gets the output. losses: a list, which becomes that of the losses of the parts where the
        last stage is. Instead of args, kwargs and target, which are cut, arg_mbs, kwarg_mbs and target_mbs
        are lists of a tuple, a dictionary and a target for each part. Without loss_fn forward only. Raises
        RuntimeError where gradients are switched off: eval() is for that."""
        if self._loss_fn is not None and not _C.is_grad_enabled():
            raise RuntimeError(f"{type(self).__name__}.step: gradients are switched off here; use eval()")
        cut = self._cut(args, kwargs, target, arg_mbs, kwarg_mbs, target_mbs)
        return self._run(self._loss_fn is not None, cut, losses, return_outputs, loss_kwargs)

    @no_grad()
    def eval(self, *args, target=None, losses=None, arg_mbs=None, kwarg_mbs=None, target_mbs=None, **kwargs):
        """As step(), forward only and without a graph. Losses are computed where there is a target."""
        cut = self._cut(args, kwargs, target, arg_mbs, kwarg_mbs, target_mbs)
        return self._run(False, cut, losses, True, None)

    def _cut(self, args, kwargs, target, arg_mbs, kwarg_mbs, target_mbs):
        """Of each part the positional and named arguments, and the target."""
        parts = self._n_microbatches
        if arg_mbs is None and kwarg_mbs is None and target_mbs is None:
            targets = [None] * parts if target is None else split(target, parts, TensorChunkSpec(0))
            specs = self._args_spec, self._kwargs_spec
            return *split_args_kwargs_into_chunks(args, kwargs, parts, *specs), targets
        if args or kwargs or target is not None:
            raise ValueError(
                f"{type(self).__name__}: beside arg_mbs, kwarg_mbs or target_mbs no whole batch is taken"
            )
        cut = (arg_mbs or [()] * parts, kwarg_mbs or [{}] * parts, target_mbs or [None] * parts)
        for name, given in zip(("arg_mbs", "kwarg_mbs", "target_mbs"), cut):
            if not isinstance(given, list):
                raise TypeError(f"{name} must be a list but got a {type(given)}")
            if len(given) != parts:
                raise ValueError(f"Expecting {parts} {name} but got {len(given)}")
        return cut

    def _run(self, trains, cut, losses, return_outputs, loss_kwargs):
        args, kwargs, targets = cut
        stages = {stage.stage_index: stage for stage in self._stages}
        scale = 1.0 / self._n_microbatches if self.scale_grads else 1.0
        alike = len({_shapes((args[part], kwargs[part])) for part in range(self._n_microbatches)}) == 1
        actions = [a for a in self._actions if trains or a.computation_type == FORWARD]
        outputs, found = {}, {}
        for stage in self._stages:
            stage.begin(self._n_microbatches, self.stage_index_to_group_rank, stages, trains)
        for action, following in zip(actions, [*actions[1:], None]):
            stage, part = stages[action.stage_index], action.microbatch_index
            if following is not None and following.computation_type != BACKWARD_WEIGHT:
                is_forward = following.computation_type == FORWARD
                stages[following.stage_index].expect(following.microbatch_index, is_forward)
            if action.computation_type == FORWARD:
                output = stage.forward(part, args[part], kwargs[part], alike)
                if stage.is_last:
                    outputs[part] = output
                    if self._loss_fn is not None and (trains or targets[part] is not None):
                        found[part] = self._loss_fn(output, targets[part], **(loss_kwargs or {}))
            elif action.computation_type == BACKWARD_WEIGHT:
                stage.backward_weight(part)
            else:
                run = stage.backward if action.computation_type == BACKWARD else stage.backward_input
                run(part, found[part] if stage.is_last else None, scale)
        for stage in self._stages:
            stage.end()
        if losses is not None and found:
            losses[:] = (found[part] for part in sorted(found))
        if not outputs or not return_outputs:
            return None
        return merge_chunks([outputs[part] for part in sorted(outputs)], self._merge_spec)


class PipelineScheduleSingle(_PipelineSchedule):
    """A schedule of one stage in each rank."""

    def __init__(self, stage, n_microbatches, loss_fn=None, args_chunk_spec=None, kwargs_chunk_spec=None,
                 output_merge_spec=None, scale_grads=True):  # fmt: skip
        self._stage = stage
        specs = args_chunk_spec, kwargs_chunk_spec, output_merge_spec
        super().__init__([stage], n_microbatches, loss_fn, *specs, scale_grads)


class PipelineScheduleMulti(_PipelineSchedule):
    """A schedule of several stages in each rank."""

    def __init__(self, stages, n_microbatches, loss_fn=None, args_chunk_spec=None, kwargs_chunk_spec=None,
                 output_merge_spec=None, scale_grads=True):  # fmt: skip
        self._chunks = len(stages)
        specs = args_chunk_spec, kwargs_chunk_spec, output_merge_spec
        super().__init__(stages, n_microbatches, loss_fn, *specs, scale_grads)

    def _dump_csv(self, filename):
        """Writes the order, a line for each rank."""
        with open(filename, "w", newline="") as file:
            csv.writer(file).writerows(row for _, row in sorted(self.pipeline_order.items()))

    def _load_csv(self, filename, format="compute_only"):
        """Takes the order that _dump_csv, or PyTorch's, wrote."""
        if format != "compute_only":
            raise _C.NotImplementedError(f"_load_csv: format {format!r}; what is sent is found by itself")
        with open(filename, newline="") as file:
            rows = [[Action.from_str(text) for text in row] for row in csv.reader(file)]
        self._set_order({rank: [a for a in row if a is not None] for rank, row in enumerate(rows)})


class ScheduleGPipe(PipelineScheduleSingle):
    """All forward, then all backward: Huang et al. 2019, arXiv:1811.06965."""

    def _row(self, rank):
        return orders.gpipe(rank, self._n_microbatches)


class Schedule1F1B(PipelineScheduleSingle):
    """As few forward as fill the pipeline, then one backward after each: Narayanan et al. 2019,
    arXiv:1806.03377. A rank holds the activations of at most as many parts as there are stages from it on."""

    def _row(self, rank):
        return orders.one_forward_one_backward(rank, self.pp_group_size, self._n_microbatches)


class ScheduleLoopedBFS(PipelineScheduleMulti):
    """Several stages in each rank, all parts through one after the other: Lamy-Poirier 2022,
    arXiv:2211.05953."""

    def _row(self, rank):
        return orders.breadth_first(rank, self.pp_group_size, self._chunks, self._n_microbatches)


class ScheduleInterleaved1F1B(PipelineScheduleMulti):
    """1F1B with several stages in each rank, so that the pipeline fills sooner: Narayanan et al. 2021,
    arXiv:2104.04473, section 2.2. n_microbatches must be a multiple of the number of rounds, n_microbatches
    // ranks."""

    _divides_backward = False

    def _row(self, rank):
        parts, ranks = self._n_microbatches, self.pp_group_size
        rounds = max(1, parts // ranks)
        if parts % rounds:
            raise ValueError(
                f"{type(self).__name__} requires the number of microbatches to be a multiple of the number "
                f"of rounds ({rounds}), but got {parts}."
            )
        return orders.interleaved(rank, ranks, self._chunks, parts, self._divides_backward)


class ScheduleInterleavedZeroBubble(ScheduleInterleaved1F1B):
    """As ScheduleInterleaved1F1B, where a rank that would wait computes gradients of weights: Qi et al. 2023,
    arXiv:2401.10241, ZB-H1."""

    _divides_backward = True


class _TwoStagesInV(PipelineScheduleMulti):
    """Of two stages in each rank: r and the one as far from the end."""

    def __init__(self, stages, *args, **kwargs):
        if len(stages) != 2:
            raise ValueError(
                f"{type(self).__name__} requires exactly 2 stages per rank, but got {len(stages)}."
            )
        super().__init__(stages, *args, **kwargs)


class ScheduleZBVZeroBubble(_TwoStagesInV):
    """Two stages in each rank in a V, r and 2 ranks - 1 - r, and backward in two parts: Qi et al. 2023,
    arXiv:2401.10241, section 6."""

    def _row(self, rank):
        return orders.zero_bubble_v(rank, self.pp_group_size, self._n_microbatches)


class ScheduleDualPipeV(_TwoStagesInV):
    """As ScheduleZBVZeroBubble, in the order of DeepSeek-AI 2024, arXiv:2412.19437, section 3.2.1;
    n_microbatches must be at least the number of stages."""

    def _row(self, rank):
        if self._n_microbatches < self._num_stages:
            raise ValueError(
                "DualPipeV requires at least as many microbatches as stages, but got "
                f"{self._n_microbatches} microbatches and {self._num_stages} stages."
            )
        return orders.dual_pipe_v(rank, self.pp_group_size, self._n_microbatches)


_NAMED = {
    "1F1B": Schedule1F1B,
    "Interleaved1F1B": ScheduleInterleaved1F1B,
    "GPipe": ScheduleGPipe,
    "LoopedBFS": ScheduleLoopedBFS,
    "InterleavedZeroBubble": ScheduleInterleavedZeroBubble,
    "PipelineScheduleSingle": PipelineScheduleSingle,
    "PipelineScheduleMulti": PipelineScheduleMulti,
    "ZBVZeroBubble": ScheduleZBVZeroBubble,
    "DualPipeV": ScheduleDualPipeV,
}


def get_schedule_class(schedule_name):
    """The class of this name, such as "1F1B" or "ZBVZeroBubble", in upper or lower case. Raises
    ValueError."""
    for name, schedule in _NAMED.items():
        if name.lower() == schedule_name.lower():
            return schedule
    raise ValueError(f"Unknown schedule name '{schedule_name}'. The valid options are {list(_NAMED)}")
