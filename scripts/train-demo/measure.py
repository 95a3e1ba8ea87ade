#!/usr/bin/env python3
"""What an exported demo model answers, by Yuzui: 20 prompts, greedy and sampled, and 50 requests for a story about something.

  measure.py MODEL.gguf OUT.md [--yuzui ../../yuzui]

OUT.md gets every answer to the 20 prompts as it came. Printed are the share of the answers' 4-grams of tokens that stood
before in the same greedy answer, and in how many answers to chat-requests.tsv all that was asked for is named (sampled
with the seeds 1 to 50, temperature 0.7, top-p 0.95, at most 200 tokens; a noun or its plural, in any case).
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

from chat import plural_of
from export import load_gguf

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENS, TEMPERATURE, TOP_P = 200, 0.7, 0.95
REQUESTS = ('Tell me a story about a fox and a crane.', 'Tell me a story about a fox.', 'Tell me a story about a king and his daughter.',
            'Tell me a story about a ship.', 'Tell me a story about a wolf.', 'Tell me a story about a witch.',
            'Tell me a story about a dog and a cat.', 'Tell me a story about the sea.', 'Tell me a story about a rabbit.',
            'Tell me a story about a princess.',
            'Continue: There was once a poor miller who had three sons and nothing to give them but his mill and his cat.',
            'Continue: The wind blew all night, and in the morning the boat was gone.')
BEGINNINGS = ('Once upon a time', 'Once upon a time there was a little girl who', 'The old king called his three sons and said to them,',
              '"I am not afraid of the sea," said the captain.', 'In the middle of the forest there stood',
              'Alice looked round her and', 'The fairy smiled and said,', 'When the prince came to the castle,')


def names(text, noun):
    return re.search(rf'\b({noun}|{plural_of(noun)})\b', text, re.IGNORECASE) is not None


def answers(yuzui, model, bodies):
    """Of OpenAI's requests: those with messages are chats, the others continue their prompt."""
    with tempfile.TemporaryDirectory() as folder:
        asked, told = os.path.join(folder, 'in.jsonl'), os.path.join(folder, 'out.jsonl')
        with open(asked, 'w', encoding='utf-8') as f:
            for i, body in enumerate(bodies):
                url = '/v1/chat/completions' if 'messages' in body else '/v1/completions'
                f.write(json.dumps({'custom_id': str(i), 'method': 'POST', 'url': url, 'body': {'model': 'demo', **body}}) + '\n')
        subprocess.run([yuzui, 'batch', '-m', model, '-i', asked, '-o', told], check=True, stderr=subprocess.DEVNULL)
        found = {}
        with open(told, encoding='utf-8') as f:
            for line in map(json.loads, f):
                if line['response']['status_code'] != 200:
                    sys.exit(f'measure.py: {model}: {line["error"]["message"]}')
                choice = line['response']['body']['choices'][0]
                found[int(line['custom_id'])] = choice.get('text', choice.get('message', {}).get('content'))
    return [found[i] for i in range(len(bodies))]


def asking(prompt):
    return {'messages': [{'role': 'user', 'content': prompt}]} if prompt in REQUESTS else {'prompt': prompt}


def repeated(ids):
    grams = [tuple(ids[i:i + 4]) for i in range(len(ids) - 3)]
    return len(grams) - len(set(grams)), len(grams)


def quoted(text):
    return '\n'.join(('> ' + line).rstrip() for line in text.strip('\n').split('\n'))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('model')
    ap.add_argument('out')
    ap.add_argument('--yuzui', default=os.path.join(HERE, '..', '..', 'yuzui'))
    a = ap.parse_args()
    prompts = REQUESTS + BEGINNINGS
    sampled = {'max_tokens': TOKENS, 'temperature': TEMPERATURE, 'top_p': TOP_P}
    with open(os.path.join(HERE, 'chat-requests.tsv'), encoding='utf-8') as f:
        requests = [line.rstrip('\n').split('\t') for line in f]
    bodies = [{**asking(p), 'max_tokens': TOKENS, 'temperature': 0} for p in prompts]
    bodies += [{**asking(p), **sampled, 'seed': 1} for p in prompts]
    bodies += [{'messages': [{'role': 'user', 'content': r}], **sampled, 'seed': i + 1} for i, (r, _) in enumerate(requests)]
    got = answers(a.yuzui, a.model, bodies)

    _, tok = load_gguf(a.model)
    counts = [repeated(tok.encode(text)) for text in got[:len(prompts)]]
    print(f'repeated 4-grams in {len(prompts)} greedy answers of at most {TOKENS} tokens: '
          f'{100 * sum(r for r, _ in counts) / sum(n for _, n in counts):.1f} % '
          f'(each: {" ".join(f"{100 * r / max(1, n):.0f}" for r, n in counts)})')
    missed = [r for (r, nouns), text in zip(requests, got[2 * len(prompts):]) if not all(names(text, n) for n in nouns.split(','))]
    print(f'all that was asked for is named in {len(requests) - len(missed)} of {len(requests)} answers; not in those to: {" ".join(missed)}')
    with open(a.out, 'w', encoding='utf-8') as f:
        f.write('# What the demo model answers\n\nEach prompt once greedy and once sampled (temperature 0.7, top-p 0.95, seed 1), at most 200 tokens, as it '
                'came, by\n`scripts/train-demo/measure.py`. The first twelve are turns of a conversation, the others beginnings that it '
                'goes on with.\n')
        for i, p in enumerate(prompts):
            f.write(f'\n## {p}\n\nGreedy:\n\n{quoted(got[i])}\n\nSampled:\n\n{quoted(got[len(prompts) + i])}\n')


if __name__ == '__main__':
    main()
