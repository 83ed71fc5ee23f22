"""A small GPT in the manner of nanoGPT, all of whose loop is local: the batch that was fetched ahead, the counters, a
running loss. Gradients are cleared behind the step."""

import math

import torch
import torch.nn as nn
from torch.nn import functional as F

import plain_trainer

BLOCK, BATCH = 32, 4


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
    def __init__(self, width, rows):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(128, width), nn.Embedding(BLOCK + rows, width)
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


def main():
    args = plain_trainer.options(accumulate=2, width=64, rows=0, views=0)
    data = torch.frombuffer(bytearray(b"the quick brown fox jumps over the lazy dog; " * 200), dtype=torch.uint8).long()

    def get_batch():
        ix = torch.randint(len(data) - BLOCK, (BATCH,))
        return (torch.stack([data[i + ahead:i + ahead + BLOCK] for i in ix]) for ahead in (0, 1))

    model = GPT(args.width, args.rows)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95))
    log = plain_trainer.Log(args)
    x, y = get_batch()
    step, running = 0, 4.0
    while step < args.steps:
        for group in optimizer.param_groups:
            group["lr"] = 1e-4 + 5e-4 * (1 + math.cos(math.pi * step / args.steps))
        total = 0.0
        for _ in range(args.accumulate):
            loss = model(x, y) / args.accumulate
            x, y = get_batch()  # ahead, while a GPU would compute
            loss.backward()
            total += loss.item()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if args.views and step == 0:  # of all tensors: none of them can be given other memory
            args.held = [tensor.view(-1) for p in model.parameters() for tensor in (p.data, *optimizer.state[p].values())]
        optimizer.zero_grad(set_to_none=True)
        running = 0.9 * running + 0.1 * total
        log.write(f"{step} running {running.hex()}", total)
        step += 1
    log.end(model, optimizer)


main()
