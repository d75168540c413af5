"""Two networks against each other, with spectral norm and, for another critic, a gradient penalty."""

import taper as torch
import numpy as np
import taper.nn as nn
import taper.nn.parallel
import taper as torch
import taper.utils.data
import taper as torch
from taper.autograd import Variable, grad
from weights import fill, report

nz, ngf, nc = 10, 8, 3


def weights_init(m):
    classname = m.__class__.__name__
    if classname.find("Conv") != -1:
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif classname.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


class G(nn.Module):
    def __init__(self, ngpu):
        super().__init__()
        self.ngpu = ngpu
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, ngf * 2, 4, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf, nc, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, x):
        return self.main(x)


class D(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(
            nn.utils.spectral_norm(nn.Conv2d(nc, 8, 4, 2, 1, bias=False)),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(8, 16, 4, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(16, 1, 4, 1, 0, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.main(x).view(-1)


netG, netD = G(0), D()
netG.apply(weights_init)
netD.apply(weights_init)
rng = np.random.RandomState(0)


def start(m):
    with torch.no_grad():
        for n, p in m.named_parameters():
            if p.dim() == 4:
                p.copy_(torch.from_numpy(rng.randn(*p.shape).astype("f") * 0.1))
            elif n.endswith("weight"):
                p.fill_(1)
            else:
                p.zero_()
        for n, b in m.named_buffers():
            if n.endswith(("_u", "_v")):
                b.copy_(
                    torch.nn.functional.normalize(torch.from_numpy(rng.randn(*b.shape).astype("f")), dim=0)
                )


start(netG)
start(netD)
criterion = nn.BCELoss()
fixed_noise = torch.randn(8, nz, 1, 1)
optD = torch.optim.Adam(netD.parameters(), lr=0.0002, betas=(0.5, 0.999))
optG = torch.optim.Adam(netG.parameters(), lr=0.0002, betas=(0.5, 0.999))
real_label, fake_label = 1.0, 0.0
for i in range(4):
    netD.zero_grad()
    real = torch.from_numpy(rng.rand(8, 3, 16, 16).astype("f") * 2 - 1)
    label = torch.full((8,), real_label, dtype=torch.float, device="cpu")
    out = netD(real).view(-1)
    errD_real = criterion(out, label)
    errD_real.backward()
    D_x = out.mean().item()
    noise = torch.from_numpy(rng.randn(8, nz, 1, 1).astype("f"))
    fake = netG(noise)
    label.fill_(fake_label)
    out = netD(fake.detach()).view(-1)
    errD_fake = criterion(out, label)
    errD_fake.backward()
    errD = errD_real + errD_fake
    optD.step()
    netG.zero_grad()
    label.fill_(real_label)
    out = netD(fake).view(-1)
    errG = criterion(out, label)
    errG.backward()
    optG.step()
    report("D", errD)
    report("G", errG)
    report("Dx", D_x)


def gradient_penalty(critic, real, fake):
    eps = torch.from_numpy(rng.rand(real.size(0), 1, 1, 1).astype("f"))
    inter = Variable(eps * real + (1 - eps) * fake, requires_grad=True)
    d = critic(inter)
    g = grad(
        outputs=d,
        inputs=inter,
        grad_outputs=torch.ones(d.size()),
        create_graph=True,
        retain_graph=True,
        only_inputs=True,
    )[0]
    g = g.view(g.size(0), -1)
    return ((g.norm(2, dim=1) - 1) ** 2).mean()


critic = nn.Sequential(
    nn.Conv2d(3, 4, 3, 2, 1),
    nn.LeakyReLU(0.2),
    nn.InstanceNorm2d(4, affine=True),
    nn.Flatten(),
    nn.Linear(256, 1),
)
fill(critic, 4)
gp = gradient_penalty(critic, real, fake.detach())
gp.backward()
report("gp", gp)
report("gpn", sum(p.grad.norm() for p in critic.parameters() if p.grad is not None))
