#!/usr/bin/env python3
"""Trains the demo model on CPU: data-parallel worker processes that share parameters, gradients and optimiser state.

  train.py OUTDIR --text FILE... [--deadline HH:MM | --seconds N] [--workers 2] [--resume]
  train.py OUTDIR --text FILE... --mtp-only [...]     afterwards: the MTP layer alone, main model frozen

Matrices inside the blocks are trained with Muon, everything else with Adam. The learning rate warms up, stays, and
falls linearly to zero over the last part of the time given, so that the run always ends annealed. With --mtp-only the
MTP layer learns the main model's own first choice instead of the text, which is what a draft has to match.
OUTDIR gets tokenizer.json and checkpoint.pt.
"""
import os
for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):
    os.environ.setdefault(name, '1')                        # one worker process per core instead

import argparse
import ctypes
import datetime
import math
import time

import torch
import torch.multiprocessing as mp
import torch.nn.functional as F

from bpe import Tokenizer, train as train_bpe
from corpus import split_corpus
from model import Config, Model

MTP_WEIGHT, MTP_ONLY_LR = 0.3, 0.3                         # of the loss; of the learning rates below, with --mtp-only
MUON_LR, MUON_MOMENTUM, MUON_DECAY = 0.02, 0.95, 0.05
ADAM_LR = {'token_embd': 2e-2, 'output': 3e-3, 'ffn_gate_inp': 2e-3}
ADAM_LR_VECTORS, ADAM_BETAS = 3e-3, (0.9, 0.98)
BIAS_STEP = 0.005
WARMUP_STEPS = 80
CHECKPOINT_SECONDS = 300


class Sampler:
    """Every epoch cuts the token stream at another offset and visits the pieces in random order."""

    def __init__(self, stream, length, bos, seed=0):
        self.stream, self.length, self.bos, self.seed = stream, length, bos, seed
        self.epoch, self.todo = 0, []

    def batch(self, n):
        rows = []
        while len(rows) < n:
            if not self.todo:
                g = torch.Generator().manual_seed(1000 * self.seed + self.epoch)
                offset = torch.randint(self.length, (1,), generator=g).item()
                starts = torch.arange(offset, len(self.stream) - self.length - 2, self.length)
                self.todo = starts[torch.randperm(len(starts), generator=g)].tolist()
                self.epoch += 1
            s = self.todo.pop()
            rows.append(self.stream[s:s + self.length + 1])
        x = torch.stack(rows).long()
        return torch.cat((torch.full((n, 1), self.bos), x), 1)  # length + 2 tokens: BOS and length + 1 of text


def losses(model, tokens, dtype=torch.bfloat16, mtp_share=1.0):
    """Mean cross-entropy of the next token (main model) and of the one behind it (MTP layer).

    The MTP layer sees only the given share of the sequences, which saves time."""
    h = model.hidden(tokens[:, :-2], dtype)
    main = F.cross_entropy(model.logits(h, dtype).flatten(0, 1), tokens[:, 1:-1].flatten())
    n = math.ceil(mtp_share * len(tokens))
    m = model.mtp_hidden(h[:n], tokens[:n, 1:-1], dtype)
    mtp = F.cross_entropy(model.logits(m, dtype).flatten(0, 1), tokens[:n, 2:].flatten())
    return main, mtp


def draft_losses(model, tokens, dtype=torch.bfloat16, mtp_share=1.0):
    """As losses(), but the MTP layer's target is the main model's first choice, and only that layer gets gradients."""
    with torch.no_grad():
        h = model.hidden(tokens[:, :-1], dtype)
        logits = model.logits(h, dtype)
        main = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        target = logits[:, 1:].argmax(-1)
        del logits
    m = model.mtp_hidden(h[:, :-1], tokens[:, 1:-1], dtype)
    return main, F.cross_entropy(model.logits(m, dtype).flatten(0, 1), target.flatten())


def orthogonalise(g):
    """Newton-Schulz iteration of Muon on a batch of matrices [n, rows, cols] with rows <= cols."""
    x = (g / (g.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return x.float()


def muon_step(p, grad, momentum, lr):
    momentum.lerp_(grad, 1 - MUON_MOMENTUM)
    g = grad.lerp(momentum, MUON_MOMENTUM)                  # Nesterov
    rows, cols = g.shape[-2:]
    g = g.reshape(-1, rows, cols)
    u = orthogonalise(g.transpose(1, 2)).transpose(1, 2) if rows > cols else orthogonalise(g)
    p.mul_(1 - lr * MUON_DECAY).add_(u.reshape(p.shape), alpha=-lr * math.sqrt(max(1, rows / cols)))


def adam_step(p, grad, m, v, lr, step):
    m.lerp_(grad, 1 - ADAM_BETAS[0])
    v.mul_(ADAM_BETAS[1]).addcmul_(grad, grad, value=1 - ADAM_BETAS[1])
    m_hat, v_hat = m / (1 - ADAM_BETAS[0] ** step), v / (1 - ADAM_BETAS[1] ** step)
    p.addcdiv_(m_hat, v_hat.sqrt_().add_(1e-10), value=-lr)


def by_muon(name):
    leaf = name.split('.')[-1]
    return not (leaf in ADAM_LR or 'norm' in leaf)


class Shared:
    """Everything the workers share: parameters, one gradient per worker, optimiser state, expert loads, counters."""

    def __init__(self, model, workers):
        self.names = [n for n, _ in model.named_parameters()]
        self.params = [p.data.share_memory_() for p in model.parameters()]
        self.grads = [[torch.zeros_like(p).share_memory_() for p in self.params] for _ in range(workers)]
        self.m = [torch.zeros_like(p).share_memory_() for p in self.params]
        self.v = [(torch.zeros(0) if by_muon(n) else torch.zeros_like(p)).share_memory_()
                  for n, p in zip(self.names, self.params)]
        routed = [b for b in model.blocks if not b.dense]
        for b in routed:
            b.exp_probs_b.share_memory_()
        self.loads = torch.zeros(workers, len(routed), model.c.experts).share_memory_()
        self.stats = torch.zeros(workers, 2).share_memory_()
        self.progress = torch.zeros(1, dtype=torch.float64).share_memory_()   # fraction of the time, set by worker 0
        self.step = torch.zeros(1, dtype=torch.int64).share_memory_()
        self.tokens = torch.zeros(1, dtype=torch.int64).share_memory_()

    def state(self):
        return {'m': self.m, 'v': self.v, 'step': self.step, 'tokens': self.tokens, 'progress': self.progress}

    def load(self, state):
        for key in ('m', 'v'):
            for mine, saved in zip(getattr(self, key), state[key]):
                mine.copy_(saved)
        self.step.copy_(state['step'])
        self.tokens.copy_(state['tokens'])
        self.progress.copy_(state.get('progress', self.progress))


def share_out(shared, trained, workers):
    """The trained parameters' numbers by worker, balanced by the optimiser's work."""
    def cost(i):
        p = shared.params[i]
        return p.numel() * (1 + 10 * min(p.shape[-2:]) / 128 if by_muon(shared.names[i]) else 1)
    lists, sums = [[] for _ in range(workers)], [0.0] * workers
    for i in sorted(trained, key=cost, reverse=True):
        w = sums.index(min(sums))
        lists[w].append(i)
        sums[w] += cost(i)
    return lists


def schedule(progress, step, decay):
    return min(1.0, (step + 1) / WARMUP_STEPS, max(0.0, (1 - progress) / decay))


def save(path, model, shared, extra):
    torch.save({'config': model.c.__dict__, 'model': model.state_dict(), 'optimiser': shared.state(), **extra}, path + '.new')
    os.replace(path + '.new', path)


@torch.no_grad()
def validate(model, tokens, loss):
    sums = torch.zeros(2)
    for batch in tokens.split(8):
        sums += torch.stack(loss(model, batch)) * len(batch)
    return sums / len(tokens)


def worker(rank, workers, model, shared, barrier, stream, held, bos, a):
    # Keep freed memory: large tensors would otherwise be mapped and page-faulted anew in every step.
    libc = ctypes.CDLL(None)
    libc.mallopt(-4, 0)                                     # M_MMAP_MAX
    libc.mallopt(-1, 2**31 - 1)                             # M_TRIM_THRESHOLD
    torch.manual_seed(rank)
    short, full = (Sampler(stream, n, bos, seed=shared.step.item()) for n in (a.length // 2, a.length))
    routed = [b for b in model.blocks if not b.dense]
    mtp_block = f'blocks.{model.c.layers}.'
    trained = [i for i, n in enumerate(shared.names) if not a.mtp_only or n.startswith(mtp_block)]
    mine = share_out(shared, trained, workers)[rank]
    params = list(model.parameters())
    loss = draft_losses if a.mtp_only else losses
    peak = MTP_ONLY_LR if a.mtp_only else 1.0
    begin = log_time = save_time = time.time()
    first_step, first_progress = shared.step.item(), shared.progress.item()
    seen, running = 0, torch.zeros(2)
    while True:
        if rank == 0:
            shared.progress[0] = first_progress + (1 - first_progress) * (time.time() - begin) / a.total_seconds
        barrier.wait()
        progress, step = shared.progress.item(), shared.step.item()
        if progress >= 1 or a.steps and step - first_step >= a.steps:
            break
        if progress < a.short:                              # the same number of tokens in twice as many sequences
            tokens = short.batch(2 * workers * a.batch)[rank::workers]
        else:
            tokens = full.batch(workers * a.batch)[rank::workers]
        main, mtp = loss(model, tokens, mtp_share=a.mtp_share)
        grads = torch.autograd.grad(main + MTP_WEIGHT * mtp, [params[i] for i in trained])
        for i, g in zip(trained, grads):
            shared.grads[rank][i].copy_(g)
        del grads
        for i, b in enumerate(routed):
            shared.loads[rank, i] = b.load
        shared.stats[rank, 0], shared.stats[rank, 1] = main.item(), mtp.item()
        barrier.wait()

        with torch.no_grad():
            lr = peak * schedule(progress, step, a.decay)
            for i in mine:
                g = sum(shared.grads[w][i] for w in range(workers)) / workers
                name = shared.names[i]
                if by_muon(name):
                    muon_step(shared.params[i], g, shared.m[i], MUON_LR * lr)
                else:
                    adam_step(shared.params[i], g, shared.m[i], shared.v[i],
                              ADAM_LR.get(name.split('.')[-1], ADAM_LR_VECTORS) * lr, step + 1)
            if rank == 0:
                # Auxiliary-loss-free balancing: the bias of an overloaded expert falls, that of an idle one rises.
                load = shared.loads.sum(0)
                for i, b in enumerate(routed):
                    if a.mtp_only and not b.mtp:
                        continue
                    b.exp_probs_b += BIAS_STEP * lr * torch.sign(load[i].mean() - load[i])
                shared.step += 1
                shared.tokens += workers * a.batch * a.length
                seen += workers * a.batch * a.length
                running += shared.stats.mean(0)
                now = time.time()
                if (step + 1) % a.log_every == 0:
                    main, mtp = (running / a.log_every).tolist()
                    running.zero_()
                    uneven = (load.max(1).values / load.mean(1)).tolist()
                    print(f'{datetime.datetime.now():%H:%M:%S} step {step + 1} tokens {shared.tokens.item() / 1e6:.2f}M '
                          f'length {tokens.shape[1] - 2} lr {lr:.3f} loss {main:.4f} mtp {mtp:.4f} {seen / (now - log_time):.0f} tok/s '
                          f'max/mean load {" ".join(f"{u:.2f}" for u in uneven)}', flush=True)
                    log_time, seen = now, 0
        barrier.wait()
        if rank == 0 and time.time() - save_time > CHECKPOINT_SECONDS:
            start = time.time()
            v = validate(model, held, loss)
            print(f'held-out loss {v[0]:.4f} (perplexity {v[0].exp():.2f}), mtp {v[1]:.4f}', flush=True)
            save(os.path.join(a.out, 'checkpoint.pt'), model, shared, {'last_losses': shared.stats.mean(0).tolist()})
            save_time = time.time()
            log_time += save_time - start
    if rank == 0:
        v = validate(model, held, loss)
        print(f'done: {shared.step.item()} steps, {shared.tokens.item()} tokens, held-out loss {v[0]:.4f} '
              f'(perplexity {v[0].exp():.2f}), mtp {v[1]:.4f}', flush=True)
        save(os.path.join(a.out, 'checkpoint.pt'), model, shared, {'last_losses': shared.stats.mean(0).tolist()})


def tokenise(tok, docs):
    """One stream: BOS document EOS, BOS document EOS, …"""
    ids = []
    for d in docs:
        ids += [tok.bos, *tok.encode(d), tok.eos]
    return torch.tensor(ids, dtype=torch.int32)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('out')
    ap.add_argument('--text', nargs='+', required=True)
    ap.add_argument('--deadline', help='local time HH:MM at which training ends')
    ap.add_argument('--seconds', type=float, default=5400, help='training time without --deadline')
    ap.add_argument('--decay', type=float, default=0.85, help='fraction of the time, at its end, in which the rate falls')
    ap.add_argument('--steps', type=int, default=0, help='stop after so many steps (for trials)')
    ap.add_argument('--workers', type=int, default=2)
    ap.add_argument('--batch', type=int, default=4, help='sequences per worker and step')
    ap.add_argument('--length', type=int, default=512)
    ap.add_argument('--short', type=float, default=0.6, help='first part of the time, with sequences half as long')
    ap.add_argument('--mtp-share', type=float, default=0.5, help='share of the sequences that the MTP layer is trained on')
    ap.add_argument('--log-every', type=int, default=20)
    ap.add_argument('--resume', action='store_true', help='go on from checkpoint.pt: its part of the schedule is over, the rest fills the time given')
    ap.add_argument('--mtp-only', action='store_true', help='train the MTP layer of checkpoint.pt only')
    a = ap.parse_args()

    now = datetime.datetime.now()
    a.total_seconds = a.seconds
    if a.deadline:
        end = datetime.datetime.combine(now.date(), datetime.time.fromisoformat(a.deadline))
        a.total_seconds = (end - now).total_seconds() % 86400
    os.makedirs(a.out, exist_ok=True)
    training, held = split_corpus(a.text)
    tokenizer_path, checkpoint_path = (os.path.join(a.out, n) for n in ('tokenizer.json', 'checkpoint.pt'))
    config = Config()
    if not os.path.exists(tokenizer_path):
        Tokenizer(*train_bpe(training, config.vocab)).save(tokenizer_path)
    tok = Tokenizer.load(tokenizer_path)
    stream, held = tokenise(tok, training), Sampler(tokenise(tok, held), a.length, tok.bos).batch(48)

    torch.manual_seed(0)
    model = Model(config)
    shared = Shared(model, a.workers)
    if a.resume or a.mtp_only:
        saved = torch.load(checkpoint_path)
        model.load_state_dict(saved['model'])
        shared.load(saved['optimiser'])
        if a.mtp_only:
            shared.progress.zero_()
    print(f'{sum(p.numel() for p in model.parameters()) / 1e6:.2f}M parameters, {len(stream) / 1e6:.2f}M training tokens, '
          f'{len(training)} documents, {a.total_seconds:.0f} s', flush=True)
    context = mp.get_context('fork')
    barrier = context.Barrier(a.workers)
    others = [context.Process(target=worker, args=(r, a.workers, model, shared, barrier, stream, held, tok.bos, a), daemon=True)
              for r in range(1, a.workers)]
    for p in others:
        p.start()
    worker(0, a.workers, model, shared, barrier, stream, held, tok.bos, a)


if __name__ == '__main__':
    main()
