# A program, not a test: trains a small network on "cuda" and on the CPU and prints both loss curves. Started by
# test_host_device.py with TAPER_CUDA_LIBRARY set.
import io
import json
import pickle
import sys

import taper
from taper import nn
from taper.nn import functional as F


def curve(device, optimizer):
    taper.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.LayerNorm(16), nn.Dropout(0.25), nn.Linear(16, 4))
    images, labels = taper.randn(32, 6), taper.randint(0, 4, (32,))
    model, images, labels = model.to(device), images.to(device), labels.to(device)
    steps = getattr(taper.optim, optimizer)(model.parameters(), lr=0.05)
    taper.manual_seed(1)
    losses = []
    for _ in range(5):
        loss = F.cross_entropy(model(images), labels)
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses.append(loss.item())
    assert {p.device.type for p in model.parameters()} == {device}
    return losses


def everyday():
    """Ways in which programs meet a tensor on a device."""
    x = taper.arange(6.0).reshape(2, 3).to("cuda")
    assert x.device == taper.device("cuda", 0) and x.is_cuda and x.get_device() == 0
    assert repr(x).endswith("device='cuda:0')") and "5." in repr(x)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]] and x[1, 2].item() == 5 and float(x[0, 1]) == 1
    assert taper.equal(x.cpu(), taper.arange(6.0).reshape(2, 3)) and (x.to("cuda:1").to("cuda:0") == x).all()
    assert pickle.loads(pickle.dumps(x)).device == x.device
    file = io.BytesIO()
    taper.save({"x": x}, file)
    file.seek(0)
    assert taper.load(file)["x"].device == x.device
    file.seek(0)
    assert taper.load(file, map_location="cpu")["x"].device.type == "cpu"
    x[0] = 7
    x[1, 1] = taper.tensor(9.0)
    assert (2 * x + x[:, :1]).sum().item() == 7 * 9 + (6 + 18 + 10) + 9
    assert x.new_zeros(2).device == x.device and taper.zeros_like(x).device == x.device
    assert x.double().device == x.device and x.to("cpu", taper.float64).dtype is taper.float64
    for refused in (
        lambda: x.numpy(),
        lambda: x + taper.ones(2, 3),
        lambda: x.cpu() @ x.t(),
        lambda: memoryview(x),
    ):
        try:
            refused()
        except (taper.DeviceError, TypeError, BufferError):
            continue
        raise AssertionError("not refused")
    try:
        taper.histc(x, 4, 0, 1)
    except taper.DeviceError as error:
        assert "histc: has no kernel for cuda:0" in str(error)
    with taper.cuda.device(1):
        assert taper.zeros(2, device="cuda").device.index == 1
    taper.cuda.synchronize()
    assert taper.cuda.memory_allocated() > 0


if __name__ == "__main__":
    everyday()
    names = sys.argv[1:]
    print(json.dumps({name: [curve("cpu", name), curve("cuda", name)] for name in names}))
