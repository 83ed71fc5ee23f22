"""Lightning with its automatic optimization: shuffled epochs, BatchNorm, dropout, gradients over two batches, a schedule,
averages of an epoch, a metric of torchmetrics, validation and an early stop that nothing of Cardswap knows of."""

import hashlib

import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

import lightning.pytorch as pl
import torchmetrics

import trainer  # which imports cardswap

args = trainer.options(workers=0)
features = torch.randn(96, 16)
labels = features[:, :4].argmax(1)
log = trainer.Log(args)


class Net(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 4))
        self.right = torchmetrics.Accuracy("multiclass", num_classes=4)
        self.batches = 0  # which its checkpoints have

    def training_step(self, batch, index):
        x, y = batch
        out = self.net(x)
        loss = nn.functional.cross_entropy(out, y)
        self.batches += 1
        self.right(out, y)
        self.log("right", self.right, on_step=False, on_epoch=True)
        self.log("loss", loss, on_step=True, on_epoch=True)
        if index == 5:
            self.log("sixth", loss, on_step=False, on_epoch=True, reduce_fx="max")
        log.write(f"{self.global_step}, batch {index} of epoch {self.current_epoch}, {self.batches} in all", loss.item())
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        self.log("val_loss", nn.functional.cross_entropy(self.net(x), y))

    def on_train_epoch_end(self):
        for name, value in sorted(self.trainer.callback_metrics.items()):
            log.write(f"after epoch {self.current_epoch}: {name}", value)

    def on_save_checkpoint(self, checkpoint):
        checkpoint["batches"] = self.batches

    def on_load_checkpoint(self, checkpoint):
        self.batches = checkpoint["batches"]

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2)
        return [optimizer], [{"scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 7, 0.97), "interval": "step"}]


class Told(pl.Callback):
    """What it has is in its state, as a checkpoint has it."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        self.seen = [*self.seen[-3:], index]

    def on_train_epoch_end(self, trainer, module):
        log.write(f"the latest batches: {self.seen}", 0)

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


model = Net()
training = pl.Trainer(
    accelerator="cpu", devices=1, max_steps=args.steps, max_epochs=-1, accumulate_grad_batches=2, gradient_clip_val=1.0,
    logger=False, enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    default_root_dir="/nowhere", callbacks=[Told(), pl.callbacks.EarlyStopping("val_loss", patience=1000)])
training.fit(model, DataLoader(TensorDataset(features, labels), batch_size=8, shuffle=True, num_workers=args.workers),
             DataLoader(TensorDataset(features, labels), batch_size=32))
digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()
log.write("digest " + digest, 0)
