#!/usr/bin/env python3
"""A training run that is stopped and resumed takes the course of one that is not, number by number (a minute of two cores).

  test_resume.py
"""
import os
import random
import signal
import subprocess
import sys
import tempfile
import unittest

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
TINY = ('{"vocab": 320, "hidden": 32, "layers": 2, "dense_ffn": 64, "expert_ffn": 32, "heads": 2, "nope": 8, "rope": 8, '
        '"value": 8, "q_lora": 16, "kv_lora": 16, "context": 128, "yarn_original": 32}')
FLAGS = ['--config', TINY, '--epochs', '5', '--batch', '4', '--length', '64', '--chat', '0.4', '--held-out', '4',
         '--log-every', '3', '--eval-every', '6', '--dropout', '0.2']


def story_text():
    rng = random.Random(0)
    words = 'the fox saw a wolf and the king of the sea went home with his daughter to an old castle in the forest'.split()
    def paragraph():
        return ' '.join(rng.choices(words, k=40)).capitalize() + '.'
    return '\n\n'.join(f'THE FOX AND THE WOLF {"I" * (1 + i % 3)}\n\n' + '\n\n'.join(paragraph() for _ in range(4)) for i in range(30))


class ResumeTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.text = os.path.join(self.folder.name, 'text.txt')
        with open(self.text, 'w', encoding='utf-8') as f:
            f.write(story_text())

    def tearDown(self):
        self.folder.cleanup()

    def command(self, name, *flags):
        return [sys.executable, os.path.join(HERE, 'train.py'), os.path.join(self.folder.name, name), '--text', self.text, '--no-compile',
                *flags]

    def run_to_end(self, name, *flags):
        subprocess.run(self.command(name, *flags), check=True, stdout=subprocess.DEVNULL)

    def wait_for(self, process, text):
        """Until it prints a line with the text; one that ends before it fails the test."""
        said = []
        for line in process.stdout:
            said.append(line)
            if text in line:
                return
        process.wait()
        self.fail(f'train.py ended with {process.returncode} before it said "{text}":\n{"".join(said)}')

    def read(self, name, file):
        with open(os.path.join(self.folder.name, name, file), encoding='utf-8') as f:
            return f.read()

    def assert_same_course(self, name):
        self.assertEqual(self.read('whole', 'curve.csv'), self.read(name, 'curve.csv'))
        for file in ('checkpoint.pt', 'best.pt', 'best-text.pt'):
            whole, other = (torch.load(os.path.join(self.folder.name, n, file)) for n in ('whole', name))
            self.assertEqual(whole['step'], other['step'], file)
            for key, value in whole['model'].items():
                self.assertTrue(torch.equal(value, other['model'][key]), f'{file}: {key}')

    def test_same_course_after_stops(self):
        self.run_to_end('whole', *FLAGS)
        lines = self.read('whole', 'curve.csv').splitlines()
        steps = int(lines[-1].split(',')[0])
        self.assertGreater(steps, 20)

        with self.subTest('at steps with and without dropout, with and without conversations'):
            self.run_to_end('cut', *FLAGS, '--stop-after', '4')
            for at in (steps // 2, steps - 4):
                self.run_to_end('cut', '--resume', '--stop-after', str(at))
            self.run_to_end('cut', '--resume')
            self.assert_same_course('cut')

        with self.subTest('by SIGTERM, wherever it is'):
            p = subprocess.Popen(self.command('term', *FLAGS), stdout=subprocess.PIPE, text=True)
            self.wait_for(p, ' loss ')                      # of the curve: before its first step a signal would just end it
            p.send_signal(signal.SIGTERM)
            said = p.communicate()[0]
            self.assertEqual(0, p.returncode)
            self.assertIn('stopped after', said)
            self.run_to_end('term', '--resume')
            self.assert_same_course('term')

        with self.subTest('by force: what was done since the checkpoint is done again'):
            p = subprocess.Popen(self.command('kill', *FLAGS, '--save-seconds', '0'), stdout=subprocess.PIPE, text=True)
            self.wait_for(p, 'step 6 of')
            p.kill()
            p.communicate()
            self.run_to_end('kill', '--resume')
            self.assert_same_course('kill')

    def test_other_settings_are_refused(self):
        self.run_to_end('one', *FLAGS, '--stop-after', '1')
        p = subprocess.run(self.command('one', '--resume', '--batch', '8'), stderr=subprocess.PIPE, text=True)
        self.assertEqual(1, p.returncode)
        self.assertIn('--batch 8: ', p.stderr)


if __name__ == '__main__':
    unittest.main()
