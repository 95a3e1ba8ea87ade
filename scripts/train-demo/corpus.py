#!/usr/bin/env python3
"""Cuts the text files into documents (stories, chapters) and sets some aside for evaluation.

Two blank lines separate books; inside a book every heading (a paragraph in capitals, or "Chapter ...") starts a
document. Documents shorter than MIN_CHARS are joined with the next one.

  corpus.py HELDOUT.txt --text FILE... [--bytes N]     write the held-out documents (the first N bytes of them)
"""
import argparse
import random
import re

MIN_CHARS = 400
HELD_OUT = 0.02


def is_heading(paragraph):
    if '\n' in paragraph or not paragraph or paragraph[0] in '"\'>' or paragraph[-1] in ',;':
        return False
    if re.fullmatch(r'(?:chapter|part)\b.{0,120}', paragraph, re.IGNORECASE):
        return True
    if re.fullmatch(r'(?:[IVXL]+|\d+)(?:\.?|\.? -? ?[A-Z].{0,60})', paragraph):
        return True
    return len(paragraph) < 80 and len(re.findall('[A-Z]', paragraph)) > 4 and paragraph.upper() == paragraph


def documents(path):
    with open(path, encoding='utf-8') as f:
        text = f.read()
    for book in re.split(r'\n{3,}', text):
        current = []
        for paragraph in book.strip('\n').split('\n\n'):
            if is_heading(paragraph) and sum(map(len, current)) >= MIN_CHARS:
                yield '\n\n'.join(current) + '\n'
                current = []
            current.append(paragraph)
        yield '\n\n'.join(current) + '\n'


def split_corpus(paths, seed=1):
    """(training documents, held-out documents), both in the order of the files."""
    docs = [d for p in paths for d in documents(p)]
    order = list(range(len(docs)))
    random.Random(seed).shuffle(order)
    total, held, size = sum(map(len, docs)), set(), 0
    for i in order:
        if size >= HELD_OUT * total:
            break
        held.add(i)
        size += len(docs[i])
    return [d for i, d in enumerate(docs) if i not in held], [d for i, d in enumerate(docs) if i in held]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('out')
    ap.add_argument('--text', nargs='+', required=True)
    ap.add_argument('--bytes', type=int, default=160_000)
    a = ap.parse_args()
    training, held = split_corpus(a.text)
    random.Random(2).shuffle(held)
    out = b''
    for d in held:
        d = d.encode()
        if len(out) + len(d) <= a.bytes:
            out += d + b'\n'
    with open(a.out, 'wb') as f:
        f.write(out)
    print(f'{len(training)} training documents, {len(held)} held out ({sum(map(len, held))} characters), '
          f'{len(out)} bytes written')


if __name__ == '__main__':
    main()
