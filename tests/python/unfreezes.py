"""A head that is trained first; the layers below it are given to the optimizer later, as a group of their own."""

import torch
import torch.nn as nn

import cardswap
import trainer

args = trainer.options(unfreeze_at=2, optimizer="adafactor")
body = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh())
model = nn.Sequential(body, nn.Linear(32, 4))
body.requires_grad_(False)
if args.optimizer == "sgd":
    optimizer = torch.optim.SGD(model[1].parameters(), lr=1e-2)
else:
    optimizer = torch.optim.Adafactor(model[1].parameters(), lr=1e-2)
log = trainer.Log(args)
for step in cardswap.batches(range(args.steps)):
    if step == args.unfreeze_at:
        body.requires_grad_(True)
        optimizer.add_param_group({"params": body.parameters(), "lr": 1e-3})
    x = torch.randn(8, 16)
    loss = nn.functional.cross_entropy(model(x), x[:, :4].argmax(1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    log.write(f"{step}, {len(optimizer.param_groups)} groups", loss.item())
log.end()
