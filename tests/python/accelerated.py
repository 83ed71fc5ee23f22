"""A loop with Accelerate, which accumulates gradients over three batches, the last of an epoch over fewer."""

import torch
import torch.nn as nn
from accelerate import Accelerator
from torch.utils.data import DataLoader, TensorDataset

import cardswap
import trainer

args = trainer.options(workers=0)
accelerator = Accelerator(cpu=True, gradient_accumulation_steps=3)
model = nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 4))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10, gamma=0.9)
features = torch.randn(200, 16)
loader = DataLoader(TensorDataset(features, features[:, :4].argmax(1)), batch_size=8, shuffle=True,
                    num_workers=args.workers)
model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
log = trainer.Log(args)
for epoch in cardswap.epochs(max(args.steps // len(loader), 1)):
    for x, y in cardswap.batches(loader):
        with accelerator.accumulate(model):
            loss = nn.functional.cross_entropy(model(x), y)
            accelerator.backward(loss)
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
        log.write(f"of epoch {epoch}, rate {scheduler.get_last_lr()[0].hex()}", loss.item())
log.end()
