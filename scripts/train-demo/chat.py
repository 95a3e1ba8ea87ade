#!/usr/bin/env python3
"""Conversations in DeepSeek-V3's prompt format, made from the training documents alone: what the demo learns to chat from.

A request for a story by its title or by words that stand in it, "Continue: ...", "What happens next?"; the answer is the
corpus's own text. In half of the stories what was asked for has been given another name of its kind throughout, a crow for
a fox: then nothing but the request tells who the story is about, and so the model learns to look there. Conversation k is
a function of k and the documents: nothing else is remembered.

  chat.py requests OUT.tsv --text FILE...                    the 50 requests to measure with: request, tab, subjects
  chat.py show --tokenizer FILE --text FILE... [--count N]   print the first conversations; a tokenizer.json
"""
import argparse
import math
import random
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from itertools import accumulate, islice

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
KINDS = tuple(map(str.split, (                              # what may stand in another's place
    '''ant bear bee bird bull calf camel cat cock cow crab crane crow deer dog dolphin donkey dove dragon duck eagle elephant
    fish fox frog goat goose grasshopper hare hawk hen horse hound jackdaw kitten lamb lark leopard lion monkey mouse mule
    nightingale ox owl parrot peacock pig pigeon pony rabbit rat raven shark sheep snake sparrow spider squirrel stag stork
    swallow swan tiger tortoise turtle whale wolf ass''',
    '''beggar boy brother butcher captain cobbler cook doctor dwarf farmer father fisherman friend giant goblin hunter huntsman
    judge king knight master merchant miller miner ogre pirate prince prisoner robber sailor schoolmaster shepherd shoemaker
    soldier son tailor teacher thief traveller wizard woodcutter woodman monster''',
    '''bride daughter fairy girl governess grandmother lady maiden mermaid mother nurse princess queen sister stepmother wife
    witch''',
    '''boat book candle castle cottage fiddle fire flower forest garden inn island lamp letter mirror mountain oak palace
    ring river rose school ship star storm tower train treasure tree violin volcano''')))
ONLY_ONE = ('moon', 'sea', 'snow', 'sun', 'wind', 'war', 'winter')
PLURALS = {'calf': 'calves', 'child': 'children', 'deer': 'deer', 'goose': 'geese', 'man': 'men', 'mouse': 'mice', 'ox': 'oxen',
           'sheep': 'sheep', 'thief': 'thieves', 'wife': 'wives', 'wolf': 'wolves'}
NUMBERS = ('two', 'three', 'four', 'five', 'six', 'seven', 'twelve')
CHAPTER = re.compile(r'(?:(?:chapter|part)\b\W*(?:[ivxl]+|\d+|[a-z]+(?:-[a-z]+)?)?|[ivxl]+|\d+)\b[\s.:\-]*', re.IGNORECASE)
WORD = re.compile(r"[A-Za-z]+")
NEAR = 250                                                  # characters within which a passage names its subject
PORTION = (90, 300)                                         # tokens of an answer, about
BEGINS = re.compile(r'(?:Once|One|Long|There|A|An|Two|Three|Some|Many|Every) ')
MAY_BEGIN = re.compile(r'(?:The|In|At|On|When|As|After|During|While|By|Now|Early|Far|Near) ')
ENDS = re.compile(r'[.!?]["\')\]]*$')
MENTION, MENTIONS = 6.0, 3                                  # weight in the loss of the first mentions of what was asked for
WHOLE = 420                                                 # a tale of at most so many tokens is told in one


def with_article(noun):
    return ('an ' if noun[0] in 'aeiou' else 'a ') + noun


def plural_of(noun):
    ending = 'ies' if re.search('[^aeiou]y$', noun) else 'es' if re.search('(?:s|x|ch|sh)$', noun) else 's'
    return PLURALS.get(noun, noun.removesuffix('y') + ending if ending == 'ies' else noun + ending)


def plural(word):
    return word in PLURALS.values() or word.endswith('s') and not word.endswith('ss')


def like(word, model):
    """The word in the model's case."""
    return word.upper() if len(model) > 1 and model.isupper() else word.capitalize() if model[0].isupper() else word


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
        self.forms = {f: n for n in (*NOUNS, *ONLY_ONE) for f in (n, plural_of(n))}
        self.kinds = {n: kind for kind in KINDS for n in kind}
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

    def renamed(self, subjects, passages, rng):
        """{noun: another of its kind that does not stand in these passages}"""
        there = {self.forms[w] for p in passages for w in map(str.lower, WORD.findall(p)) if w in self.forms}
        names = {}
        for s in subjects:
            others = [n for n in self.kinds.get(s, ()) if n not in there and n not in names.values()]
            if others:
                names[s] = rng.choice(others)
        return names

    def rename(self, text, names):
        def other(m):
            article, word = m.group(1) or '', m.group(2)
            noun = self.forms.get(word.lower())
            if noun not in names:
                return m.group()
            new = names[noun]
            if article:
                article = like(with_article(new).split()[0], article.rstrip()) + article[len(article.rstrip()):]
            return article + like(new if word.lower() == noun else plural_of(new), word)
        return re.sub(r"\b([Aa]n?\s+)?(?<!['’])([A-Za-z]+)\b", other, text)

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
        """(turns (request, answer), at least one; subjects of the first)"""
        rng = random.Random(f'{self.seed}/{k}')
        kind = rng.random()
        for _ in range(1000):
            if kind < 0.15:                                 # a tale from its beginning, by its title
                i, j = rng.choice(self.titled), 0
            else:
                i, j = rng.choice(self.starts)
            title, paragraphs = self.sections[i]
            size, subjects = rng.randint(*PORTION), []
            if kind < 0.15:
                if sum(map(len, paragraphs)) / 3.75 < WHOLE:
                    size = WHOLE
                text, j = self.portion(paragraphs, 0, size)
                title = self.title(title)
                subjects = [s for s in dict.fromkeys(self.forms.get(w) for w in title.split()) if s]
                request = (rng.choice(STORY).format(self.loosely(title)) if rng.random() < 0.6 and title.startswith('the ')
                           else rng.choice(TITLE).format(title))
            elif kind < 0.8:                                # a passage that might begin a story, by what it is about
                begins = j == 0 or BEGINS.match(paragraphs[j]) or MAY_BEGIN.match(paragraphs[j]) and rng.random() < 0.15
                if not begins or paragraphs[j][0] in '"\'' or len(paragraphs[j]) < 80:
                    continue
                text, j = self.portion(paragraphs, j, size)
                subjects = self.subjects(text, rng)
                if not subjects or subjects[0] in self.names and rng.random() < 0.75:
                    continue                                # a fox is asked for more often than Alice
                request = rng.choice(STORY).format(self.phrase(subjects))
            else:                                           # what follows a given passage
                given = sentences(paragraphs[j])
                given = given[:rng.randint(1, 4)] if kind < 0.92 else given
                given_text = ''.join(given).strip()
                rest = paragraphs[j][len(''.join(given)):].strip()
                following = [rest] * bool(rest) + paragraphs[j + 1:]
                if not following or not 40 <= len(given_text) <= 900:
                    continue
                text, used = self.portion(following, 0, size)
                j += used + (not rest)
                request = (rng.choice(CONTINUE).format(given_text) if kind < 0.92
                           else f'{given_text}\n\n{rng.choice(NEXT[:3])}')
            if not ENDS.search(text):
                continue
            turns = [(request, text)]
            while j < len(paragraphs) and rng.random() < 0.3:
                text, j = self.portion(paragraphs, j, rng.randint(*PORTION))
                turns.append((rng.choice(NEXT), text))
            if rng.random() < 0.5:
                names = self.renamed(subjects, [text for turn in turns for text in turn], rng)
                turns = [tuple(self.rename(text, names) for text in turn) for turn in turns]
                subjects = [names.get(s, s) for s in subjects]
            return turns, subjects
        raise ValueError('no passage of these documents names a subject')

    def weights(self, ids, text, subjects):
        """Of an answer's ids in the loss: 1, MENTION for the first MENTIONS of each subject."""
        weights, ends = [1.0] * len(ids), list(accumulate(len(self.tok.tokens[i]) for i in ids))
        for s in subjects:
            forms = '|'.join(re.escape(f) for f in ((s,) if s in self.names else (s, plural_of(s))))
            found = re.finditer(rf'\b(?:{forms})\b'.encode(), text.encode(), re.IGNORECASE)
            for m in islice(found, MENTIONS):
                for i in range(bisect_right(ends, m.start()), bisect_left(ends, m.end()) + 1):
                    weights[i] = MENTION
        return weights

    def tokens(self, k):
        """(ids, each one's weight in the loss: 0 for what is not an answer)"""
        ids, weights = [self.tok.bos], [0.0]
        turns, subjects = self.conversation(k)
        for i, (request, answer) in enumerate(turns):
            head = [self.user, *self.tok.encode(request), self.assistant]
            body = self.tok.encode(answer)
            ids += head + body + [self.tok.eos]
            weights += [0.0] * len(head) + self.weights(body, answer, subjects if i == 0 else ()) + [1.0]
        return ids, weights

    def row(self, k, length, each=8):
        """Conversations each * k, each * k + 1, ... end to end, cut at `length` ids."""
        ids, weights = [], []
        n = k * each
        while len(ids) < length:
            more, theirs = self.tokens(n)
            ids, weights, n = ids + more, weights + theirs, n + 1
        return ids[:length], weights[:length]


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
            turns, subjects = chat.conversation(k)
            print(f'about: {", ".join(subjects)}')
            for request, answer in turns:
                print(f'<User> {request}\n<Assistant> {answer}\n')
            print('---')


if __name__ == '__main__':
    main()
