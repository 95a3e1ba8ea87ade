"""Against loops of greedy decoding: unlikelihood training on what the model itself writes (Welleck et al., 2020,
"Neural text generation with unlikelihood training", section 5.2)."""
import torch

PROMPT, WRITTEN, GRAM = 32, 160, 4


def prompts(tokens, bos, each=3):
    """The first PROMPT tokens of each sequence, and of its other thirds."""
    step = (tokens.shape[1] - PROMPT) // each
    starts = [tokens[:, i * step:i * step + PROMPT].clone() for i in range(each)]
    for s in starts[1:]:
        s[:, 0] = bos
    return torch.cat(starts)


@torch.no_grad()
def greedy(model, x, count, dtype):
    """Prompts [batch, time] and `count` more tokens of each."""
    cache, out, start = {}, [x], 0
    for _ in range(count):
        x, start = model.logits(model.hidden(out[-1], dtype, start, cache)[:, -1:], dtype).argmax(-1), start + out[-1].shape[1]
        out.append(x)
    return torch.cat(out, 1)


def repeated(ids, eos):
    """Which tokens behind the prompt end a run of GRAM that stood before, and which of them count: those up to EOS."""
    again, counted = torch.zeros(ids.shape, dtype=torch.bool), torch.zeros(ids.shape, dtype=torch.bool)
    for i, row in enumerate(ids.tolist()):
        seen = {tuple(row[t - GRAM:t]) for t in range(GRAM, PROMPT + 1)}
        for t in range(PROMPT, len(row)):
            gram = tuple(row[t - GRAM + 1:t + 1])
            again[i, t], counted[i, t] = gram in seen, True
            seen.add(gram)
            if row[t] == eos:
                break
    return again, counted


def unlikelihood(model, tokens, bos, eos, dtype):
    """(-Σ log(1 - p) over the repeated tokens / tokens written, share of repeated ones) of greedy continuations."""
    dropout = model.blocks[0].dropout
    model.set_dropout(0.0)
    ids = greedy(model, prompts(tokens, bos), WRITTEN, dtype)
    model.set_dropout(dropout)
    again, counted = repeated(ids, eos)
    h = model.hidden(ids[:, :-1], dtype)
    at = again[:, 1:]
    chosen = model.logits(h[at], dtype).log_softmax(-1).gather(1, ids[:, 1:][at].unsqueeze(1))
    n = counted.sum()
    return -torch.log1p(-chosen.exp().clamp(max=1 - 1e-6)).sum() / n, at.sum() / n
