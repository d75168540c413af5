"""A residual network on small images: groups with and without weight decay, a schedule, a checkpoint."""

import tempfile
import taper as torch
import taper.nn as nn
import taper.optim as optim
import taper.backends.cudnn as cudnn
from typing import Callable, List, Optional, Type
from taper import Tensor
from weights import report
import numpy as np


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    return nn.Conv2d(
        in_planes,
        out_planes,
        kernel_size=3,
        stride=stride,
        padding=dilation,
        groups=groups,
        bias=False,
        dilation=dilation,
    )


class BasicBlock(nn.Module):
    expansion: int = 1

    def __init__(
        self,
        inplanes,
        planes,
        stride=1,
        downsample: Optional[nn.Module] = None,
        norm_layer: Optional[Callable[..., nn.Module]] = None,
    ):
        super().__init__()
        norm_layer = norm_layer or nn.BatchNorm2d
        self.conv1 = conv3x3(inplanes, planes, stride)
        self.bn1 = norm_layer(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(planes, planes)
        self.bn2 = norm_layer(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self, block: Type[BasicBlock], layers: List[int], num_classes=10):
        super().__init__()
        self.inplanes = 8
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = self._make_layer(block, 8, layers[0])
        self.layer2 = self._make_layer(block, 16, layers[1], stride=2)
        self.layer3 = self._make_layer(block, 32, layers[2], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(32 * block.expansion, num_classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, (nn.BatchNorm2d, nn.GroupNorm)):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def _make_layer(self, block, planes, blocks, stride=1):
        downsample = None
        if stride != 1 or self.inplanes != planes:
            downsample = nn.Sequential(
                nn.Conv2d(self.inplanes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)
            )
        layers = [block(self.inplanes, planes, stride, downsample)]
        self.inplanes = planes
        for _ in range(1, blocks):
            layers.append(block(self.inplanes, planes))
        return nn.Sequential(*layers)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = self.avgpool(x)
        return self.fc(torch.flatten(x, 1))


cudnn.benchmark = True
torch.backends.cuda.matmul.allow_tf32 = True
torch.backends.cudnn.deterministic = True
model = ResNet(BasicBlock, [1, 1, 1])
rng = np.random.RandomState(3)
with torch.no_grad():
    for m in model.modules():
        if isinstance(m, nn.Conv2d):
            m.weight.copy_(torch.from_numpy(rng.randn(*m.weight.shape).astype("f") * 0.1))
    for p in model.fc.parameters():
        p.copy_(torch.from_numpy(rng.randn(*p.shape).astype("f") * 0.1))
decay = [p for n, p in model.named_parameters() if p.ndim > 1]
no_decay = [p for n, p in model.named_parameters() if p.ndim <= 1]
optimizer = optim.SGD(
    [{"params": decay, "weight_decay": 5e-4}, {"params": no_decay, "weight_decay": 0.0}],
    lr=0.1,
    momentum=0.9,
    nesterov=True,
)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)
crit = nn.CrossEntropyLoss(label_smoothing=0.1)
y = rng.randint(0, 10, 32)
x = (rng.randn(32, 3, 16, 16) * 0.3 + y[:, None, None, None] * 0.2).astype("f")
x, y = torch.from_numpy(x), torch.as_tensor(y)
mean = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
std = torch.tensor((0.2, 0.2, 0.2)).view(1, 3, 1, 1)
x = (x - mean) / std
model = model.to(memory_format=torch.channels_last)
x = x.to(memory_format=torch.channels_last, non_blocking=True)
model.train()
for e in range(5):
    optimizer.zero_grad(set_to_none=True)
    out = model(x)
    loss = crit(out, y)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimizer.step()
    scheduler.step()
    report(f"loss{e}", loss)
    report("lr", scheduler.get_last_lr()[0])
model.eval()
with torch.inference_mode():
    out = model(x)
    _, predicted = out.max(1)
    report("acc", predicted.eq(y).sum().item() / y.size(0))
    prob, top = torch.topk(out.softmax(-1), 5, dim=1)
    report("top5", top.eq(y.view(-1, 1).expand_as(top)).any(1).float().mean())
checkpoint = {
    "net": model.state_dict(),
    "epoch": 5,
    "opt": optimizer.state_dict(),
    "sched": scheduler.state_dict(),
}
with tempfile.NamedTemporaryFile(suffix=".pth") as file:
    torch.save(checkpoint, file.name)
    loaded = torch.load(file.name, map_location="cpu", weights_only=False)
model.load_state_dict(loaded["net"])
optimizer.load_state_dict(loaded["opt"])
scheduler.load_state_dict(loaded["sched"])
assert loaded["epoch"] == 5 and scheduler.last_epoch == 5
