"""PipelineStage: one part of a network, what it receives from the part before and sends to the one after."""

import taper
from taper import _C
from taper.nn.distributed import DistributedDataParallel

from .. import objects
from ..fsdp import FSDPModule
from ..job import _resolve
from ._backward import stage_backward, stage_backward_input, stage_backward_weight


class PipelineStage:
    """The stage_index-th of num_stages parts of a network. In which rank it is the schedule says: in most s
    is in rank s % group size.

    submodule  takes the tensors that the stage before gives (the first one: the arguments of step()), and
               gives a tensor or a tuple of tensors. It may be a DistributedDataParallel or divided by
               fully_shard, over ranks that have the same stage: gradients are averaged once a batch
    device     where the tensors that the other stages send are to be (where the parameters lie unless given)
    group      the ranks that the network is cut among (all unless given)

    input_args and output_args are accepted for PyTorch's sake: shapes travel with the tensors.
    """

    def __init__(
        self, submodule, stage_index, num_stages, device=None, input_args=None, output_args=None, group=None
    ):
        self.submod, self.stage_index, self.num_stages = submodule, stage_index, num_stages
        places = {parameter.device for parameter in submodule.parameters()} if device is None else ()
        self.device = next(iter(places), device)
        self.group = _resolve(group)
        if self.group is None:
            raise ValueError("PipelineStage: this process is not in the given group")
        self.group_rank, self.group_size = self.group.rank(), self.group.size()
        if self.group_size > num_stages:
            raise RuntimeError(
                f"Pipeline group size {self.group_size} cannot be larger than number of stages {num_stages}"
            )
        if not 0 <= stage_index < num_stages:
            raise ValueError(f"Stage index {stage_index} is out of range of {num_stages}")
        self.is_first, self.is_last = stage_index == 0, stage_index == num_stages - 1
        self.begin(1, {}, {})

    def begin(self, parts, ranks, here, trains=True):
        """Before a batch of that many parts. ranks: by stage, where it is; here: the stages of this rank;
        trains: whether backward follows."""
        self._parts, self._ranks, self._here, self._trains = parts, ranks, here, trains
        self._held, self._divided, self._sends = {}, {}, []
        self._given, self._given_gradients, self._coming = {}, {}, {}
        self._shapes, self._told, self._alike, self._backwards = None, False, True, 0

    def _send(self, tensors, stage, part, is_forward):
        self._sends = [work for work in self._sends if not work.is_completed()]
        tag = self._tag(stage, part, is_forward)
        for tensor in tensors:
            self._sends.append(self.group._send(tensor.contiguous(), self._ranks[stage], tag, True))

    def _tag(self, stage, part, is_forward):
        return 2 * (stage * self._parts + part) + is_forward

    def _tell_shapes(self, outputs, part):
        shapes = [(list(t.shape), str(t.dtype).split(".")[-1], t.requires_grad) for t in outputs]
        content = objects._to_tensor([shapes, self._alike])
        self._send([objects._size_of(content), content], self.stage_index + 1, part, True)

    def _learn_shapes(self, part):
        """Shapes of what the stage before gives, whether each needs a gradient, and whether that is so of all
        parts of the batch."""
        before, tag = self._ranks[self.stage_index - 1], self._tag(self.stage_index, part, True)
        size = taper.zeros(1, dtype=taper.int64)
        self.group._recv(size, before, tag, True).wait()
        content = taper.empty(int(size), dtype=taper.uint8)
        self.group._recv(content, before, tag, True).wait()
        shapes, self._alike = objects._from_tensor(content, content.numel())
        self._shapes = [(shape, getattr(taper, name)) for shape, name, _ in shapes]
        self._wanted = [wanted for _, _, wanted in shapes]

    def expect(self, part, is_forward):
        """Begins to receive what the next action needs, where the shapes are known by now."""
        if is_forward:
            known = not self.is_first and self._shapes is not None and self._alike
        else:
            known = not self.is_last and part in self._held
        if known and self._source(is_forward) not in self._here:
            self._coming[part, is_forward] = self._receive(part, is_forward)

    def _source(self, is_forward):
        return self.stage_index - 1 if is_forward else self.stage_index + 1

    def _receive(self, part, is_forward):
        """Begins to receive tensors from another stage: they, and what to wait for."""
        source, tag = self._ranks[self._source(is_forward)], self._tag(self.stage_index, part, is_forward)
        templates = self._shapes
        if not is_forward:
            templates = [(t.shape, t.dtype) for t in self._held[part][1] if t.requires_grad]
        tensors = [taper.empty(shape, dtype=dtype, device=self.device) for shape, dtype in templates]
        return tensors, [self.group._recv(t, source, tag, True) for t in tensors]

    def _received(self, part, is_forward):
        tensors, works = self._coming.pop((part, is_forward), None) or self._receive(part, is_forward)
        for work in works:
            work.wait()
        return tensors

    def _take(self, part, tensors, alike):
        """What the stage before gives, in the same rank."""
        self._given[part] = [t.detach().requires_grad_(t.requires_grad) for t in tensors]
        self._alike = alike

    def _inputs(self, part):
        """What the stage before gives; with the first part of a batch come the shapes, with the others where
        they differ."""
        if self.stage_index - 1 in self._here:
            return self._given.pop(part)
        if self._shapes is None or not self._alike:
            self._learn_shapes(part)
        inputs = self._received(part, True)
        return [t.requires_grad_(wanted) for t, wanted in zip(inputs, self._wanted)]

    def forward(self, part, args, kwargs, alike=True):
        """Computes one part of the batch, and sends what comes out; returns it. alike: whether the arguments
        have the same shapes in all parts, in the first stage."""
        inputs = list(args) if self.is_first else self._inputs(part)
        if self.is_first:
            self._alike = alike
        output = self._called(*inputs, **kwargs)
        outputs = output if isinstance(output, (tuple, list)) else (output,)
        if self._trains:
            self._held[part] = (inputs, outputs)
        if not self.is_last:
            self._hand_on(part, outputs)
        return output

    def _called(self, *inputs, **kwargs):
        if isinstance(self.submod, DistributedDataParallel):
            with self.submod.no_sync():
                return self.submod(*inputs, **kwargs)
        return self.submod(*inputs, **kwargs)

    def _hand_on(self, part, outputs):
        following = self.stage_index + 1
        for t in outputs:
            if not isinstance(t, _C.Tensor):
                raise TypeError(
                    f"PipelineStage: stage {self.stage_index} gave a {type(t).__name__}, expected a tensor "
                    "or a tuple of tensors"
                )
        if following in self._here:
            self._here[following]._take(part, outputs, self._alike)
            return
        if not self._told or not self._alike:
            self._told = True
            self._tell_shapes(outputs, part)
        self._send([t.detach() for t in outputs], following, part, True)

    def _start(self, part, loss, scale):
        """Inputs of the part, and where backward begins: tensors and their gradients."""
        inputs, outputs = self._held[part]
        if self.is_last:
            return inputs, [loss], [taper.full_like(loss.detach(), scale)]
        if self.stage_index + 1 in self._here:
            gradients = self._given_gradients.pop(part)
        else:
            gradients = self._received(part, False)
        return inputs, [t for t in outputs if t.requires_grad], gradients

    def _hand_back(self, part, inputs, gradients):
        gradients = [
            taper.zeros_like(t.detach()) if g is None else g
            for t, g in zip(inputs, gradients)
            if t.requires_grad
        ]
        before = self.stage_index - 1
        if before in self._here:
            self._here[before]._given_gradients[part] = gradients
        else:
            self._send(gradients, before, part, False)

    def backward(self, part, loss, scale):
        """Gradients of one part; sends those of what was received."""
        inputs, outputs, gradients = self._start(part, loss, scale)
        self._held.pop(part)
        self._backwards += 1
        self._prepare(outputs, self._backwards == self._parts)
        if self.is_first:  # what the caller gave keeps its gradient
            stage_backward(outputs, gradients, ())
        else:
            self._hand_back(part, inputs, stage_backward(outputs, gradients, inputs))

    def _prepare(self, outputs, is_last):
        """Gradients are averaged over replicas with the last backward of a batch."""
        if isinstance(self.submod, DistributedDataParallel) and is_last and self.submod.reducer is not None:
            finds = self.submod.find_unused_parameters or self.submod.static_graph
            self.submod.reducer.prepare_for_backward(list(outputs) if finds else [])
        for module in self._sharded():
            module.set_requires_gradient_sync(is_last, recurse=False)

    def _sharded(self):
        return [module for module in self.submod.modules() if isinstance(module, FSDPModule)]

    def backward_input(self, part, loss, scale):
        """Of the gradients of one part only those of what was received, which are sent. With replicas of the
        stage, whose average begins when backward ends, all of them."""
        if isinstance(self.submod, DistributedDataParallel) or self._sharded():
            return self.backward(part, loss, scale)
        inputs, outputs, gradients = self._start(part, loss, scale)
        self._held.pop(part)
        received = () if self.is_first else inputs
        found, self._divided[part] = stage_backward_input(outputs, gradients, received)
        if not self.is_first:
            self._hand_back(part, inputs, found)

    def backward_weight(self, part):
        """What backward_input left of the gradients of one part."""
        stage_backward_weight((), self._divided.pop(part, ()))

    def end(self):
        """Until all that was sent has arrived."""
        for work in self._sends:
            work.wait()
        self._sends = []
