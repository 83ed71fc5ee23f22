"""A job whose tensors share memory in each way that a state_dict knows, and which saves it at each step, as a program
does that takes checkpoints itself."""

import os

import torch
import torch.nn as nn

import cardswap
import trainer


class Net(nn.Module):
    """Tied weights, a module under two names, parameters in one memory, a transposed one, and buffers of many kinds."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(32, 16)
        self.mix = nn.Linear(16, 16)
        self.mix_again = self.mix
        self.norm = nn.BatchNorm1d(16)
        self.head = nn.Linear(16, 32, bias=False)
        self.head.weight = self.embedding.weight
        memory = torch.randn(2 * 16)
        self.scale = nn.Parameter(memory[:16])
        self.shift = nn.Parameter(memory[16:])
        self.turn = nn.Parameter(torch.randn(8, 16).t() / 8)
        self.frozen = nn.Parameter(torch.randn(3), requires_grad=False)
        self.register_buffer("mean", torch.zeros(16, dtype=torch.bfloat16))
        self.register_buffer("nothing", torch.zeros(0))
        self.register_buffer("cache", torch.arange(16.0), persistent=False)

    def forward(self, tokens):
        h = self.embedding(tokens)
        h = self.mix_again(torch.tanh(self.mix(h))) * self.scale + self.shift + self.cache / 100
        h = self.norm(h + h @ self.turn @ self.turn.t())
        self.mean.copy_(h.detach().mean(0))
        return self.head(h)


def make_optimizer(model):
    decayed = [p for p in model.parameters() if p.requires_grad and p.dim() > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.dim() <= 1]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1},
                              {"params": others, "weight_decay": 0.0, "lr": 3e-3}], lr=1e-2)


def train():
    args = trainer.options()
    model = Net()
    optimizer = make_optimizer(model)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.9)
    done = {"steps": 0}
    cardswap.track("done", done)
    cardswap.attach("config.json", __file__)
    states = args.loss_log + ".states"
    os.makedirs(states, exist_ok=True)
    log = trainer.Log(args)
    while done["steps"] < args.steps:
        tokens = torch.randint(32, (8,))
        loss = nn.functional.cross_entropy(model(tokens), tokens.roll(1))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        done["steps"] += 1
        if not cardswap.is_standby():
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "rng": torch.get_rng_state(),
                        "schedule": schedule.state_dict()}, f"{states}/{done['steps']}.pt")
        log.write(done["steps"], loss.item())
        cardswap.boundary()
    log.end()


if __name__ == "__main__":
    train()
