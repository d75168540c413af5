"""L-BFGS: a quasi-Newton method, with a line search under the strong Wolfe conditions."""

import math

from .. import _C
from .._grad_mode import enable_grad, no_grad
from .optimizer import Optimizer, as_real, check_options

_ops = _C._homes["taper"]


def _cubic_minimum(a, b, bounds=None):
    """The minimum between bounds of the cubic through two points (x, f, slope): Nocedal & Wright 2006, eq.
    3.59."""
    (x1, f1, g1), (x2, f2, g2) = sorted([a, b])
    low, high = bounds or (x1, x2)
    d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2) if x1 != x2 else math.nan
    square = d1 * d1 - g1 * g2
    if not square >= 0:
        return (low + high) / 2.0
    d2 = math.sqrt(square)
    slope = g2 - g1 + 2 * d2
    if slope == 0:
        return (low + high) / 2.0
    return min(max(x2 - (x2 - x1) * ((g2 + d2 - d1) / slope), low), high)


class _Point:
    """A step length with the loss, gradient and slope there."""

    def __init__(self, t, loss, gradient, direction):
        self.t, self.loss, self.gradient = t, loss, gradient
        self.slope = gradient.dot(direction).item()

    def key(self):
        return self.t, self.loss, self.slope


def _strong_wolfe(evaluate, start, t, direction, evaluations, c1=1e-4, c2=0.9, tolerance=1e-9):
    """A point along direction that fulfils the strong Wolfe conditions: Nocedal & Wright 2006, algorithm
    3.5."""

    def enough(point):
        return point.loss <= start.loss + c1 * point.t * start.slope

    before, point, count = start, evaluate(t), 0
    while count < evaluations:
        if not enough(point) or (count > 1 and point.loss >= before.loss):
            break
        if abs(point.slope) <= -c2 * start.slope:
            return point, count + 1  # the first trial isn't counted
        if point.slope >= 0:
            break
        bounds = (point.t + 0.01 * (point.t - before.t), point.t * 10)
        before, point = point, evaluate(_cubic_minimum(before.key(), point.key(), bounds))
        count += 1
    else:
        before = start
    return _zoom(evaluate, enough, start, [before, point], direction, (count, evaluations), c2, tolerance)


def _zoom(evaluate, enough, start, bracket, direction, counts, c2, tolerance):
    """Shrinks the bracket around a point that fulfils the conditions: Nocedal & Wright 2006, algorithm
    3.6."""
    count, evaluations = counts
    size = direction.abs().max().item()
    slow = False
    low, high = sorted(bracket, key=lambda point: point.loss)
    while count < evaluations and abs(high.t - low.t) * size >= tolerance:
        left, right = sorted([low.t, high.t])
        t = _cubic_minimum(low.key(), high.key())
        # A trial close to an end is allowed once; then it moves a tenth of the bracket inwards.
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            if slow or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                slow = False
            else:
                slow = True
        else:
            slow = False
        point = evaluate(t)
        count += 1
        if not enough(point) or point.loss >= low.loss:
            high = point
            low, high = (low, high) if low.loss <= high.loss else (high, low)
            continue
        if abs(point.slope) <= -c2 * start.slope:
            return point, count + 1
        if point.slope * (high.t - low.t) >= 0:
            high = low
        low = point
    return low, count + 1


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last history_size changes of the gradient: Liu & Nocedal 1989."""

    def __init__(
        self,
        params,
        lr=1,
        max_iter=20,
        max_eval=None,
        tolerance_grad=1e-7,
        tolerance_change=1e-9,
        history_size=100,
        line_search_fn=None,
        *,
        maximize=False,
    ):
        check_options(lr=lr)
        super().__init__(
            params,
            dict(
                lr=lr,
                max_iter=max_iter,
                max_eval=max_iter * 5 // 4 if max_eval is None else max_eval,
                tolerance_grad=tolerance_grad,
                tolerance_change=tolerance_change,
                history_size=history_size,
                line_search_fn=line_search_fn,
                maximize=maximize,
            ),
        )
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")

    def _params(self):
        return self.param_groups[0]["params"]

    def _flat_gradient(self):
        grads = [_ops["zeros_like"](p) if p.grad is None else p.grad for p in self._params()]
        flat = _ops["cat"]([part.reshape(-1) for part in as_real(*grads)])
        return flat.neg() if self.param_groups[0]["maximize"] else flat

    def _move(self, t, direction):
        offset = 0
        for part in as_real(*self._params()):
            count = part.numel()
            part.add_(direction[offset : offset + count].view(part.shape), alpha=t)
            offset += count

    def _evaluated(self, closure):
        with enable_grad():
            result = closure()
        loss = float(result)
        return result, -loss if self.param_groups[0]["maximize"] else loss

    def _search(self, closure, t, direction, loss, gradient, evaluations):
        """The strong Wolfe point along direction, and how often the closure ran; leaves the parameters
        there."""
        start = [p.clone() for p in self._params()]

        def restore():
            for parameter, value in zip(self._params(), start):
                parameter.copy_(value)

        def evaluate(length):
            self._move(length, direction)
            value = self._evaluated(closure)[1]
            point = _Point(length, value, self._flat_gradient(), direction)
            restore()
            return point

        point, count = _strong_wolfe(
            evaluate, _Point(0, loss, gradient, direction), t, direction, evaluations
        )
        self._move(point.t, direction)
        return point, count

    @staticmethod
    def _remember(state, gradient, size):
        """Adds the last step and change of gradient to the history, if the curvature along it is positive."""
        change = gradient - state["prev_flat_grad"]
        step = state["d"] * state["t"]
        curvature = change.dot(step).item()
        if curvature > 1e-10:
            if len(state["old_dirs"]) == size:
                for name in ("old_dirs", "old_stps", "ro"):
                    state[name].pop(0)
            state["old_dirs"].append(change)
            state["old_stps"].append(step)
            state["ro"].append(1.0 / curvature)
            state["H_diag"] = curvature / change.dot(change).item()

    def _direction(self, state, gradient, size):
        """Minus the inverse Hessian times the gradient: the two-loop recursion of Nocedal & Wright 2006,
        7.4."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return gradient.neg()
        self._remember(state, gradient, size)
        history = list(zip(state["old_dirs"], state["old_stps"], state["ro"]))
        direction, factors = gradient.neg(), []
        for change, step, ro in reversed(history):
            factors.append(step.dot(direction).item() * ro)
            direction.add_(change, alpha=-factors[-1])
        direction.mul_(state["H_diag"])
        for (change, step, ro), factor in zip(history, reversed(factors)):
            direction.add_(step, alpha=factor - change.dot(direction).item() * ro)
        return direction

    def step(self, closure):
        """Up to max_iter iterations; closure recomputes loss and gradients. Returns the loss before the
        first."""
        with no_grad():
            first, loss = self._evaluated(closure)
            state = self.state[self._params()[0]]
            state["func_evals"] = state.get("func_evals", 0) + 1
            state.setdefault("n_iter", 0)
            gradient = self._flat_gradient()
            if gradient.abs().max().item() > self.param_groups[0]["tolerance_grad"]:
                self._iterate(closure, state, loss, gradient)
        return first

    def _iterate(self, closure, state, loss, gradient):
        group, lr = self.param_groups[0], self._rate(self.param_groups[0])
        evaluations = 1
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = self._direction(state, gradient, group["history_size"])
            t = min(1.0, 1.0 / gradient.abs().sum().item()) * lr if state["n_iter"] == 1 else lr
            state.update(d=direction, t=t, prev_flat_grad=gradient.clone(), prev_loss=loss)
            if gradient.dot(direction).item() > -group["tolerance_change"]:
                break
            count = 0
            if group["line_search_fn"] is not None:
                point, count = self._search(
                    closure, t, direction, loss, gradient, group["max_eval"] - evaluations
                )
                loss, gradient, state["t"] = point.loss, point.gradient, point.t
            else:
                self._move(t, direction)
                if iteration != group["max_iter"]:
                    loss, count = self._evaluated(closure)[1], 1
                    gradient = self._flat_gradient()
            evaluations += count
            state["func_evals"] += count
            if self._finished(group, state, loss, gradient, evaluations):
                break

    @staticmethod
    def _finished(group, state, loss, gradient, evaluations):
        tolerance = group["tolerance_change"]
        return (
            evaluations >= group["max_eval"]
            or gradient.abs().max().item() <= group["tolerance_grad"]
            or (state["d"] * state["t"]).abs().max().item() <= tolerance
            or abs(loss - state["prev_loss"]) < tolerance
        )
