"""PipelineStage: one part of a network, what it receives from the part before and sends to the one after."""

import taper
from taper.autograd import backward

from .. import objects
from ..job import _resolve


class PipelineStage:
    """The stage_index-th of num_stages parts of a network. Stage s is in rank s % group size.

    submodule  takes the tensors that the stage before gives (the first one: the arguments of step()), and
               gives a tensor or a tuple of tensors
    device     where the tensors that the other stages send are to be (where the parameters lie unless given)
    group      the ranks that the network is cut among (all unless given)
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
        size = self.group.size()
        if not 0 <= stage_index < num_stages or stage_index % size != self.group.rank():
            raise ValueError(
                f"PipelineStage: stage {stage_index} of {num_stages} is in rank {stage_index % size} of the "
                f"group of {size}, this is rank {self.group.rank()}"
            )
        self.is_first, self.is_last = stage_index == 0, stage_index == num_stages - 1
        self._coming = None
        self.begin()

    def begin(self, trains=True):
        """Before a batch. trains: whether backward follows."""
        self._trains = trains
        self._held, self._sends, self._shown, self._told = {}, [], False, False

    def _send(self, tensors, stage, tag):
        rank = stage % self.group.size()
        if rank == self.group.rank():
            raise ValueError("PipelineStage: stages that follow each other must be in different ranks")
        for tensor in tensors:
            self._sends.append(self.group._send(tensor.contiguous(), rank, tag, True))

    def _receive(self, templates, stage, tag):
        tensors = [taper.empty(shape, dtype=dtype, device=self.device) for shape, dtype in templates]
        works = [self.group._recv(t, stage % self.group.size(), tag, True) for t in tensors]
        for work in works:
            work.wait()
        return tensors

    def _inputs(self):
        """What the stage before sends; with the first part of a batch come the shapes."""
        before = self.stage_index - 1
        if not self._shown:
            held = [None]
            objects.recv_object_list(held, group=self.group, group_src=before % self.group.size())
            self._coming = [(shape, getattr(taper, name)) for shape, name, _ in held[0]]
            self._wanted = [wanted for _, _, wanted in held[0]]
            self._shown = True
        inputs = self._receive(self._coming, before, 2 * self.stage_index)
        return [t.requires_grad_(wanted) for t, wanted in zip(inputs, self._wanted)]

    def forward(self, part, args, kwargs):
        """Computes one part of the batch, and sends what comes out; returns it."""
        inputs = list(args) if self.is_first else self._inputs()
        output = self.submod(*inputs, **kwargs)
        outputs = output if isinstance(output, (tuple, list)) else (output,)
        if self._trains:
            self._held[part] = (inputs, outputs)
        if not self.is_last:
            if not self._told:
                self._told = True
                shapes = [(list(t.shape), str(t.dtype).split(".")[-1], t.requires_grad) for t in outputs]
                following = (self.stage_index + 1) % self.group.size()
                objects.send_object_list([shapes], group=self.group, group_dst=following)
            self._send([t.detach() for t in outputs], self.stage_index + 1, 2 * (self.stage_index + 1))
        return output

    def backward(self, part, loss, scale):
        """Gradients of one part; sends those of what was received."""
        inputs, outputs = self._held.pop(part)
        if self.is_last:
            loss.backward(taper.full_like(loss.detach(), scale))
        else:
            wanted = [t for t in outputs if t.requires_grad]
            gradients = self._receive(
                [(t.shape, t.dtype) for t in wanted], self.stage_index + 1, 2 * self.stage_index + 1
            )
            backward(wanted, gradients)
        if not self.is_first:
            sent = [
                t.grad if t.grad is not None else taper.zeros_like(t.detach())
                for t in inputs
                if t.requires_grad
            ]
            self._send(sent, self.stage_index - 1, 2 * (self.stage_index - 1) + 1)

    def end(self):
        """Until all that was sent has arrived."""
        for work in self._sends:
            work.wait()
        self._sends = []
