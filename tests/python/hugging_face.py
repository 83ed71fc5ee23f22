"""Hugging Face's Trainer with its defaults: shuffled epochs, dropout, the fused AdamW, gradients over two batches, an
average loss told each five steps. Nothing of Cardswap is called."""

import hashlib

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

import trainer  # which imports cardswap

args = trainer.options(workers=0)
words = torch.randint(64, (100, 16))
log = trainer.Log(args)


class Told(Trainer):
    def compute_loss(self, model, inputs, *more, **named):
        loss = super().compute_loss(model, inputs, *more, **named)
        log.write(f"{self.state.global_step}", loss)
        return loss


class Logs(TrainerCallback):
    def on_log(self, args, state, control, logs, **_):
        if "loss" in logs:
            log.write(f"{state.global_step}, rate {logs['learning_rate'].hex()}, norm {logs['grad_norm'].hex()}", logs["loss"])


model = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_positions=16, n_embd=32, n_layer=2, n_head=2))
training = Told(
    model,
    TrainingArguments(
        "/tmp/not-written", max_steps=args.steps, per_device_train_batch_size=4, gradient_accumulation_steps=2,
        logging_steps=5, save_strategy="no", report_to="none", disable_tqdm=True, use_cpu=True,
        dataloader_num_workers=args.workers),
    train_dataset=[{"input_ids": line, "labels": line} for line in words], callbacks=[Logs()])
training.train()
digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest()
log.write("digest " + digest, 0)
