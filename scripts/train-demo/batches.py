"""What each step learns from: sequences of the text and, in the last part of the steps, conversations."""
import torch


class Sampler:
    """Every epoch cuts the token stream at another offset and visits the pieces in random order. Sequence n of it all is a
    function of n and the seed."""

    def __init__(self, stream, length, bos, seed=0):
        self.stream, self.length, self.bos, self.seed = stream, length, bos, seed
        self.per_epoch = (len(stream) - 2 * length - 2) // length
        self.epoch, self.starts = None, None

    def row(self, n):
        epoch, i = divmod(n, self.per_epoch)
        if epoch != self.epoch:
            g = torch.Generator().manual_seed(1000 * self.seed + epoch)
            offset = torch.randint(self.length, (1,), generator=g).item()
            self.starts = offset + self.length * torch.randperm(self.per_epoch, generator=g)
            self.epoch = epoch
        s = self.starts[i].item()
        return torch.cat((torch.tensor([self.bos]), self.stream[s:s + self.length + 1].long()))

    def rows(self, first, count):
        """Sequences first, first + 1, ...: [count, length + 2], BOS and length + 1 tokens of text."""
        return torch.stack([self.row(n) for n in range(first, first + count)])


class Batches:
    """What each step learns from: (tokens, their weights in the loss) of a worker, both [sequences, length + 2]."""

    def __init__(self, a, stream, chat, bos, eos):
        self.a, self.chat, self.bos, self.eos = a, chat, bos, eos
        self.text = Sampler(stream, a.length, bos, a.seed)

    def take(self, rank, step, drawn):
        """drawn: sequences taken so far [text, conversations], which this raises."""
        a = self.a
        talk = round(a.chat_share * a.batch) if in_last(a.chat, a, step) else 0
        text, said = drawn.tolist()
        drawn += torch.tensor([a.batch - talk, talk])
        tokens = self.text.rows(text, a.batch - talk)
        weights = torch.ones(tokens.shape)
        if talk:
            rows = [self.chat.row(said + i, a.length + 2) for i in range(talk)]
            tokens = torch.cat((torch.tensor([ids for ids, _ in rows]), tokens))
            weights = torch.cat((torch.tensor([theirs for _, theirs in rows]), weights))
        return tokens[rank::a.workers], weights[rank::a.workers]


def in_last(part, a, step):
    return part > 0 and step >= (1 - part) * a.steps


def tokenise(tok, docs):
    """One stream: BOS document EOS, BOS document EOS, …"""
    ids = []
    for d in docs:
        ids += [tok.bos, *tok.encode(d), tok.eos]
    return torch.tensor(ids, dtype=torch.int32)
