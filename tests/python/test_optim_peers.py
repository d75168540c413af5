"""Optimizers, averages and schedules follow PyTorch 2.15; the numbers were recorded once from it."""

import numpy as np
import pytest

import taper
from taper import nn, optim
from taper.optim import lr_scheduler, swa_utils

START = [[0.3, -0.7, 1.5], [-0.2, 0.9, 0.1]]
OFFSET = taper.tensor([1.0, -2.0, 0.5], dtype=taper.float64)

# Each: the optimizer, its options, and START after five steps along 2 p + OFFSET.
CASES = [
    (
        "NAdam",
        {},
        [0.291913772896, -0.691907099556, 1.49190693038, -0.208065065658, 0.907995770958, 0.0919300769312],
    ),
    (
        "NAdam",
        {"lr": 0.05, "betas": (0.8, 0.9), "weight_decay": 0.1, "momentum_decay": 0.1},
        [0.0830799816363, -0.477650615075, 1.27742710355, -0.39338797167, 0.953849174102, -0.10089667025],
    ),
    (
        "NAdam",
        {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
        [0.307807474602, -0.707400983527, 1.50660060314, -0.191670852238, 0.890897248917, 0.108023449645],
    ),
    (
        "RAdam",
        {},
        [0.292017386724, -0.683036946789, 1.48253803346, -0.202993479978, 0.900997826659, 0.0965076066918],
    ),
    (
        "RAdam",
        {"lr": 0.05, "betas": (0.8, 0.9), "weight_decay": 0.1},
        [
            -0.0590897445344,
            0.0644425849904,
            0.695903332791,
            -0.327774264926,
            0.924233050245,
            -0.0564133243064,
        ],
    ),
    (
        "RAdam",
        {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
        [0.307865513611, -0.716682904666, 1.51678310229, -0.196893873606, 0.898547134429, 0.103456818084],
    ),
    (
        "Adamax",
        {},
        [0.290007222906, -0.689992795949, 1.48999242936, -0.209947452579, 0.909803367124, 0.0900422000605],
    ),
    (
        "Adamax",
        {"lr": 0.05, "weight_decay": 0.1, "maximize": True},
        [0.538605402067, -0.944090341797, 1.74412244505, 0.0269539955708, 0.686322924466, 0.328585609179],
    ),
    (
        "Adadelta",
        {},
        [0.283647449924, -0.683604814231, 1.48360373354, -0.216217268502, 0.915773855829, 0.0837516692018],
    ),
    (
        "Adadelta",
        {"rho": 0.5, "eps": 0.001, "weight_decay": 0.1, "maximize": True},
        [0.593044571966, -0.986597305609, 1.78656086695, 0.107962655001, 0.574532968183, 0.405799553367],
    ),
    ("Rprop", {}, [0.225584, -0.625584, 1.425584, -0.274416, 0.974416, 0.025584]),
    (
        "Rprop",
        {"lr": 0.5, "etas": (0.3, 1.5), "step_sizes": (0.2, 0.6), "maximize": True},
        [3.2, -3.6, 4.4, 2.7, -2.0, 3.0],
    ),
    (
        "ASGD",
        {},
        [0.223135461556, -0.53666255556, 1.33185476883, -0.228822700684, 0.909603563608, 0.066371914554],
    ),
    (
        "ASGD",
        {"lr": 0.05, "t0": 2, "lambd": 0.01, "weight_decay": 0.1, "maximize": True},
        [0.772703416264, -1.70242083743, 2.50604077424, -0.0123666082218, 0.80980324093, 0.307844705684],
    ),
    (
        "Adafactor",
        {},
        [0.267158940481, -0.665038127322, 1.46562826348, -0.2640626041, 0.911118992498, 0.0627687308854],
    ),
    (
        "Adafactor",
        {
            "lr": 0.05,
            "eps": (0.001, 0.1),
            "d": 1.5,
            "beta2_decay": -0.5,
            "weight_decay": 0.1,
            "maximize": True,
        },
        [0.481745594119, -0.891726663352, 1.66675001625, 0.239373600853, 0.808172623242, 0.311262335943],
    ),
    ("RMSprop", {}, [0.00235591465277, -0.387343178045, 1.18698606938, -0.43974865347, 1.0, -0.154038501359]),
    (
        "Adam",
        {"lr": 0.05, "amsgrad": True, "maximize": True},
        [0.55089392457, -0.950526508152, 1.75051431227, 0.0510339302196, 0.652068420397, 0.351101108804],
    ),
    (
        "Adam",
        {"weight_decay": 0.1, "decoupled_weight_decay": True},
        [0.294851592233, -0.694651343649, 1.49425143575, -0.204897575275, 0.904544914036, 0.0949522831489],
    ),
    (
        "Adagrad",
        {"initial_accumulator_value": 0.5, "weight_decay": 0.1},
        [0.2694281968, -0.668154916135, 1.46811561517, -0.224058258743, 0.907110375815, 0.074056461173],
    ),
    (
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.5},
        [-0.728096, 1.484704, -0.74896, -0.585536, 1.028512, -0.349792],
    ),
]


def double(values):
    return taper.tensor(values, dtype=taper.float64)


def close(actual, expected, tolerance=1e-9):
    taper.testing.assert_close(actual, double(expected), rtol=tolerance, atol=tolerance)


def walk(optimizer, p, steps=5):
    for _ in range(steps):
        p.grad = (2 * p + OFFSET).detach()
        optimizer.step()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0] + "".join("-" + key for key in case[1]))
def test_trajectory(case):
    name, options, expected = case
    p = nn.Parameter(double(START))
    walk(getattr(optim, name)([p], **options), p)
    # A float32 learning rate within the state (ASGD) limits the agreement.
    close(p.detach(), [expected[:3], expected[3:]], 1e-7)


@pytest.mark.parametrize("name", sorted({case[0] for case in CASES}))
def test_any_layout_and_complex_parameters_take_the_same_steps(name):
    p, q = nn.Parameter(double(START)), nn.Parameter(double(START).T.contiguous().T)
    walk(getattr(optim, name)([p]), p)
    walk(getattr(optim, name)([q]), q)
    assert not q.is_contiguous() and taper.allclose(p, q, rtol=1e-12)
    if name != "Adafactor":
        z = nn.Parameter(taper.view_as_complex(double(START + START).reshape(2, 3, 2)))
        real = nn.Parameter(taper.view_as_real(z.detach()).clone())
        for parameter in (z, real):
            optimizer = getattr(optim, name)([parameter])
            for _ in range(3):
                parameter.grad = (2 * parameter).detach()
                optimizer.step()
        assert taper.allclose(taper.view_as_real(z.detach()), real, rtol=1e-12)


DIFFERENTIABLE = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.5, "centered": True}),
    ("Adagrad", {"lr": 0.1}),
    ("NAdam", {"lr": 0.1}),
    ("RAdam", {"lr": 0.1, "betas": (0.8, 0.9)}),
    ("Adamax", {"lr": 0.1}),
    ("Adadelta", {"lr": 0.1}),
    ("ASGD", {"lr": 0.1}),
]


@pytest.mark.parametrize("name, options", DIFFERENTIABLE)
def test_differentiable_steps_are_the_same_and_have_gradients(name, options):
    def walked(w, g, differentiable=True):
        p = w.clone() if differentiable else nn.Parameter(w.detach().clone())
        optimizer = getattr(optim, name)([p], differentiable=differentiable, **options)
        for factor in (1.5, 0.5):
            p.grad = g * factor if differentiable else (g * factor).detach()
            optimizer.step()
        return p

    w, g = double([0.3, -0.7]).requires_grad_(), double([1.0, -2.0]).requires_grad_()
    close(walked(w, g).detach(), walked(w, g, False).tolist())
    assert taper.autograd.gradcheck(walked, (w, g), eps=1e-5, atol=1e-5)


def rosenbrock(p, optimizer):
    def closure():
        optimizer.zero_grad()
        loss = (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize(
    "options, expected, evaluations, iterations",
    [
        ({"lr": 0.002, "max_iter": 6}, [-1.1942800250687213, 1.0039296236910078], 18, 18),
        (
            {"max_iter": 8, "line_search_fn": "strong_wolfe"},
            [0.6803460312870351, 0.46120580018830387],
            30,
            22,
        ),
        (
            {"max_iter": 8, "history_size": 2, "line_search_fn": "strong_wolfe"},
            [0.5642628966354586, 0.30782890316597217],
            30,
            21,
        ),
    ],
)
def test_lbfgs(options, expected, evaluations, iterations):
    p = nn.Parameter(double([-1.2, 1.0]))
    optimizer = optim.LBFGS([p], **options)
    for _ in range(3):
        optimizer.step(rosenbrock(p, optimizer))
    close(p.detach(), expected, 1e-8)
    assert (optimizer.state[p]["func_evals"], optimizer.state[p]["n_iter"]) == (evaluations, iterations)


def test_lbfgs_finds_the_minimum_and_survives_reloading():
    p = nn.Parameter(double([-1.2, 1.0]))
    optimizer = optim.LBFGS([p], max_iter=10, line_search_fn="strong_wolfe")
    optimizer.step(rosenbrock(p, optimizer))
    other = optim.LBFGS([p], max_iter=40, line_search_fn="strong_wolfe")
    other.load_state_dict(optimizer.state_dict())
    other.param_groups[0]["max_iter"] = other.param_groups[0]["max_eval"] = 60
    other.step(rosenbrock(p, other))
    close(p.detach(), [1.0, 1.0], 1e-4)


def test_muon_steps_have_singular_values_near_one():
    p = nn.Parameter(double(START))
    optimizer = optim.Muon([p], lr=1.0, weight_decay=0.0, nesterov=False)
    p.grad = double([[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0]])
    optimizer.step()
    values = np.linalg.svd((double(START) - p.detach()).numpy(), compute_uv=False)
    # Jordan's quintic maps singular values into about [0.7, 1.2].
    assert values.min() > 0.6 and values.max() < 1.3
    with pytest.raises(ValueError, match="only supports 2D"):
        optim.Muon([nn.Parameter(taper.ones(3))])


def test_a_learning_rate_may_be_a_tensor_that_a_schedule_changes():
    p, rate = nn.Parameter(taper.ones(1)), taper.tensor(0.5)
    optimizer = optim.SGD([p], lr=rate)
    schedule = lr_scheduler.ExponentialLR(optimizer, 0.5)
    p.grad = taper.ones(1)
    optimizer.step()
    schedule.step()
    assert p.item() == 0.5 and rate.item() == 0.25 and optimizer.param_groups[0]["lr"] is rate


def test_every_hook_runs_in_its_place():
    p, log = nn.Parameter(taper.ones(1)), []
    optimizer = optim.SGD([p], lr=0.1)
    optimizer.register_step_pre_hook(lambda o, args, kwargs: log.append("before"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: log.append("after"))
    optimizer.register_state_dict_pre_hook(lambda o: log.append("save"))
    optimizer.register_state_dict_post_hook(lambda o, state: {**state, "more": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, state: log.append(state["more"]))
    optimizer.register_load_state_dict_post_hook(lambda o: log.append("loaded")).remove()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert log == ["before", "after", "save", 1]


def test_steps_of_a_users_own_optimizer_have_hooks():
    class Sign(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        @taper.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad.sign(), alpha=-group["lr"])

    p, log = nn.Parameter(taper.ones(1)), []
    optimizer = Sign([p], 0.5)
    optimizer.register_step_post_hook(lambda o, args, kwargs: log.append(p.item()))
    p.grad = taper.full((1,), 7.0)
    optimizer.step()
    assert log == [0.5]


def test_names_of_parameters_are_kept():
    p = nn.Parameter(taper.ones(1))
    optimizer = optim.SGD([("weight", p)], lr=0.1)
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight"]
    with pytest.raises(ValueError, match="with/without names"):
        optimizer.add_param_group({"params": [nn.Parameter(taper.ones(1))]})


RATES = [
    (
        lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 4, 3, mode="triangular2"),
        [0.01, 0.0325, 0.055, 0.0775, 0.1, 0.07, 0.04, 0.01, 0.02125, 0.0325, 0.04375, 0.055],
    ),
    (
        lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 2, mode="exp_range", gamma=0.9, cycle_momentum=False),
        [0.01, 0.0505, 0.0829, 0.042805, 0.01, 0.03657205, 0.05782969, 0.0315233605],
    ),
    (
        lambda o: swa_utils.SWALR(o, 0.05, anneal_epochs=4),
        [0.1, 0.09267766953, 0.075, 0.05732233047, 0.05, 0.05],
    ),
    (lambda o: swa_utils.SWALR(o, 0.05, 4, "linear"), [0.1, 0.0875, 0.075, 0.0625, 0.05, 0.05]),
    (
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.LinearLR(o, 0.1, total_iters=3),
                lr_scheduler.CosineAnnealingLR(o, 10),
                lr_scheduler.ExponentialLR(o, 0.9),
            ],
            [3, 6],
        ),
        [0.01, 0.04, 0.07, 0.1, 0.09755282581, 0.09045084972, 0.1, 0.09, 0.081],
    ),
]


@pytest.mark.parametrize("make, expected", RATES)
def test_schedule(make, expected):
    optimizer = optim.SGD([nn.Parameter(taper.zeros(1))], lr=0.1, momentum=0.9)
    schedule, rates = make(optimizer), []
    for _ in expected:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx(expected, rel=1e-8)


def test_a_schedule_stepped_before_the_optimizer_warns():
    optimizer = optim.SGD([nn.Parameter(taper.zeros(1))], lr=0.1)
    with pytest.warns(UserWarning, match="before `optimizer.step"):
        lr_scheduler.StepLR(optimizer, 1).step()


def test_state_of_user_functions_is_saved_where_they_are_objects():
    class Factor:
        def __init__(self, base):
            self.base = base

        def __call__(self, epoch):
            return self.base**epoch

    optimizer = optim.SGD([nn.Parameter(taper.zeros(1))], lr=1.0)
    state = lr_scheduler.LambdaLR(optimizer, Factor(0.5)).state_dict()
    other = lr_scheduler.LambdaLR(optimizer, Factor(0.9))
    other.load_state_dict(state)
    assert state["lr_lambdas"] == [{"base": 0.5}] and other.lr_lambdas[0].base == 0.5


def test_zeroed_gradients_keep_their_memory():
    p = nn.Parameter(taper.ones(2))
    p.grad = gradient = taper.ones(2)
    optim.SGD([p], lr=0.1).zero_grad(set_to_none=False)
    assert p.grad is gradient and gradient.tolist() == [0, 0]


def test_averaged_models():
    model = nn.Linear(1, 1, bias=False)
    mean = swa_utils.AveragedModel(model)
    moving = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))
    for value in (1.0, 2.0, 6.0):
        nn.init.constant_(model.weight, value)
        mean.update_parameters(model)
        moving.update_parameters(model)
    assert mean.module.weight.item() == pytest.approx(3.0)
    assert moving.module.weight.item() == pytest.approx(0.9 * (0.9 * 1 + 0.1 * 2) + 0.1 * 6)
    assert mean.n_averaged.item() == 3


def test_update_bn_takes_plain_means_over_the_loader():
    model = nn.Sequential(nn.BatchNorm1d(1)).eval()
    swa_utils.update_bn([taper.tensor([[1.0], [3.0]]), taper.tensor([[4.0], [8.0]])], model)
    assert model[0].running_mean.item() == 4.0
    assert model[0].running_var.item() == 5.0
    assert model[0].momentum == 0.1 and not model.training
