"""Lightning with two optimizers that the program steps itself, each with a closure: a generator and what judges it."""

import hashlib

import torch
import torch.nn as nn
from torch.utils.data import DataLoader

import lightning.pytorch as pl

import trainer  # which imports cardswap

args = trainer.options(workers=0)
points = torch.randn(96, 8)
log = trainer.Log(args)


class Game(pl.LightningModule):

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.makes = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 8))
        self.judges = nn.Sequential(nn.Linear(8, 32), nn.LeakyReLU(), nn.Dropout(0.1), nn.Linear(32, 1))

    def training_step(self, real, index):
        makers, judges = self.optimizers()
        losses = []

        def judge():
            fakes = self.makes(torch.randn(len(real), 4)).detach()
            loss = nn.functional.softplus(-self.judges(real)).mean() + nn.functional.softplus(self.judges(fakes)).mean()
            judges.zero_grad()
            self.manual_backward(loss)
            losses.append(loss.item())
            return loss

        def make():
            loss = nn.functional.softplus(-self.judges(self.makes(torch.randn(len(real), 4)))).mean()
            makers.zero_grad()
            self.manual_backward(loss)
            losses.append(loss.item())
            return loss

        with judges.toggle_model():
            judges.step(closure=judge)
        if index % 2 == 0:
            with makers.toggle_model():
                makers.step(closure=make)
        self.log("game", losses[0])
        log.write(f"{self.global_step}, batch {index} of epoch {self.current_epoch}", sum(losses))

    def on_train_epoch_end(self):
        self.lr_schedulers().step()
        log.write(f"after epoch {self.current_epoch}", self.trainer.callback_metrics["game"])

    def configure_optimizers(self):
        makers = torch.optim.Adam(self.makes.parameters(), lr=1e-3, betas=(0.5, 0.9))
        judges = torch.optim.RMSprop(self.judges.parameters(), lr=1e-3)
        return [makers, judges], [torch.optim.lr_scheduler.ExponentialLR(makers, 0.99)]


model = Game()
training = pl.Trainer(
    accelerator="cpu", devices=1, max_epochs=max(args.steps // 12, 1), logger=False, enable_progress_bar=False,
    enable_model_summary=False, enable_checkpointing=False, default_root_dir="/nowhere")
training.fit(model, DataLoader(points, batch_size=8, shuffle=True, num_workers=args.workers))
digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()
log.write("digest " + digest, 0)
