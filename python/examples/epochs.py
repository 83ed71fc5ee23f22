"""Nested loops: epochs with a shuffled loader, BatchNorm, dropout, a schedule that steps at each epoch's end."""

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

import cardswap
import trainer

args = trainer.options(workers=0, batch=8)
model = nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.9)
features = torch.randn(200, 16)
loader = DataLoader(TensorDataset(features, features[:, :4].argmax(1)), batch_size=args.batch, shuffle=True,
                    num_workers=args.workers)
log = trainer.Log(args)
for epoch in cardswap.epochs(max(args.steps // len(loader), 1)):
    model.train()
    for x, y in cardswap.batches(loader):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        log.write(f"of epoch {epoch}", loss.item())
    scheduler.step()
    model.eval()
    with torch.no_grad():
        correct = (model(features).argmax(1) == features[:, :4].argmax(1)).sum()
    log.write(f"after epoch {epoch}: {int(correct)} right", scheduler.get_last_lr()[0])
log.end()
