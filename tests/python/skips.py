"""A gradient scaler whose scale grows too far at each step that it lets pass: most steps are skipped."""

import torch
import torch.nn as nn

import cardswap
import trainer

args = trainer.options(optimizer="adamw")
model = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Dropout(0.1), nn.Linear(64, 4))
if args.optimizer == "fused":
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
else:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**110, growth_factor=2.0**6, backoff_factor=0.5, growth_interval=1)
log = trainer.Log(args)
done = {"steps": 0, "skips": 0}
cardswap.track("done", done)
while done["steps"] < args.steps:
    x = torch.randn(8, 16)
    loss = nn.functional.cross_entropy(model(x), x[:, :4].argmax(1)) * 2**16  # so that the scale stays finite
    scaler.scale(loss).backward()
    before = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad()
    is_skip = scaler.get_scale() < before
    done["steps"] += 1
    done["skips"] += is_skip
    log.write(f"{done['steps']}, {done['skips']} skipped{', this too' if is_skip else ''}", loss.item())
    cardswap.boundary()
log.end()
