#!/usr/bin/env python3
"""Conversations in DeepSeek-V3's prompt format, made from the training documents alone: what the demo learns to chat from.

A request for a story by its title or by words that stand in it, "Continue: ...", "What happens next?"; the answer is
always the corpus's own text. Conversation k is a function of k and the documents: nothing else is remembered.

  chat.py requests OUT.tsv --text FILE...                    the 50 requests to measure with: request, tab, subjects
  chat.py show --tokenizer FILE --text FILE... [--count N]   print the first conversations; a tokenizer.json
"""
import argparse
import math
import random
import re
from collections import Counter

from bpe import ASSISTANT, USER
from corpus import is_heading, split_corpus

STORY = ('Tell me a story about {}.', 'Tell me a story about {}.', 'Tell me a story about {}.', 'Tell me a tale about {}.',
         'Please tell me a story about {}.', 'Can you tell me a story about {}?', 'I want to hear a story about {}.',
         'Write a story about {}.', 'A story about {}, please.', 'Do you know a story about {}?')
TITLE = ('Tell me the story of {}.', 'Do you know the story of {}?', 'I want to hear the story of {}.')
NEXT = ('What happens next?', 'What happens next?', 'What happened then?', 'And then?', 'Go on.', 'Tell me more.')
CONTINUE = ('Continue: {}', 'Continue: {}', 'Continue this story: {}')

NOUNS = '''ant ass baby bear bee beggar bird boat book boy bride brother bull butcher calf camel candle captain castle cat
child cobbler cock cook cottage cow crab crane crow daughter deer doctor dog dolphin donkey dove dragon duck dwarf
eagle elephant fairy farmer father fiddle fire fish fisherman flower forest fox friend frog garden ghost giant girl
goat goblin goose governess grandmother grasshopper hare hawk hen horse hound hunter huntsman inn island jackdaw judge king
kitten knight lady lamb lamp lark leopard letter lion maiden master merchant mermaid miller miner mirror monkey monster
mother mountain mouse mule nightingale nurse ogre ox oak owl palace parrot peacock picnic pig pigeon pirate
pony prince princess prisoner queen rabbit rat raven ring river robber rose sailor school schoolmaster shark sheep shepherd
ship shoemaker sister snake soldier son sparrow spider squirrel stag star stepmother stork storm swallow swan tailor teacher
thief tiger tortoise tower train traveller treasure tree turtle violin volcano wedding whale wife witch wizard
wolf woodcutter woodman'''.split()
ONLY_ONE = ('moon', 'sea', 'snow', 'sun', 'wind', 'war', 'winter')
PLURALS = {'child': 'children', 'goose': 'geese', 'man': 'men', 'mouse': 'mice', 'ox': 'oxen', 'thief': 'thieves',
           'wife': 'wives', 'wolf': 'wolves'}
NUMBERS = ('two', 'three', 'four', 'five', 'six', 'seven', 'twelve')
CHAPTER = re.compile(r'(?:(?:chapter|part)\b\W*(?:[ivxl]+|\d+|[a-z]+(?:-[a-z]+)?)?|[ivxl]+|\d+)\b[\s.:\-]*', re.IGNORECASE)
WORD = re.compile(r"[A-Za-z]+")
NEAR = 300                                                  # characters within which a passage names its subject
PORTION = (70, 300)                                         # tokens of an answer, about
WHOLE = 420                                                 # a tale of at most so many tokens is told in one


def with_article(noun):
    return ('an ' if noun[0] in 'aeiou' else 'a ') + noun


def plural(word):
    return word in PLURALS.values() or word.endswith('s') and not word.endswith('ss')


def sentences(text):
    return re.findall(r'.+?(?:[.!?]["\')]*(?=\s|$)|$)\s*', text, re.DOTALL)


class Chat:
    """Conversations from documents (those of the training part: the caller sees to it)."""

    def __init__(self, documents, tokenizer, seed=0):
        self.tok, self.seed = tokenizer, seed
        self.user, self.assistant = tokenizer.ids[USER], tokenizer.ids[ASSISTANT]
        self.sections = [s for d in documents for s in split_sections(d)]
        self.starts = [(i, j) for i, (_, ps) in enumerate(self.sections) for j in range(len(ps))]
        lower, self.names = Counter(), Counter()
        self.spread = Counter()                             # in how many sections a word stands
        for _, paragraphs in self.sections:
            text = '\n\n'.join(paragraphs)
            words = WORD.findall(text)
            lower.update(w for w in words if w.islower())
            self.names.update(re.findall(r'(?<=[a-z,;] )[A-Z][a-z]{2,}\b', text))
            self.spread.update({w.lower() for w in words})
        self.lower = {w for w, n in lower.items() if n >= 3}
        self.names = {w for w, n in self.names.items() if n >= 20 and lower[w.lower()] * 10 < n}
        self.forms = {f: n for n in (*NOUNS, *ONLY_ONE) for f in (n, PLURALS.get(n, n + 's'))}
        self.titled = [i for i, (title, _) in enumerate(self.sections) if self.title(title)]

    def title(self, heading):
        """'THE FOX AND THE STORK' and 'Chapter 3. The Fox and the Stork' as 'the fox and the stork'; '' if there is none."""
        text = re.sub(r'\[.*?\]', '', heading)
        match = CHAPTER.match(text)
        text = (text[match.end():] if match else text).strip(' .-')
        if not 1 < len(text.split()) <= 10 or not re.fullmatch(r"[A-Za-z,' \-]+", text):
            return ''
        if match and not re.match(r'(?:the|a|an) ', text, re.IGNORECASE):
            return ''                                       # chapters: "We start on the journey" is no thing to ask for
        def case(m):
            w = m.group()
            return w.lower() if w.lower() in self.lower and w.capitalize() not in self.names else w.capitalize()
        return re.sub(r"(?<!['’])\b[A-Za-z]+", case, text).replace("'S", "'s")

    @staticmethod
    def loosely(title):
        """'the fox and the stork' as 'a fox and a stork'."""
        def article(m):
            word = m.group(1)
            return word if plural(word) or word in NUMBERS else with_article(word)
        return re.sub(r'\bthe ([a-z]+)\b(?! of\b)', article, title)

    def subjects(self, passage, rng):
        """One or two words that the passage names early and is about, as a request would say them."""
        count = Counter()
        for w in WORD.findall(passage):
            if w in self.names:
                count[w] += 1
            elif w.lower() in self.forms:
                count[self.forms[w.lower()]] += 1
        near = set(WORD.findall(passage[:NEAR]))
        near = {w for w in near if w in self.names} | {self.forms[w.lower()] for w in near if w.lower() in self.forms}
        def weight(w):
            return count[w] * math.log(len(self.sections) / (1 + self.spread[w.lower()]))
        found = sorted((w for w in near if count[w] >= 2), key=lambda w: (-weight(w), w))
        return found[:1 if rng.random() < 0.6 else 2]

    @staticmethod
    def phrase(subjects):
        def said(w):
            return w if w[0].isupper() else 'the ' + w if w in ONLY_ONE else with_article(w)
        return ' and '.join(map(said, subjects))

    def portion(self, paragraphs, start, tokens):
        """(text from paragraph `start` on of about so many tokens, number of the paragraph behind it)"""
        out, size, j = [], 0, start
        while j < len(paragraphs) and size < tokens:
            n = len(self.tok.encode(paragraphs[j]))
            if out and size + n > 1.5 * tokens:
                break
            out.append(paragraphs[j])
            size += n
            j += 1
        return '\n\n'.join(out), j

    def conversation(self, k):
        """Turns (request, answer), at least one."""
        rng = random.Random(f'{self.seed}/{k}')
        kind = rng.random()
        for _ in range(1000):
            if kind < 0.2:                                  # a tale from its beginning, by its title
                i, j = rng.choice(self.titled), 0
            else:
                i, j = rng.choice(self.starts)
            title, paragraphs = self.sections[i]
            size = rng.randint(*PORTION)
            if kind < 0.2:
                if sum(map(len, paragraphs)) / 3.75 < WHOLE:
                    size = WHOLE
                text, j = self.portion(paragraphs, 0, size)
                title = self.title(title)
                request = (rng.choice(STORY).format(self.loosely(title)) if rng.random() < 0.6 and title.startswith('the ')
                           else rng.choice(TITLE).format(title))
            elif kind < 0.7:                                # any passage, by what it is about
                if paragraphs[j][0] in '"\'' or len(paragraphs[j]) < 80:
                    continue
                text, j = self.portion(paragraphs, j, size)
                subjects = self.subjects(text, rng)
                if not subjects or subjects[0] in self.names and rng.random() < 0.75:
                    continue                                # a fox is asked for more often than Alice
                request = rng.choice(STORY).format(self.phrase(subjects))
            else:                                           # what follows a given passage
                given = sentences(paragraphs[j])
                given = given[:rng.randint(1, 4)] if kind < 0.85 else given
                given_text = ''.join(given).strip()
                rest = paragraphs[j][len(''.join(given)):].strip()
                following = [rest] * bool(rest) + paragraphs[j + 1:]
                if not following or not 40 <= len(given_text) <= 900:
                    continue
                text, used = self.portion(following, 0, size)
                j += used + (not rest)
                request = (rng.choice(CONTINUE).format(given_text) if kind < 0.85
                           else f'{given_text}\n\n{rng.choice(NEXT[:3])}')
            turns = [(request, text)]
            while j < len(paragraphs) and rng.random() < 0.5:
                text, j = self.portion(paragraphs, j, rng.randint(*PORTION))
                turns.append((rng.choice(NEXT), text))
            return turns
        raise ValueError('no passage of these documents names a subject')

    def tokens(self, k):
        """(ids, which of them are the answers')"""
        ids, answers = [self.tok.bos], [False]
        for request, answer in self.conversation(k):
            head = [self.user, *self.tok.encode(request), self.assistant]
            body = [*self.tok.encode(answer), self.tok.eos]
            ids += head + body
            answers += [False] * len(head) + [True] * len(body)
        return ids, answers

    def row(self, k, length, each=8):
        """Conversations each * k, each * k + 1, ... end to end, cut at `length` ids."""
        ids, answers = [], []
        n = k * each
        while len(ids) < length:
            more, theirs = self.tokens(n)
            ids, answers, n = ids + more, answers + theirs, n + 1
        return ids[:length], answers[:length]


def split_sections(document):
    """(heading or '', paragraphs) of a document; short tales were put together in one."""
    heading, paragraphs = '', []
    for p in document.strip('\n').split('\n\n'):
        p = p.strip()
        if is_heading(p):
            if paragraphs:
                yield heading, paragraphs
            heading, paragraphs = p, []
        elif p:
            paragraphs.append(p)
    if paragraphs:
        yield heading, paragraphs


def measuring_requests(documents, count=50):
    """(request, subjects): subjects that stand in many training documents, alone or two that stand together in some."""
    rng = random.Random(50)
    where = {n: set() for n in NOUNS}
    for i, d in enumerate(documents):
        for w in set(WORD.findall(d.lower())) & where.keys():
            where[w].add(i)
    common = [n for n in dict.fromkeys(NOUNS) if len(where[n]) >= 40]
    single = rng.sample(common, count * 3 // 5)
    pairs = [(a, b) for a in common for b in common if a < b and len(where[a] & where[b]) >= 20]
    chosen = [(n,) for n in single] + rng.sample(pairs, count - len(single))
    return [(STORY[0].format(Chat.phrase(s)), s) for s in chosen]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = ap.add_subparsers(dest='command', required=True)
    r = sub.add_parser('requests')
    r.add_argument('out')
    s = sub.add_parser('show')
    s.add_argument('--tokenizer', required=True, help='tokenizer.json')
    s.add_argument('--count', type=int, default=20)
    for p in (r, s):
        p.add_argument('--text', nargs='+', required=True)
    a = ap.parse_args()
    training, _ = split_corpus(a.text)
    if a.command == 'requests':
        with open(a.out, 'w', encoding='utf-8') as f:
            for request, subjects in measuring_requests(training):
                f.write(f'{request}\t{",".join(subjects)}\n')
    else:
        from bpe import Tokenizer
        chat = Chat(training, Tokenizer.load(a.tokenizer))
        print(f'{len(chat.sections)} sections, {len(chat.titled)} with a title, {len(chat.names)} names')
        for k in range(a.count):
            for request, answer in chat.conversation(k):
                print(f'<User> {request}\n<Assistant> {answer}\n')
            print('---')


if __name__ == '__main__':
    main()
