"""In which order each rank computes: tables of actions, a row for each rank.

An action is forward (F) or backward (B) of one part of the batch in one stage. Backward may be done in two
actions: the gradient of the stage's input (I), for which the stage before waits, and those of its weights
(W), for which nobody does.
"""

import re
from collections import Counter
from typing import NamedTuple

FORWARD, BACKWARD, BACKWARD_INPUT, BACKWARD_WEIGHT = "F", "B", "I", "W"


class Action(NamedTuple):
    """One computation: written 2F0 for F of part 0 in stage 2."""

    stage_index: int
    computation_type: str
    microbatch_index: int

    def __str__(self):
        return f"{self.stage_index}{self.computation_type}{self.microbatch_index}"

    __repr__ = __str__

    @staticmethod
    def from_str(text):
        """The action that text stands for; None where it is empty. Raises ValueError."""
        if not (text := text.strip()):
            return None
        if (match := re.fullmatch(r"(\d+)([FBIW])(\d+)", text)) is None:
            raise ValueError(
                f"pipelining: {text!r} is no action, expected such as 2F0: stage, F, B, I or W, part"
            )
        return Action(int(match[1]), match[2], int(match[3]))


class _Row:
    """The actions of one rank with these stages."""

    def __init__(self, *stages):
        self.actions, self._stages = [], stages
        self._done, self._waiting = Counter(), []

    def add(self, steps, times=1):
        """Steps such as "F0 I1 W1": an action, and in which of the rank's stages, of the next part that is
        due there. W without a stage: the weights that have waited longest, if any do."""
        for step in steps.split() * max(times, 0):
            kind, waiting = step[0], self._waiting
            if kind == BACKWARD_WEIGHT:
                if step[1:]:
                    waiting = [entry for entry in waiting if entry[0] == self._stages[int(step[1:])]]
                if waiting:
                    stage, part = waiting[0]
                    self._waiting.remove((stage, part))
                    self.actions.append(Action(stage, kind, part))
                continue
            stage, is_forward = self._stages[int(step[1:])], kind == FORWARD
            part = self._done[stage, is_forward]
            self._done[stage, is_forward] += 1
            self.actions.append(Action(stage, kind, part))
            if kind == BACKWARD_INPUT:
                self._waiting.append((stage, part))

    def forwards(self, place):
        """How many parts have gone forward through one of the rank's stages."""
        return self._done[self._stages[place], True]


def gpipe(rank, parts):
    """All forward, then all backward: Huang et al. 2019, arXiv:1811.06965."""
    row = _Row(rank)
    row.add("F0", parts)
    row.add("B0", parts)
    return row.actions


def one_forward_one_backward(rank, ranks, parts):
    """As few forward as fill the pipeline, then one backward after each: Narayanan et al. 2019,
    arXiv:1806.03377."""
    row, ahead = _Row(rank), min(parts, ranks - rank)
    row.add("F0", ahead)
    row.add("B0 F0", parts - ahead)
    row.add("B0", ahead)
    return row.actions


def breadth_first(rank, ranks, chunks, parts):
    """All parts through one stage of the rank after the other: Lamy-Poirier 2022, arXiv:2211.05953."""
    stages = range(rank, ranks * chunks, ranks)
    forward = [Action(stage, FORWARD, part) for stage in stages for part in range(parts)]
    return forward + [
        Action(stage, BACKWARD, part) for stage in reversed(stages) for part in reversed(range(parts))
    ]


def interleaved(rank, ranks, chunks, parts, divides_backward=False):
    """One forward, one backward with several stages in each rank: Narayanan et al. 2021, arXiv:2104.04473,
    section 2.2, in rounds of about as many parts as there are ranks. With divides_backward, which waits
    half as long for the first backward, the weights come as many steps later as there are ranks before: Qi
    et al. 2023, arXiv:2401.10241, ZB-H1."""
    per_round = parts // max(1, parts // ranks)
    total = parts * chunks

    def place(step, backward):
        cycle, within = divmod(step, per_round * chunks)
        chunk, part = divmod(within, per_round)
        chunk = chunks - 1 - chunk if backward else chunk
        return chunk * ranks + rank, cycle * per_round + part

    hop = 1 if divides_backward else 2
    ahead = min(total, (chunks - 1) * per_round + hop * (ranks - 1 - rank))
    actions = []
    for step in range(total + ahead + (rank if divides_backward else 0)):
        for start, kind in ((0, FORWARD), (ahead, BACKWARD_INPUT), (ahead + rank, BACKWARD_WEIGHT)):
            if kind == BACKWARD_INPUT and not divides_backward:
                kind = BACKWARD
            if 0 <= step - start < total and (divides_backward or kind != BACKWARD_WEIGHT):
                stage, part = place(step - start, kind != FORWARD)
                actions.append(Action(stage, kind, part))
    return actions


def zero_bubble_v(rank, ranks, parts):
    """Two stages in each rank, in a V, so that a rank that is done with the first has the last one's
    backward to do: Qi et al. 2023, arXiv:2401.10241, section 6. There are no pauses where F, I and W take
    equally long."""
    row = _Row(rank, 2 * ranks - 1 - rank)
    total = max(parts, 2 * ranks - 1)  # as many as fill the pipeline; those that there are not are left out
    row.add("F0", 2 * (ranks - rank) - 1)
    row.add("F1 F0", rank)
    row.add("F1 I1 W1", ranks - rank)
    while row.forwards(1) < total:
        row.add("F0 I0 W0 F1 I1 W1" if row.forwards(0) < total else "I0 W0 F1 I1 W1")
    row.add("I0 I1", rank)
    row.add("I0 W0", ranks - rank)
    row.add("W1", rank)
    row.add("W0", rank)
    return [action for action in row.actions if action.microbatch_index < parts]


def dual_pipe_v(rank, ranks, parts):
    """As zero_bubble_v, with a forward and a backward of different parts beside each other: DeepSeek-AI 2024,
    arXiv:2412.19437, section 3.2.1, of which it is the half that needs each stage once."""
    row, later = _Row(rank, 2 * ranks - 1 - rank), ranks - 1 - rank
    row.add("F0", 2 * later)
    row.add("F0 F1", rank + 1)
    row.add("I1 W F1", later)
    row.add("F0 B1 F1 B0", parts - 2 * ranks + rank + 1)
    row.add("B1 F1 B0", later)
    for step in range(rank + 1):
        past = 2 * step - (rank + 1)  # from the middle on backward is divided
        row.add("I1" if past > 0 or past == 0 and rank % 2 else "B1")
        row.add("I0" if step >= (rank + 1) // 2 else "B0")
    row.add("W I0", later)
    row.add("W", rank + 1)
    return row.actions


def merged(actions):
    """The actions with an I and the W that follows it as one B, which does less."""
    result = []
    for action in actions:
        before = Action(action.stage_index, BACKWARD_INPUT, action.microbatch_index)
        if action.computation_type == BACKWARD_WEIGHT and result and result[-1] == before:
            action = result.pop()._replace(computation_type=BACKWARD)
        result.append(action)
    return result


def _needs(action, stages):
    """What must have been done before an action, elsewhere or here: lists of which one each is enough."""
    stage, kind, part = action
    if kind == FORWARD:
        return [[Action(stage - 1, FORWARD, part)]] if stage else []
    if kind == BACKWARD_WEIGHT:
        return [[Action(stage, BACKWARD_INPUT, part)]]
    needs = [[Action(stage, FORWARD, part)]]
    if stage + 1 < stages:
        needs.append([Action(stage + 1, BACKWARD, part), Action(stage + 1, BACKWARD_INPUT, part)])
    return needs


def ranks_of_stages(table, stages, parts):
    """Of a table of rows by rank: in which rank each stage is. Raises ValueError where an action is
    missing, is there twice, or where ranks would wait for each other forever."""
    homes = {}
    for rank, row in table.items():
        for action in row:
            if homes.setdefault(action.stage_index, rank) != rank:
                where = f"{homes[action.stage_index]} and {rank}"
                raise ValueError(f"pipelining: stage {action.stage_index} is in ranks {where}")
    present = Counter(action for row in table.values() for action in row)
    for stage in range(stages):
        for part in range(parts):
            count = {kind: present.pop(Action(stage, kind, part), 0) for kind in "FBIW"}
            if count["F"] != 1 or (count["B"], count["I"], count["W"]) not in ((1, 0, 0), (0, 1, 1)):
                raise ValueError(
                    f"pipelining: of part {part} in stage {stage} the order has {count}, expected one F and "
                    "one B, or one F, one I and one W"
                )
    if present:
        raise ValueError(
            f"pipelining: the order has {next(iter(present))} of {stages} stages and {parts} parts"
        )
    _check_progress(table, stages)
    return homes


def _check_progress(table, stages):
    done, places = set(), dict.fromkeys(table, 0)
    while any(place < len(table[rank]) for rank, place in places.items()):
        before = len(done)
        for rank, row in table.items():
            while places[rank] < len(row):
                action = row[places[rank]]
                if not all(any(a in done for a in enough) for enough in _needs(action, stages)):
                    break
                done.add(action)
                places[rank] += 1
        if len(done) == before:
            waiting = {rank: str(row[places[rank]]) for rank, row in table.items() if places[rank] < len(row)}
            raise ValueError(f"pipelining: the ranks would wait for each other forever, before {waiting}")
