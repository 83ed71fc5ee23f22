"""A loader with workers as processes of its own, which draw by themselves: `--persistent 1` keeps them from epoch to
epoch."""

import random

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

import plain_trainer


class Noisy(Dataset):
    def __len__(self):
        return 200

    def __getitem__(self, i):
        x = torch.full((2100,), i / 200) + torch.randn(2100) * random.random()
        return x.view(21, 100).t(), {"label": i % 4, "weight": torch.rand(())}


args = plain_trainer.options(workers=2, persistent=0)
model = nn.Sequential(nn.Flatten(), nn.Linear(2100, 64), nn.Tanh(), nn.Linear(64, 4))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
loader = DataLoader(Noisy(), batch_size=8, shuffle=True, num_workers=args.workers,
                    persistent_workers=bool(args.persistent))
log = plain_trainer.Log(args)
for epoch in range(max(args.steps // len(loader), 1)):
    for i, (x, target) in enumerate(loader):
        optimizer.zero_grad()
        losses = nn.functional.cross_entropy(model(x), target["label"], reduction="none")
        loss = (losses * target["weight"]).mean()
        loss.backward()
        optimizer.step()
        log.write(f"{i} of epoch {epoch}", loss.item())
log.end(model, optimizer)
