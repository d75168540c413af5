"""Policies: an actor with its critic, and the terms of PPO and of a squashed normal policy."""

import taper as torch
import numpy as np
import taper.nn as nn
import taper.nn.functional as F
import taper.optim as optim
from taper.distributions import Categorical, Normal
from collections import namedtuple
from weights import fill, report

SavedAction = namedtuple("SavedAction", ["log_prob", "value"])


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 16)
        self.action_head = nn.Linear(16, 2)
        self.value_head = nn.Linear(16, 1)
        self.saved_actions = []
        self.rewards = []

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


model = Policy()
fill(model)
optimizer = optim.Adam(model.parameters(), lr=3e-2)
eps = np.finfo(np.float32).eps.item()
rng = np.random.RandomState(0)
for ep in range(4):
    ent = 0
    for t in range(10):
        state = torch.from_numpy(rng.randn(4)).float()
        probs, v = model(state)
        m = Categorical(probs)
        a = m.sample()
        assert a.item() in (0, 1)
        a = torch.tensor(t % 2)
        model.saved_actions.append(SavedAction(m.log_prob(a), v))
        model.rewards.append(float(state[0]))
        ent = ent + m.entropy()
    R = 0
    returns = []
    for r in model.rewards[::-1]:
        R = r + 0.99 * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    pl, vl = [], []
    for (lp, v), R in zip(model.saved_actions, returns):
        adv = R - v.item()
        pl.append(-lp * adv)
        vl.append(F.smooth_l1_loss(v, torch.tensor([R])))
    optimizer.zero_grad()
    loss = torch.stack(pl).sum() + torch.stack(vl).sum() - 0.01 * ent
    loss.backward()
    optimizer.step()
    del model.rewards[:]
    del model.saved_actions[:]
    report("loss", loss)
# PPO bits
mu = torch.zeros(5, 2, requires_grad=True)
log_std = nn.Parameter(torch.zeros(2))
d = torch.distributions.Independent(Normal(mu, log_std.exp()), 1)
act = torch.from_numpy(rng.randn(5, 2).astype("f"))
lp = d.log_prob(act)
ratio = (lp - lp.detach()).exp()
adv = torch.from_numpy(rng.randn(5).astype("f"))
s = -torch.min(ratio * adv, torch.clamp(ratio, 0.8, 1.2) * adv).mean() - 0.01 * d.entropy().mean()
s.backward()
report("ppo", s)
report("g", log_std.grad.sum())
from taper.distributions.transforms import TanhTransform
from taper.distributions import TransformedDistribution

sq = TransformedDistribution(Normal(mu, log_std.exp()), [TanhTransform(cache_size=1)])
a = sq.rsample()
lp = sq.log_prob(a).sum(-1)
lp.mean().backward()
report("tanh", sq.log_prob(torch.full((5, 2), 0.3)).sum())
