"""In which order a rank computes forward and backward of the parts of a batch."""

import taper
from taper import _C
from taper._grad_mode import no_grad


class _Schedule:
    """Runs batches through the stages of all ranks of a group.

    stages          the stages of this rank, in order
    n_microbatches  into how many parts a batch is cut, along the first dimension
    loss_fn         loss_fn(output, target) of a part; the loss of the batch is the mean
    scale_grads     False: gradients are those of the sum of the losses
    """

    def __init__(self, stages, n_microbatches, loss_fn=None, scale_grads=True):
        if n_microbatches < 1:
            raise ValueError(f"pipelining: n_microbatches is {n_microbatches}, expected at least 1")
        self._stages, self._parts, self._loss = list(stages), n_microbatches, loss_fn
        self._scale = 1.0 / n_microbatches if scale_grads else 1.0

    def _order(self):
        """(stage of this rank, part, whether forward), as they are computed."""
        raise NotImplementedError

    def _cut(self, value):
        if not isinstance(value, _C.Tensor):
            return [value] * self._parts
        if value.ndim == 0 or value.shape[0] < self._parts:
            raise _C.ShapeError(
                f"pipelining: a tensor of shape {tuple(value.shape)} cannot be cut into {self._parts} parts "
                "along its first dimension"
            )
        return value.tensor_split(self._parts)

    def step(self, *args, target=None, losses=None, **kwargs):
        """Forward and backward of a batch: args where the first stage is, target where the last one is, whose
        rank gets the output. losses: a list, to which the losses of the parts are appended. Without loss_fn
        forward only. Raises RuntimeError where gradients are switched off: eval() is for that."""
        if self._loss is not None and not _C.is_grad_enabled():
            raise RuntimeError(f"{type(self).__name__}.step: gradients are switched off here; use eval()")
        return self._run(self._loss is not None, args, target, losses, kwargs)

    @no_grad()
    def eval(self, *args, target=None, losses=None, **kwargs):
        """As step(), forward only and without a graph. Losses are computed where there is a target."""
        return self._run(False, args, target, losses, kwargs)

    def _run(self, trains, args, target, losses, kwargs):
        parts = list(zip(*map(self._cut, args), strict=True)) if args else [()] * self._parts
        named = [{name: self._cut(value)[i] for name, value in kwargs.items()} for i in range(self._parts)]
        targets = self._cut(target)
        outputs, found = {}, {}
        for stage in self._stages:
            stage.begin(trains)
        for stage, part, is_forward in self._order():
            if not is_forward:
                if trains:
                    stage.backward(part, found.get(part) if stage.is_last else None, self._scale)
                continue
            output = stage.forward(part, parts[part], named[part])
            if stage.is_last:
                outputs[part] = output
                if self._loss is not None and (trains or target is not None):
                    found[part] = self._loss(output, targets[part])
        for stage in self._stages:
            stage.end()
        if losses is not None:
            losses.extend(found[part] for part in sorted(found))
        return self._joined(outputs) if outputs else None

    def _joined(self, outputs):
        values = [outputs[part] for part in range(self._parts)]
        if isinstance(values[0], (tuple, list)):
            return tuple(taper.cat(column) for column in zip(*values))
        return taper.cat(values)


class _OneStage(_Schedule):
    def __init__(self, stage, n_microbatches, loss_fn=None, args_chunk_spec=None, kwargs_chunk_spec=None,
                 output_merge_spec=None, scale_grads=True):  # fmt: skip
        super().__init__([stage], n_microbatches, loss_fn, scale_grads)
        self._stage = stage


class ScheduleGPipe(_OneStage):
    """All forward, then all backward: Huang et al. 2019, arXiv:1811.06965."""

    def _order(self):
        for is_forward in (True, False):
            for part in range(self._parts):
                yield self._stage, part, is_forward


class Schedule1F1B(_OneStage):
    """As few forward as fill the pipeline, then one backward after each: Narayanan et al. 2019,
    arXiv:1806.03377. A rank holds the activations of at most as many parts as there are stages from it on."""

    def _order(self):
        ahead = min(self._parts, self._stage.num_stages - self._stage.stage_index)
        for part in range(ahead):
            yield self._stage, part, True
        for part in range(self._parts):
            yield self._stage, part, False
            if part + ahead < self._parts:
                yield self._stage, part + ahead, True


class ScheduleInterleaved1F1B(_Schedule):
    """1F1B with several stages in each rank, so that the pipeline fills sooner: Narayanan et al. 2021,
    arXiv:2104.04473, section 2.2. n_microbatches must be a multiple of the number of ranks."""

    def __init__(self, stages, n_microbatches, loss_fn=None, args_chunk_spec=None, kwargs_chunk_spec=None,
                 output_merge_spec=None, scale_grads=True):  # fmt: skip
        super().__init__(stages, n_microbatches, loss_fn, scale_grads)
        self._ranks, self._rank = stages[0].group.size(), stages[0].group.rank()
        if n_microbatches % self._ranks:
            raise ValueError(
                f"ScheduleInterleaved1F1B: n_microbatches is {n_microbatches}, expected a multiple of the "
                f"number of ranks, {self._ranks}"
            )

    def _order(self):
        ranks, chunks = self._ranks, len(self._stages)
        total = self._parts * chunks

        def place(step, is_forward):
            cycle, within = divmod(step, ranks * chunks)
            chunk = within // ranks
            part = cycle * ranks + within % ranks
            return self._stages[chunk if is_forward else chunks - 1 - chunk], part, is_forward

        ahead = min(total, 2 * (ranks - self._rank - 1) + (chunks - 1) * ranks + 1)
        for step in range(ahead):
            yield place(step, True)
        for step in range(total):
            yield place(step, False)
            if step + ahead < total:
                yield place(step + ahead, True)
