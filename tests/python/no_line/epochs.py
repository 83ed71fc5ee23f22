"""Epochs over a shuffled loader, with BatchNorm, dropout, a schedule and a best accuracy; gradients are cleared before
the backward pass."""

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

import plain_trainer

args = plain_trainer.options()
model = nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.9)
features = torch.randn(200, 16)
loader = DataLoader(TensorDataset(features, features[:, :4].argmax(1)), batch_size=8, shuffle=True)
log = plain_trainer.Log(args)
best = 0
for epoch in range(max(args.steps // len(loader), 1)):
    model.train()
    for i, (x, y) in enumerate(loader):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.write(f"{i} of epoch {epoch}", loss.item())
    scheduler.step()
    model.eval()
    with torch.no_grad():
        best = max(best, int((model(features).argmax(1) == features[:, :4].argmax(1)).sum()))
    log.note(f"after epoch {epoch}: {best} right at best", scheduler.get_last_lr()[0])
log.end(model, optimizer, scheduler)
