#!/usr/bin/env python3
"""Figures of an exported demo model, computed from the file's own (dequantised) weights in float32.

  evaluate.py MODEL.gguf HELDOUT.txt [--greedy-tokens 128] [--prompts 16]

Perplexity: the whole file is tokenised without BOS and cut into chunks of 512 tokens (an incomplete last one is dropped);
each chunk is fed as BOS + its first 511 tokens and all its 512 tokens are scored. perplexity = exp(mean), its error is
the standard error of the mean times the perplexity.

MTP agreement: for each position i of a text, does the MTP layer, given the hidden state of token i and token i + 1,
rank the same token first as the main model does given token i + 1 as well? On greedy continuations that is the rate at
which drafts of one token would be accepted.
"""
import argparse
import math
import random

import torch
import torch.nn.functional as F

from export import load_gguf

CHUNK = 512


@torch.no_grad()
def perplexity(model, tok, text):
    """(perplexity, error, scored tokens, MTP agreement, load per routed block [blocks, experts])"""
    ids = torch.tensor(tok.encode(text))
    chunks = ids[:len(ids) // CHUNK * CHUNK].view(-1, CHUNK)
    routed = [b for b in model.blocks if not b.dense]
    load = torch.zeros(len(routed), model.c.experts)
    nll, agree = [], []
    for chunk in chunks.split(8):
        x = torch.cat((torch.full((len(chunk), 1), tok.bos), chunk[:, :-1]), 1)
        h = model.hidden(x)
        logits = model.logits(h)
        nll.append(F.cross_entropy(logits.flatten(0, 1), chunk.flatten(), reduction='none').double())
        draft = model.logits(model.mtp_hidden(h[:, :-1], x[:, 1:])).argmax(-1)
        agree.append((draft == logits[:, 1:].argmax(-1)).flatten())
        load += torch.stack([b.load for b in routed])
    nll = torch.cat(nll)
    ppl = math.exp(nll.mean())
    return ppl, (nll.std() / math.sqrt(len(nll))).item() * ppl, len(nll), torch.cat(agree).float().mean().item(), load


@torch.no_grad()
def generate(model, tok, prompts, count, temperature=0.0, top_p=0.95, seed=0):
    """Continues equally long prompts [batch, time]; returns the new tokens [batch, count]."""
    cache, x, out, start = {}, prompts, [], 0
    gen = torch.Generator().manual_seed(seed)
    for _ in range(count):
        logits = model.logits(model.hidden(x, start=start, cache=cache)[:, -1:])[:, 0]
        start += x.shape[1]
        if temperature == 0:
            x = logits.argmax(-1, keepdim=True)
        else:
            p, order = (logits / temperature).softmax(-1).sort(descending=True)
            p = p.masked_fill(p.cumsum(-1) - p > top_p, 0)
            x = order.gather(1, torch.multinomial(p, 1, generator=gen))
        out.append(x)
    return torch.cat(out, 1)


@torch.no_grad()
def greedy_agreement(model, tok, text, prompts, count, prompt_length=32):
    """Agreement per prompt over `count` greedy tokens after held-out prompts."""
    ids, rng = tok.encode(text), random.Random(3)
    starts = [rng.randrange(len(ids) - prompt_length) for _ in range(prompts)]
    x = torch.tensor([[tok.bos] + ids[s:s + prompt_length - 1] for s in starts])
    full = torch.cat((x, generate(model, tok, x, count)), 1)
    h = model.hidden(full)
    main = model.logits(h).argmax(-1)                       # main[i] is the greedy token i + 1
    draft = model.logits(model.mtp_hidden(h[:, :-1], full[:, 1:])).argmax(-1)
    same = (draft[:, :-1] == main[:, 1:-1])[:, prompt_length - 1:]  # drafts of tokens that were generated
    return same.float().mean(1)


SAMPLES = ('Once upon a time there was a little girl who',
           'The old king called his three sons and said to them,',
           '"I am not afraid of the sea," said the captain.')


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('model')
    ap.add_argument('heldout')
    ap.add_argument('--greedy-tokens', type=int, default=128)
    ap.add_argument('--prompts', type=int, default=16)
    ap.add_argument('--sample-tokens', type=int, default=120)
    a = ap.parse_args()
    model, tok = load_gguf(a.model)
    with open(a.heldout, encoding='utf-8') as f:
        text = f.read()
    ppl, error, n, agree, load = perplexity(model, tok, text)
    print(f'held-out perplexity {ppl:.4f} +/- {error:.4f} over {n} tokens ({n // CHUNK} chunks of {CHUNK})')
    print(f'MTP agreement on held-out text {agree:.3f}')
    rate = greedy_agreement(model, tok, text, a.prompts, a.greedy_tokens)
    print(f'MTP agreement on greedy continuations {rate.mean():.3f} (per prompt {rate.min():.2f} to {rate.max():.2f}; '
          f'{a.prompts} prompts, {a.greedy_tokens} tokens each)')
    names = [i for i, b in enumerate(model.blocks) if not b.dense]
    for i, row in zip(names, load / load.sum(1, keepdim=True)):
        print(f'load of block {i}{" (MTP)" if i == model.c.layers else ""}: max/mean {row.max() * len(row):.2f}, '
              f'% per expert {" ".join(f"{100 * v:.1f}" for v in row)}')
    for i, prompt in enumerate(SAMPLES):
        ids = torch.tensor([[tok.bos] + tok.encode(prompt)])
        for temperature in (0.0, 0.7):
            new = generate(model, tok, ids, a.sample_tokens, temperature, seed=i)[0].tolist()
            new = new[:new.index(tok.eos)] if tok.eos in new else new
            print(f'--- {"greedy" if temperature == 0 else f"temperature {temperature}, top-p 0.95, seed {i}"}\n'
                  f'{prompt}|{tok.decode(new)}')


if __name__ == '__main__':
    main()
