"""A small GPT in the manner of nanoGPT: `while True`, the next batch fetched ahead, gradients accumulated, a warm-up
and a decay of the learning rate, and everything of the loop in global variables."""

import math
import sys

import torch
import torch.nn as nn
from torch.nn import functional as F

import cardswap
import trainer

args = trainer.options(optimizer="adamw", accumulate=2, width=64)
block_size, batch_size = 32, 4
data = torch.frombuffer(bytearray(b"the quick brown fox jumps over the lazy dog; " * 200), dtype=torch.uint8).long()


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(0.1))

    def forward(self, x):
        b, t, c = x.size()
        q, k, v = (part.view(b, t, 4, c // 4).transpose(1, 2) for part in self.attn(self.ln_1(x)).split(c, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=0.1 if self.training else 0, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(b, t, c))
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(128, width), nn.Embedding(block_size, width)
        self.h = nn.ModuleList([Block(width), Block(width)])
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, 128, bias=False)
        self.wte.weight = self.lm_head.weight  # tied

    def forward(self, idx, targets):
        x = self.wte(idx) + self.wpe(torch.arange(idx.size(1)))
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        return F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1))


def get_batch():
    ix = torch.randint(len(data) - block_size, (batch_size,))
    x = torch.stack([data[i:i + block_size] for i in ix])
    return x, torch.stack([data[i + 1:i + 1 + block_size] for i in ix])


def get_lr(it):
    if it < 20:
        return 1e-3 * (it + 1) / 20
    return 1e-4 + 0.5 * (1e-3 - 1e-4) * (1 + math.cos(math.pi * min(it / args.steps, 1)))


def make_optimizer(parameters):
    decay = [p for p in parameters if p.dim() >= 2]
    others = [p for p in parameters if p.dim() < 2]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    if args.optimizer == "fused":
        return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95), fused=True)
    if args.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=1e-3, momentum=0.9, foreach=True)
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95))


model = GPT(args.width)
optimizer = make_optimizer(list(model.parameters()))
X, Y = get_batch()
iter_num = 0
cardswap.track("loop", sys.modules[__name__], attributes=["iter_num", "X", "Y"])
log = trainer.Log(args)
while True:
    for group in optimizer.param_groups:
        group["lr"] = get_lr(iter_num)
    lossf = 0.0
    for _ in range(args.accumulate):
        loss = model(X, Y) / args.accumulate
        X, Y = get_batch()  # ahead, while a GPU would compute
        loss.backward()
        lossf += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    log.write(iter_num, lossf)
    iter_num += 1
    cardswap.boundary()
    if iter_num >= args.steps:
        break
log.end()
