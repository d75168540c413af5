"""A classifier of texts: batches of their own, packed sequences through a bidirectional LSTM."""

import taper as torch
from taper import nn
from taper.nn.utils.rnn import (
    pad_sequence,
    pack_padded_sequence,
    pad_packed_sequence,
    pack_sequence,
    unpad_sequence,
)
from taper.utils.data import DataLoader, Dataset
import numpy as np
from weights import fill, report

rng = np.random.RandomState(0)


class Text(Dataset):
    def __init__(self):
        self.items = [
            (rng.randint(1, 50, rng.randint(3, 12)).tolist(), int(rng.randint(0, 2))) for _ in range(48)
        ]

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


def collate(batch):
    batch.sort(key=lambda b: len(b[0]), reverse=True)
    seqs, labels = zip(*batch)
    lengths = torch.tensor([len(s) for s in seqs], dtype=torch.int64)
    padded = pad_sequence(
        [torch.tensor(s, dtype=torch.long) for s in seqs], batch_first=True, padding_value=0
    )
    return padded, lengths, torch.tensor(labels, dtype=torch.float32)


class Clf(nn.Module):
    def __init__(self, vocab, emb, hid, bi=True):
        super().__init__()
        self.embedding = nn.Embedding(vocab, emb, padding_idx=0)
        self.rnn = nn.LSTM(emb, hid, num_layers=2, bidirectional=bi, dropout=0.0, batch_first=True)
        self.fc = nn.Linear(hid * 2, 1)
        self.dropout = nn.Dropout(0.5)

    def forward(self, text, lengths):
        e = self.dropout(self.embedding(text)) if not self.training else self.embedding(text)
        packed = pack_padded_sequence(e, lengths.to("cpu"), batch_first=True)
        out, (h, c) = self.rnn(packed)
        out, lens = pad_packed_sequence(out, batch_first=True)
        h = torch.cat((h[-2, :, :], h[-1, :, :]), dim=1)
        return self.fc(h + 0.1 * out.max(dim=1)[0]).squeeze(1)


ds = Text()
loader = DataLoader(ds, batch_size=16, shuffle=False, collate_fn=collate, drop_last=True)
m = Clf(50, 8, 12)
fill(m)
with torch.no_grad():
    m.embedding.weight[m.embedding.padding_idx].fill_(0)
opt = torch.optim.Adam(m.parameters(), lr=1e-2, betas=(0.9, 0.98), eps=1e-9, amsgrad=True)
crit = nn.BCEWithLogitsLoss()
for epoch in range(3):
    tot = 0.0
    m.train()
    for t, l, y in loader:
        opt.zero_grad()
        p = m(t, l)
        loss = crit(p, y)
        acc = (torch.round(torch.sigmoid(p)) == y).float().sum() / len(y)
        loss.backward()
        torch.nn.utils.clip_grad_value_(m.parameters(), 1.0)
        opt.step()
        tot += loss.item() * len(y)
    report("e", tot / len(ds))
    report("acc", acc)
assert float(m.embedding.weight.grad[0].abs().sum()) == 0
p = pack_sequence([torch.ones(3, 2), torch.ones(2, 2)], enforce_sorted=True)
print(p.batch_sizes, p.data.shape)
print(unpad_sequence(torch.ones(3, 2, 2), torch.tensor([3, 2])))
