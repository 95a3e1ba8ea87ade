#!/usr/bin/env python3
"""Trains the demo model on CPU: data-parallel worker processes that share parameters, gradients and optimiser state.

  train.py OUTDIR --text FILE... [--epochs 7] [--workers 2] ...      begin
  train.py OUTDIR --text FILE... --resume [...]                      go on where checkpoint.pt is
  train.py OUTDIR --text FILE... --from MODEL.gguf [...]             begin with another run's model

Matrices inside the blocks are trained with Muon, everything else with Adam. The learning rate warms up and falls along a
cosine to a tenth. The schedule counts steps, and all that is drawn by lot is a function of the seed and of how much has
been drawn: a run that is stopped (SIGTERM, or by force and so from the last checkpoint) and resumed takes the same course
as one that is not, number by number. In the last part of the steps some of the sequences are conversations (chat.py), and
at the end of it the model unlearns the loops of its own greedy continuations (loops.py). Where that run begins with another's
model (--from), what else it makes of the text is to stay what that model makes of it: no text is learnt any more.

OUTDIR gets tokenizer.json; checkpoint.pt, from which it goes on; best-text.pt, the model with the lowest held-out loss
before the conversations begin, and best.pt, the same from there on, or the last where loops are unlearnt; curve.csv.
"""
import os
for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
    os.environ.setdefault(name, '1')                        # one worker process per core instead

import argparse
import ctypes
import datetime
import json
import math
import signal
import sys
import time

import torch
import torch.multiprocessing as mp

from batches import Batches, Sampler, in_last, tokenise
from bpe import Tokenizer, train as train_bpe
from chat import Chat
from corpus import split_corpus
from export import load_gguf
from loops import unlikelihood
from model import Config, Model, compile_all
from optimiser import by_muon, step_parameter

MTP_WEIGHT = 0.3                                            # of the loss
BIAS_STEP = 0.005
WARMUP_STEPS, FINAL_LR = 80, 0.1                           # of a shorter run the first tenth; of the rate, at the end
# What decides the course of a run; those of MAY_CHANGE may be given anew at --resume.
SETTINGS = {'epochs': 7.0, 'batch': 16, 'length': 512, 'mtp_share': 0.5, 'decay': 0.1, 'dropout': 0.1,
            'rate': 1.0, 'chat': 0.22, 'chat_share': 0.4, 'loops': 0.0, 'loops_weight': 1.0, 'workers': 2,
            'eval_every': 100, 'log_every': 20, 'held_out': 64, 'seed': 0, 'config': '{}', 'from': ''}
MAY_CHANGE = ('epochs', 'mtp_share', 'decay', 'dropout', 'loops_weight')
HELP = {'epochs': 'tokens to train on, in lengths of the training text', 'batch': 'sequences per step, all workers together',
        'length': 'tokens of a sequence',
        'mtp_share': 'share of the sequences that the MTP layer is trained on', 'decay': 'weight decay of the matrices',
        'dropout': 'of what a block adds to the residual stream, once the text has been seen once',
        'rate': 'the highest, times those of optimiser.py', 'chat': 'last part of the steps, with conversations',
        'chat_share': 'their share of the sequences there', 'loops_weight': 'of that loss',
        'loops': 'last part of the steps, where loops are unlearnt; with --from it keeps to that model besides',
        'eval_every': 'steps between two looks at held-out text', 'log_every': 'steps per line of curve.csv',
        'held_out': 'sequences of held-out text looked at', 'workers': 'processes of one thread',
        'seed': 'of all that is drawn by lot', 'config': 'fields of the architecture that differ, as JSON',
        'from': 'GGUF of export.py, whose model, config and tokenizer it begins with'}


def states(model, tokens, dtype, mtp_share):
    """(hidden states that predict tokens 1, 2, ...; the MTP layer's, that predict 2, 3, ... of some sequences; which these are).

    The MTP layer sees only the given share of the sequences, which saves time."""
    h = model.hidden(tokens[:, :-2], dtype)
    n = math.ceil(mtp_share * len(tokens))
    some = torch.arange(n) * len(tokens) // n
    return h, model.mtp_hidden(h[some], tokens[some, 1:-1], dtype), some


def losses(model, tokens, weights=None, dtype=torch.bfloat16, mtp_share=1.0):
    """Mean cross-entropy of the next token (main model) and of the one behind it (MTP layer); weights of the tokens, [batch,
    time], all alike if there are none."""
    weights = torch.ones(tokens.shape) if weights is None else weights
    h, m, some = states(model, tokens, dtype, mtp_share)
    return model.loss(h, tokens[:, 1:-1], weights[:, 1:-1], dtype), model.loss(m, tokens[some, 2:], weights[some, 2:], dtype)


def divergences(model, other, tokens, weights, dtype=torch.bfloat16, mtp_share=1.0):
    """As losses, of what the two models make of these tokens."""
    with torch.no_grad():
        other_h, other_m, _ = states(other, tokens, dtype, mtp_share)
    h, m, some = states(model, tokens, dtype, mtp_share)
    return (model.divergence(h, other, other_h, weights[:, 1:-1], dtype),
            model.divergence(m, other, other_m, weights[some, 2:], dtype))


class Shared:
    """Everything the workers share: parameters, one gradient per worker, optimiser state, expert loads, counters."""
    SAVED = ('m', 'v', 'step', 'drawn', 'running', 'best')

    def __init__(self, model, workers):
        def zeros(*shape, dtype=torch.float32):
            return torch.zeros(*shape, dtype=dtype).share_memory_()
        self.names = [n for n, _ in model.named_parameters()]
        self.params = [p.data.share_memory_() for p in model.parameters()]
        self.grads = [[zeros(p.shape) for p in self.params] for _ in range(workers)]
        self.m = [zeros(p.shape) for p in self.params]
        self.v = [zeros(0 if by_muon(n) else p.shape) for n, p in zip(self.names, self.params)]
        routed = [b for b in model.blocks if not b.dense]
        for b in routed:
            b.exp_probs_b.share_memory_()
        self.loads = zeros(workers, len(routed), model.c.experts)
        self.stats, self.held = zeros(workers, 2), zeros(workers, 2, dtype=torch.float64)
        self.step = zeros(1, dtype=torch.int64)
        self.drawn = zeros(2, dtype=torch.int64)            # sequences: text, conversations
        self.running = zeros(2, dtype=torch.float64)        # losses since the last line of the curve, summed up
        self.best = torch.full((1,), math.inf).share_memory_()
        self.stop = zeros(1, dtype=torch.int64)

    def state(self):
        return {key: getattr(self, key) for key in self.SAVED}

    def load(self, state):
        for key in self.SAVED:
            mine, saved = getattr(self, key), state[key]
            for m, s in zip(mine, saved) if isinstance(mine, list) else ((mine, saved),):
                m.copy_(s)


def share_out(shared, workers):
    """The parameters' numbers by worker, balanced by the optimiser's work."""
    def cost(i):
        p = shared.params[i]
        return p.numel() * (1 + 10 * min(p.shape[-2:]) / 128 if by_muon(shared.names[i]) else 1)
    lists, sums = [[] for _ in range(workers)], [0.0] * workers
    for i in sorted(range(len(shared.params)), key=cost, reverse=True):
        w = sums.index(min(sums))
        lists[w].append(i)
        sums[w] += cost(i)
    return lists


def schedule(step, steps):
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
    return min(1.0, (step + 1) / min(WARMUP_STEPS, 1 + 0.1 * steps)) * (FINAL_LR + (1 - FINAL_LR) * cosine)


def write(path, content):
    """The file is the old one or the new one, whenever the machine goes."""
    torch.save(content, path + '.new')
    with open(path + '.new', 'rb') as f:
        os.fsync(f.fileno())
    os.replace(path + '.new', path)


def save(a, model, shared):
    write(os.path.join(a.out, 'checkpoint.pt'), {
        'config': model.c.__dict__, 'model': model.state_dict(), 'optimiser': shared.state(), 'step': shared.step.item(),
        'conversations': shared.drawn[1].item(), 'settings': {key: getattr(a, key) for key in SETTINGS}})


class Curve:
    """curve.csv: losses are means of the steps since the line before; held-out where it was looked at."""
    HEAD = 'step,tokens,lr,loss,mtp,held_out,held_out_mtp\n'

    def __init__(self, path, step):
        """Lines behind `step` are of a course that went on past its last checkpoint: it is taken again."""
        kept = [self.HEAD]
        if step and os.path.exists(path):
            with open(path, encoding='utf-8') as f:
                kept += [line for line in f.readlines()[1:] if line.endswith('\n') and int(line.split(',')[0]) <= step]
        with open(path, 'w', encoding='utf-8') as f:
            f.writelines(kept)
        self.path = path

    def add(self, *cells):
        with open(self.path, 'a', encoding='utf-8') as f:
            f.write(','.join(map(str, cells)) + '\n')


@torch.no_grad()
def look(model, rows, out):
    """Sums of the losses over rows of held-out text, into out."""
    model.set_dropout(0.0)
    out.zero_()
    for batch in rows.split(8):
        out += torch.stack(losses(model, batch)).double() * len(batch)


def update(shared, mine, lr, step, workers, decay):
    for i in mine:
        g = sum(shared.grads[w][i] for w in range(workers)) / workers
        step_parameter(shared.names[i], shared.params[i], g, shared.m[i], shared.v[i], lr, step, decay)


def note(a, model, shared, curve, step, lr, seen, uneven):
    """After step - 1 steps and one: a line of the curve, the best model."""
    held = shared.held.sum(0) / a.held_out if step % a.eval_every == 0 or step == a.steps else None
    tokens = step * a.batch * a.length
    main, mtp = (shared.running / (step % a.log_every or a.log_every)).tolist()
    shared.running.zero_()
    cells = ['', ''] if held is None else [f'{v:.6f}' for v in held.tolist()]
    curve.add(step, tokens, f'{lr:.6f}', f'{main:.6f}', f'{mtp:.6f}', *cells)
    print(f'{datetime.datetime.now():%H:%M:%S} step {step} of {a.steps}, {tokens / 1e6:.2f}M tokens, lr {lr:.3f} loss {main:.4f} '
          f'mtp {mtp:.4f}, {seen:.0f} tok/s, max/mean load {" ".join(f"{u:.2f}" for u in uneven)}', flush=True)
    if held is None:
        return
    text, loops = not in_last(a.chat, a, step - 1), in_last(a.loops, a, step - 1)
    if not text and not in_last(a.chat, a, step - 1 - a.eval_every):
        shared.best.fill_(math.inf)                         # a model that has seen no conversation is no candidate any more
    better = held[0] < shared.best[0] or loops
    print(f'held-out loss {held[0]:.4f} (perplexity {held[0].exp():.2f}), mtp {held[1]:.4f}{", the best" if better else ""}',
          flush=True)
    if better:
        shared.best.fill_(held[0].item())
        write(os.path.join(a.out, 'best-text.pt' if text else 'best.pt'),
              {'config': model.c.__dict__, 'model': model.state_dict(), 'step': step,
               'conversations': shared.drawn[1].item(), 'held_out': held[0].item()})


def worker(rank, model, other, shared, barrier, batches, held, training_tokens, a):
    # Keep freed memory: large tensors would otherwise be mapped and page-faulted anew in every step.
    libc = ctypes.CDLL(None)
    libc.mallopt(-4, 0)                                     # M_MMAP_MAX
    libc.mallopt(-1, 2**31 - 1)                             # M_TRIM_THRESHOLD
    torch.set_flush_denormal(True)                          # exponents of what is masked out or improbable change nothing
    if a.compile:
        compile_all()
    asked = []                                              # for an end
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, (lambda *_: asked.append(1)) if rank == 0 else signal.SIG_IGN)
    if rank:
        libc.prctl(1, signal.SIGKILL)                       # PR_SET_PDEATHSIG: no worker waits for a leader that is gone
    curve = Curve(os.path.join(a.out, 'curve.csv'), shared.step.item()) if rank == 0 else None
    routed = [b for b in model.blocks if not b.dense]
    params, mine = list(model.parameters()), share_out(shared, a.workers)[rank]
    saved = logged = time.time()
    first = shared.step.item()
    while True:
        if rank == 0 and (asked or shared.step >= a.steps or a.stop_after and shared.step >= a.stop_after):
            shared.stop.fill_(1)
        barrier.wait()
        if shared.stop.item():
            break
        step, drawn = shared.step.item(), shared.drawn.clone()
        torch.manual_seed((a.seed * 1_000_003 + step) * 64 + rank)
        model.set_dropout(a.dropout if other or step * a.batch * a.length >= training_tokens else 0.0)
        tokens, weights = batches.take(rank, step, drawn)
        unlearning = in_last(a.loops, a, step)
        main, mtp = (divergences(model, other, tokens, weights, mtp_share=a.mtp_share) if unlearning and other
                     else losses(model, tokens, weights, mtp_share=a.mtp_share))
        for i, b in enumerate(routed):
            shared.loads[rank, i] = b.load
        for i, g in enumerate(torch.autograd.grad(main + MTP_WEIGHT * mtp, params)):
            shared.grads[rank][i].copy_(g)
        if unlearning:
            unlikely, again = unlikelihood(model, tokens, batches.bos, batches.eos, torch.bfloat16)
            for i, g in enumerate(torch.autograd.grad(unlikely, params, allow_unused=True)):
                if g is not None:
                    shared.grads[rank][i].add_(g, alpha=a.loops_weight)
            if rank == 0:
                print(f'step {step + 1}: {100 * again:.1f} % of what it writes stood before', flush=True)
        shared.stats[rank, 0], shared.stats[rank, 1] = main.item(), mtp.item()
        barrier.wait()

        lr = a.rate * schedule(step, a.steps)
        with torch.no_grad():
            update(shared, mine, lr, step, a.workers, a.decay)
            if rank == 0:
                # Auxiliary-loss-free balancing: the bias of an overloaded expert falls, that of an idle one rises.
                load = shared.loads.sum(0)
                for i, b in enumerate(routed):
                    b.exp_probs_b += BIAS_STEP * lr * torch.sign(load[i].mean() - load[i])
                shared.step += 1
                shared.drawn.copy_(drawn)
                shared.running += shared.stats.mean(0)
        barrier.wait()
        looking = (step + 1) % a.eval_every == 0 or step + 1 == a.steps
        if looking:
            look(model, held[rank::a.workers], shared.held[rank])
            barrier.wait()
        if rank == 0 and (looking or (step + 1) % a.log_every == 0):
            now = time.time()
            note(a, model, shared, curve, step + 1, lr, (step + 1 - first) * a.batch * a.length / (now - logged),
                 (load.max(1).values / load.mean(1)).tolist())
            first, logged = step + 1, now
        if rank == 0 and time.time() - saved > a.save_seconds:
            save(a, model, shared)
            saved = time.time()
    if rank == 0:
        save(a, model, shared)
        print(f'{"done" if shared.step >= a.steps else "stopped"} after {shared.step.item()} of {a.steps} steps', flush=True)


def settle(a, saved):
    """Fills in what was not given: from the checkpoint, else the default. Ends the program where the two do not agree."""
    for key, default in SETTINGS.items():
        given, before = getattr(a, key), saved[key] if saved else default
        if given is None:
            setattr(a, key, before)
        elif saved and given != before:
            flag = '--' + key.replace('_', '-')
            if key not in MAY_CHANGE:
                sys.exit(f'train.py: {flag} {given}: {a.out}/checkpoint.pt was begun with {before}, which cannot change on the way; '
                         f'leave {flag} out or begin in another folder')
            print(f'{flag} is {given} from here on, {before} before: another course than without the stop', flush=True)
    for key, multiple in (('batch', a.workers), ('held_out', a.workers), ('eval_every', a.log_every)):
        if getattr(a, key) % multiple:
            sys.exit(f'train.py: --{key.replace("_", "-")} {getattr(a, key)}: must be a multiple of {multiple}')


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('out')
    ap.add_argument('--text', nargs='+', required=True)
    for key, default in SETTINGS.items():
        ap.add_argument('--' + key.replace('_', '-'), type=type(default), help=f'{HELP[key]} (default {default})')
    ap.add_argument('--resume', action='store_true', help='go on from checkpoint.pt, with its settings')
    ap.add_argument('--no-compile', dest='compile', action='store_false', help='no loops made by torch.compile: starts sooner, '
                    'takes a third longer a step, and the last bits of the numbers are others')
    ap.add_argument('--stop-after', type=int, default=0, help='end as at SIGTERM after this step of all')
    ap.add_argument('--save-seconds', type=float, default=240, help='between two checkpoints')
    a = ap.parse_args()

    os.makedirs(a.out, exist_ok=True)
    tokenizer_path, checkpoint_path = (os.path.join(a.out, n) for n in ('tokenizer.json', 'checkpoint.pt'))
    if a.resume != os.path.exists(checkpoint_path):
        sys.exit(f'train.py: {checkpoint_path} is {"not there: leave --resume out to begin" if a.resume else "there: give --resume to go on, or another folder"}')
    saved = torch.load(checkpoint_path) if a.resume else None
    settle(a, saved['settings'] if saved else None)
    training, held = split_corpus(a.text)
    config, origin = Config(**json.loads(a.config)), getattr(a, 'from')
    source, tok = load_gguf(origin) if origin else (None, None)
    if source and not saved:
        config = source.c
        tok.save(tokenizer_path)
    elif saved:
        config = Config(**saved['config'])
    elif not os.path.exists(tokenizer_path):
        Tokenizer(*train_bpe(training, config.vocab)).save(tokenizer_path)
    tok = Tokenizer.load(tokenizer_path)
    stream, held = tokenise(tok, training), Sampler(tokenise(tok, held), a.length, tok.bos).rows(0, a.held_out)
    a.steps = math.ceil(a.epochs * len(stream) / (a.batch * a.length))

    torch.manual_seed(a.seed)
    model = Model(config)
    shared = Shared(model, a.workers)
    if source and not saved:
        model.load_state_dict(source.state_dict())
    if saved:
        model.load_state_dict(saved['model'])
        shared.load(saved['optimiser'])
    batches = Batches(a, stream, Chat(training, tok, a.seed) if a.chat else None, tok.bos, tok.eos)
    print(f'{sum(p.numel() for p in model.parameters()) / 1e6:.2f}M parameters, {len(stream) / 1e6:.2f}M training tokens, '
          f'{len(training)} documents, step {shared.step.item()} of {a.steps}', flush=True)
    context = mp.get_context('fork')
    barrier = context.Barrier(a.workers, timeout=1800)      # a worker that was killed ends the run, not the waiting
    shared_arguments = (model, source, shared, barrier, batches, held, len(stream), a)
    for r in range(1, a.workers):
        context.Process(target=worker, args=(r, *shared_arguments), daemon=True).start()
    worker(0, *shared_arguments)


if __name__ == '__main__':
    main()
