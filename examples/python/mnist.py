"""Trains a small convolutional network on 4,000 handwritten digits and tests it on 1,000 others.

Saves a checkpoint, loads it into a fresh network, and draws 25 test digits with their predictions and the
learning curve into mnist.png. The last line is the accuracy on the test digits.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

import taper
from taper import nn
from taper.nn import functional as F
from taper.utils.data import DataLoader, TensorDataset

HERE = Path(__file__).resolve().parent


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 24, 5, padding=2)
        self.conv2 = nn.Conv2d(24, 48, 3, padding=1)
        self.fc1 = nn.Linear(48 * 7 * 7, 128)
        self.fc2 = nn.Linear(128, 10)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(self.dropout(x))


def load(path):
    """Training and test digits: of the digits, which come as 0 to 9 in turn, every fifth ten is kept for the
    test."""
    data = np.load(path)
    images = data["images"].astype(np.float32)[:, None] / 255
    labels = data["labels"].astype(np.int64)
    test = np.arange(len(labels)) // 10 % 5 == 4
    return [TensorDataset(taper.tensor(images[part]), taper.tensor(labels[part])) for part in (~test, test)]


def shifted(images):
    """The images moved by up to two pixels, at random: more digits than there are."""
    down, right = taper.randint(0, 5, (2,)).tolist()
    return F.pad(images, (2, 2, 2, 2))[:, :, down : down + 28, right : right + 28]


class Bar:
    """A line that shows how far training is, with rate, loss, accuracy and the time left."""

    def __init__(self, total):
        self.total, self.done, self.start = total, 0, time.perf_counter()

    def show(self, count, epoch, loss, accuracy):
        self.done += count
        seconds = time.perf_counter() - self.start
        rate = self.done / seconds
        filled = int(30 * self.done / self.total)
        left = (self.total - self.done) / rate
        line = (
            f"epoch {epoch:2d} [{'#' * filled}{'.' * (30 - filled)}] {rate:6.0f} digits/s  loss {loss:.4f}  "
            f"accuracy {accuracy:6.2f} %  {left:4.0f} s left"
        )
        end = "\r" if sys.stderr.isatty() else "\n"
        if sys.stderr.isatty() or self.done % (self.total // 8) < count:
            print(line, end=end, file=sys.stderr, flush=True)


def device_of(model):
    """Where the network's parameters are."""
    return next(model.parameters()).device


@taper.no_grad()
def probabilities(model, dataset):
    """What the network makes of each digit."""
    model.eval()
    result = F.softmax(model(dataset.tensors[0].to(device_of(model))), 1).cpu()
    model.train()
    return result


def accuracy(model, dataset):
    """Percentage of digits that are classified rightly."""
    hits = probabilities(model, dataset).argmax(1) == dataset.tensors[1]
    return 100 * hits.float().mean().item()


def train(model, training, test, epochs):
    """Trains with Adam and a falling rate; returns losses and test accuracies by epoch."""
    loader = DataLoader(training, batch_size=64, shuffle=True, drop_last=True)
    optimizer = taper.optim.Adam(model.parameters(), lr=2e-3)
    schedule = taper.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    bar = Bar(epochs * len(loader) * 64)
    curve = []
    reached = 0.0
    for epoch in range(1, epochs + 1):
        total = 0.0
        for images, labels in loader:
            images, labels = images.to(device_of(model)), labels.to(device_of(model))
            loss = F.cross_entropy(model(shifted(images)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
            bar.show(len(labels), epoch, loss.item(), reached)
        schedule.step()
        reached = accuracy(model, test)
        curve.append((total / len(loader), reached))
    print(file=sys.stderr)
    return curve


def draw(path, model, test, curve):
    """25 test digits with predictions and probabilities, and the learning curve, as a PNG."""
    try:
        from PIL import Image, ImageDraw
    except ImportError:
        print("no picture: Pillow is not installed (pip install 'taper-dl[examples]')")
        return
    picture = Image.new("RGB", (1100, 560), "white")
    pen = ImageDraw.Draw(picture)
    chances = probabilities(model, test)
    best = chances.argmax(1).tolist()
    for place in range(25):
        image, label = test[place * 40]
        x, y = 20 + place % 5 * 105, 10 + place // 5 * 108
        pixels = Image.fromarray((255 - image[0].numpy() * 255).astype(np.uint8)).resize((84, 84))
        picture.paste(pixels, (x, y))
        guess = best[place * 40]
        chance = chances[place * 40, guess].item()
        pen.text(
            (x, y + 86), f"{guess}  {100 * chance:.1f} %", fill="black" if guess == int(label) else "red"
        )
    left, right, top, bottom = 620, 1060, 40, 500
    pen.rectangle((left, top, right, bottom), outline="gray")
    points = len(curve)
    for values, low, high, color, name in (
        ([c[0] for c in curve], 0, max(c[0] for c in curve), "blue", "training loss"),
        ([c[1] for c in curve], 90, 100, "green", "test accuracy, 90 to 100 %"),
    ):
        line = [
            (
                left + (right - left) * i / max(points - 1, 1),
                bottom - (bottom - top) * (min(max(v, low), high) - low) / max(high - low, 1e-9),
            )
            for i, v in enumerate(values)
        ]
        if len(line) > 1:
            pen.line(line, fill=color, width=2)
        pen.text((left + 10, bottom + (8 if color == "blue" else 24)), name, fill=color)
    picture.save(path)
    print(f"wrote {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", default=HERE.parent / "data" / "mnist5k.npz", help="the digits, an .npz file"
    )
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument(
        "--out", type=Path, default=Path("."), help="folder of the checkpoint and the picture"
    )
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    try:
        taper.zeros(1, device=options.device).item()
    except (RuntimeError, ValueError) as error:  # no such device, or none that runs kernels
        sys.exit(f"--device {options.device}: {error}")

    taper.manual_seed(0)
    training, test = load(options.data)
    model = Net().to(options.device)
    start = time.perf_counter()
    curve = train(model, training, test, options.epochs)
    print(
        f"trained {options.epochs} epochs in {time.perf_counter() - start:.1f} s on "
        f"{taper.get_num_threads()} threads"
    )

    checkpoint = options.out / "mnist.checkpoint"
    taper.save({"model": model.state_dict(), "epochs": options.epochs}, checkpoint)
    again = Net().to(options.device)
    again.load_state_dict(taper.load(checkpoint)["model"])
    reached = accuracy(model, test)
    if accuracy(again, test) != reached:
        sys.exit("the loaded network differs from the saved one")
    draw(options.out / "mnist.png", model, test, curve)
    print(f"test accuracy {reached:.2f} %")


if __name__ == "__main__":
    main()
