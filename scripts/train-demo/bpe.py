#!/usr/bin/env python3
"""Byte-level BPE with the DeepSeek-V3 pre-tokenizer: training, encoding and decoding.

The ids are those of a Hugging Face `tokenizers` BPE with the same merges behind the `Sequence` pre-tokenizer of
DeepSeek-V3 (three isolated splits, then ByteLevel); in GGUF this is tokenizer.ggml.pre = "deepseek-v3".

  bpe.py train OUT.json --text FILE... [--vocab 4096]
  bpe.py check TOKENIZER.json VECTORS.json     compare with published (text, ids) vectors of a tokenizer.json
"""
import argparse
import heapq
import json
from collections import Counter, defaultdict

import regex

BOS, EOS, PAD, USER, ASSISTANT = (
    '<｜begin▁of▁sentence｜>', '<｜end▁of▁sentence｜>', '<｜▁pad▁｜>', '<｜User｜>', '<｜Assistant｜>')

# Each pattern splits the pieces that the one before it left.
SPLITS = [regex.compile(p) for p in (
    r'\p{N}{1,3}',
    r'[一-龥぀-ゟ゠-ヿ]+',
    r'''[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+'''
    r'''| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+''')]


def byte_alphabet():
    """GPT-2's printable stand-in for every byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table, extra = {}, 0
    for b in range(256):
        if b in printable:
            table[b] = chr(b)
        else:
            table[b] = chr(256 + extra)
            extra += 1
    return table


BYTE_TO_CHAR = byte_alphabet()
CHAR_TO_BYTE = {c: b for b, c in BYTE_TO_CHAR.items()}


def pieces(text):
    """The pre-tokenizer: text cut into the units within which BPE merges."""
    parts = [text]
    for pattern in SPLITS:
        out = []
        for part in parts:
            end = 0
            for m in pattern.finditer(part):
                if m.start() > end:
                    out.append(part[end:m.start()])
                if m.end() > m.start():
                    out.append(m.group())
                end = m.end()
            if end < len(part):
                out.append(part[end:])
        parts = out
    return parts


def train(texts, vocab_size):
    """Learn merges on the given texts; returns (tokens, merges), special tokens included in the ids.

    The most frequent pair is merged first; of equally frequent ones, the alphabetically first.
    """
    counts = Counter()
    for text in texts:
        counts.update(pieces(text))
    words = [[BYTE_TO_CHAR[b] for b in w.encode()] for w in counts]
    freq = list(counts.values())

    pair_count, where = Counter(), defaultdict(set)
    for i, w in enumerate(words):
        for pair in zip(w, w[1:]):
            pair_count[pair] += freq[i]
            where[pair].add(i)
    heap = [(-n, p) for p, n in pair_count.items()]
    heapq.heapify(heap)

    tokens = [BOS, EOS, PAD] + [BYTE_TO_CHAR[b] for b in range(256)]
    known, merges = set(tokens), []
    while len(tokens) < vocab_size - 2 and heap:
        n, pair = heapq.heappop(heap)
        if pair_count.get(pair, 0) != -n or n == 0:
            continue                                        # outdated entry
        new = pair[0] + pair[1]
        merges.append(pair)
        if new not in known:
            known.add(new)
            tokens.append(new)
        changed = set()
        for i in where.pop(pair):
            w = words[i]
            for p in zip(w, w[1:]):
                pair_count[p] -= freq[i]
                changed.add(p)
            w = words[i] = apply_merge(w, pair, new)
            for p in zip(w, w[1:]):
                pair_count[p] += freq[i]
                where[p].add(i)
                changed.add(p)
        for p in changed:
            if pair_count[p] > 0:
                heapq.heappush(heap, (-pair_count[p], p))
    return tokens + [USER, ASSISTANT], merges


def apply_merge(symbols, pair, new):
    out, i = [], 0
    while i < len(symbols):
        if i + 1 < len(symbols) and symbols[i] == pair[0] and symbols[i + 1] == pair[1]:
            out.append(new)
            i += 2
        else:
            out.append(symbols[i])
            i += 1
    return out


class Tokenizer:
    def __init__(self, tokens, merges):
        self.tokens, self.merges = tokens, [tuple(m) for m in merges]
        self.ids = {t: i for i, t in enumerate(tokens)}
        self.rank = {m: i for i, m in enumerate(self.merges)}
        self.special = {self.ids[t] for t in (BOS, EOS, PAD, USER, ASSISTANT) if t in self.ids}
        self.bos, self.eos, self.pad = (self.ids.get(t) for t in (BOS, EOS, PAD))
        self._cache = {}

    @staticmethod
    def load(path):
        with open(path, encoding='utf-8') as f:
            d = json.load(f)
        return Tokenizer(d['tokens'], d['merges'])

    def save(self, path):
        with open(path, 'w', encoding='utf-8') as f:
            json.dump({'tokens': self.tokens, 'merges': self.merges}, f, ensure_ascii=False)

    def encode(self, text):
        """Ids of plain text: no BOS, and special tokens are not recognised in it."""
        out = []
        for piece in pieces(text):
            ids = self._cache.get(piece)
            if ids is None:
                ids = self._cache[piece] = self._merge(piece)
            out.extend(ids)
        return out

    def _merge(self, piece):
        w = [BYTE_TO_CHAR[b] for b in piece.encode()]
        while len(w) > 1:
            best = min(zip(w, w[1:]), key=lambda p: self.rank.get(p, len(self.rank)))
            if best not in self.rank:
                break
            w = apply_merge(w, best, best[0] + best[1])
        return [self.ids[t] for t in w]

    def decode(self, ids):
        return bytes(CHAR_TO_BYTE[c] for i in ids if i not in self.special for c in self.tokens[i]).decode('utf-8', 'replace')


def check(tokenizer_json, vectors_json):
    with open(tokenizer_json, encoding='utf-8') as f:
        model = json.load(f)['model']
    tokens = [t for t, _ in sorted(model['vocab'].items(), key=lambda e: e[1])]
    tok = Tokenizer(tokens, [m.split(' ') if isinstance(m, str) else m for m in model['merges']])
    tok.ids = model['vocab']
    with open(vectors_json, encoding='utf-8') as f:
        vectors = [v for v in json.load(f) if '<｜' not in v['text']]
    bad = [v for v in vectors if tok.encode(v['text']) != v['ids']]
    for v in bad:
        print('differs:', repr(v['text']), tok.encode(v['text']), v['ids'])
    print(f'{len(vectors) - len(bad)} of {len(vectors)} vectors equal')


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = ap.add_subparsers(dest='command', required=True)
    t = sub.add_parser('train')
    t.add_argument('out')
    t.add_argument('--text', nargs='+', required=True)
    t.add_argument('--vocab', type=int, default=4096)
    c = sub.add_parser('check')
    c.add_argument('tokenizer')
    c.add_argument('vectors')
    a = ap.parse_args()
    if a.command == 'check':
        check(a.tokenizer, a.vectors)
    else:
        from corpus import split_corpus
        training, _ = split_corpus(a.text)
        Tokenizer(*train(training, a.vocab)).save(a.out)


if __name__ == '__main__':
    main()
