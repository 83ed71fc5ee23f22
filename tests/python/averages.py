"""An average of the weights that warms up, a schedule in two parts that does too, and a loader with two workers."""

import copy

import torch
import torch.nn as nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

import cardswap
import trainer

args = trainer.options(workers=2)
model = nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 4))
averaged = copy.deepcopy(model).requires_grad_(False)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
scheduler = lr_scheduler.SequentialLR(
    optimizer, [lr_scheduler.LinearLR(optimizer, 0.01, total_iters=30), lr_scheduler.CosineAnnealingLR(optimizer, 400)],
    milestones=[30])
features = torch.randn(200, 16)
loader = DataLoader(TensorDataset(features, features[:, :4].argmax(1)), batch_size=8, shuffle=True,
                    num_workers=args.workers)
averaging = {"updates": 0}
cardswap.track("averaging", averaging)


@torch.no_grad()
def update_average():
    averaging["updates"] += 1
    decay = min(0.99, (1 + averaging["updates"]) / (10 + averaging["updates"]))
    for average, now in zip(averaged.state_dict().values(), model.state_dict().values()):
        if average.is_floating_point():
            average.lerp_(now, 1 - decay)
        else:
            average.copy_(now)


log = trainer.Log(args)
for epoch in cardswap.epochs(max(args.steps // len(loader), 1)):
    for x, y in cardswap.batches(loader):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        update_average()
        log.write(f"of epoch {epoch}, rate {scheduler.get_last_lr()[0].hex()}", loss.item())
    averaged.eval()
    with torch.no_grad():
        log.write(f"after epoch {epoch}: the average", nn.functional.cross_entropy(averaged(features), features[:, :4].argmax(1)))
    averaged.train()
log.end()
