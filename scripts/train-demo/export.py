#!/usr/bin/env python3
"""Writes a model of train.py as GGUF (architecture deepseek2, matrices in Q8_0).

  export.py DIR OUT.gguf [--model best.pt]         DIR holds tokenizer.json and the model

A model that has learnt from conversations gets their form as its chat template.
"""
import argparse
import os

import torch

import gguf
from bpe import Tokenizer
from model import Config, Model

NORMAL, CONTROL = 1, 3
# As chat.py writes them: DeepSeek-V3's form. A system message stands between BOS and the first turn.
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}{{ message['content'] }}{% endif %}{% endfor %}"
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}"
    "{% elif message['role'] == 'assistant' %}{{ '<｜Assistant｜>' + message['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}")


def put_metadata(w, c, tok, parameters, chats):
    w.put('general.architecture', 'str', 'deepseek2')
    w.put('general.name', 'str', f'Yuzui demo {parameters / 1e6:.0f}M, English stories')
    w.put('general.description', 'str', 'A small DeepSeek-V3 trained on public-domain stories for children')
    w.put('general.license', 'str', 'apache-2.0')
    w.put('general.file_type', 'u32', 7)
    w.put('general.quantization_version', 'u32', 2)
    for key, kind, value in (
            ('vocab_size', 'u32', c.vocab),
            ('context_length', 'u32', c.context),
            ('embedding_length', 'u32', c.hidden),
            ('block_count', 'u32', c.layers + 1),           # the MTP layer counts
            ('nextn_predict_layers', 'u32', 1),
            ('leading_dense_block_count', 'u32', c.dense_layers),
            ('feed_forward_length', 'u32', c.dense_ffn),
            ('attention.head_count', 'u32', c.heads),
            ('attention.head_count_kv', 'u32', 1),
            ('attention.q_lora_rank', 'u32', c.q_lora),
            ('attention.kv_lora_rank', 'u32', c.kv_lora),
            ('attention.key_length', 'u32', c.kv_lora + c.rope),
            ('attention.value_length', 'u32', c.kv_lora),
            ('attention.key_length_mla', 'u32', c.nope + c.rope),
            ('attention.value_length_mla', 'u32', c.value),
            ('attention.layer_norm_rms_epsilon', 'f32', c.eps),
            ('rope.dimension_count', 'u32', c.rope),
            ('rope.freq_base', 'f32', c.theta),
            ('rope.scaling.type', 'str', 'yarn'),
            ('rope.scaling.factor', 'f32', c.yarn_factor),
            ('rope.scaling.original_context_length', 'u32', c.yarn_original),
            ('rope.scaling.yarn_log_multiplier', 'f32', 0.1 * c.mscale_all_dim),
            ('rope.scaling.yarn_beta_fast', 'f32', 32.0),
            ('rope.scaling.yarn_beta_slow', 'f32', 1.0),
            ('expert_feed_forward_length', 'u32', c.expert_ffn),
            ('expert_count', 'u32', c.experts),
            ('expert_used_count', 'u32', c.experts_used),
            ('expert_shared_count', 'u32', 1),
            ('expert_group_count', 'u32', c.groups),
            ('expert_group_used_count', 'u32', c.groups_used),
            ('expert_gating_func', 'u32', 2),
            ('expert_weights_norm', 'bool', True),
            ('expert_weights_scale', 'f32', c.expert_scale)):
        w.put('deepseek2.' + key, kind, value)
    w.put('tokenizer.ggml.model', 'str', 'gpt2')
    w.put('tokenizer.ggml.pre', 'str', 'deepseek-v3')
    w.put('tokenizer.ggml.tokens', '[str]', tok.tokens)
    w.put('tokenizer.ggml.token_type', '[i32]', [CONTROL if i in tok.special else NORMAL for i in range(len(tok.tokens))])
    w.put('tokenizer.ggml.merges', '[str]', [' '.join(m) for m in tok.merges])
    w.put('tokenizer.ggml.bos_token_id', 'u32', tok.bos)
    w.put('tokenizer.ggml.eos_token_id', 'u32', tok.eos)
    w.put('tokenizer.ggml.padding_token_id', 'u32', tok.pad)
    w.put('tokenizer.ggml.add_bos_token', 'bool', True)
    w.put('tokenizer.ggml.add_eos_token', 'bool', False)
    if chats:
        w.put('tokenizer.chat_template', 'str', CHAT_TEMPLATE)


def gguf_tensors(model):
    """(name, array) of everything, attn_kv_b split per head into attn_k_b (transposed) and attn_v_b."""
    c = model.c
    yield 'token_embd.weight', model.token_embd
    yield 'output_norm.weight', model.output_norm
    yield 'output.weight', model.output
    for i, block in enumerate(model.blocks):
        prefix = f'blk.{i}.'
        for name, p in block.named_parameters():
            if name == 'attn_kv_b':
                per_head = p.view(c.heads, c.nope + c.value, c.kv_lora)
                yield prefix + 'attn_k_b.weight', per_head[:, :c.nope].transpose(1, 2)
                yield prefix + 'attn_v_b.weight', per_head[:, c.nope:]
            else:
                nextn = 'nextn.' if name in ('eh_proj', 'enorm', 'hnorm', 'shared_head_norm') else ''
                yield f'{prefix}{nextn}{name}.weight', p
        if not block.dense:
            yield prefix + 'exp_probs_b.bias', block.exp_probs_b


def load_gguf(path):
    """(model, tokenizer) with the weights exactly as the file has them."""
    meta, tensors = gguf.read(path)
    g = lambda key: meta['deepseek2.' + key]
    c = Config(
        vocab=g('vocab_size'), hidden=g('embedding_length'), layers=g('block_count') - g('nextn_predict_layers'),
        dense_layers=g('leading_dense_block_count'), dense_ffn=g('feed_forward_length'),
        expert_ffn=g('expert_feed_forward_length'), experts=g('expert_count'), experts_used=g('expert_used_count'),
        groups=g('expert_group_count'), groups_used=g('expert_group_used_count'), expert_scale=g('expert_weights_scale'),
        heads=g('attention.head_count'), nope=g('attention.key_length_mla') - g('rope.dimension_count'),
        rope=g('rope.dimension_count'), value=g('attention.value_length_mla'), q_lora=g('attention.q_lora_rank'),
        kv_lora=g('attention.kv_lora_rank'), context=g('context_length'), theta=g('rope.freq_base'),
        yarn_factor=g('rope.scaling.factor'), yarn_original=g('rope.scaling.original_context_length'),
        mscale_all_dim=g('rope.scaling.yarn_log_multiplier') / 0.1, eps=g('attention.layer_norm_rms_epsilon'))
    model = Model(c)
    with torch.no_grad():
        for name, p in gguf_tensors(model):
            p.copy_(torch.from_numpy(tensors[name].copy()))     # views of the parameters
    merges = [m.split(' ') for m in meta['tokenizer.ggml.merges']]
    return model, Tokenizer(meta['tokenizer.ggml.tokens'], merges)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument('dir')
    ap.add_argument('out')
    ap.add_argument('--model', default='best.pt', help='which file of DIR: best.pt, best-text.pt, checkpoint.pt')
    ap.add_argument('--with', metavar='MODEL.gguf', help='the weights are means of the run\'s and of those of this model, from which it '
                    'began (Wortsman et al., 2022, "Robust fine-tuning of zero-shot models")')
    ap.add_argument('--share', type=float, default=0.5, help='of the model of --with in the mean (default 0.5)')
    a = ap.parse_args()
    saved = torch.load(os.path.join(a.dir, a.model), map_location='cpu')
    model = Model(Config(**saved['config']))
    model.load_state_dict(saved['model'])
    if origin := getattr(a, 'with'):
        before = load_gguf(origin)[0].state_dict()
        model.load_state_dict({name: (1 - a.share) * now + a.share * before[name] for name, now in saved['model'].items()})
    w = gguf.Writer()
    parameters = sum(p.numel() for p in model.parameters())
    put_metadata(w, model.c, Tokenizer.load(os.path.join(a.dir, 'tokenizer.json')), parameters, saved['conversations'] > 0)
    for name, p in gguf_tensors(model):
        keep = p.dim() == 1 or 'ffn_gate_inp' in name
        w.tensor(name, p.detach().contiguous().numpy(), gguf.F32 if keep else gguf.Q8_0)
    w.write(a.out)
    print(f'{a.out}: {os.path.getsize(a.out)} bytes, {len(w.tensors)} tensors, {parameters} parameters, step {saved["step"]}')


if __name__ == '__main__':
    main()
