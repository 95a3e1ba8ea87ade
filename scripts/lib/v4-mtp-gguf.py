#!/usr/bin/env python3
"""The MTP layer of a tiny DeepSeek-V4 folder as a GGUF of F32 in llama.cpp's layout, beside the main model's.

usage: v4-mtp-gguf.py TOOLS FOLDER MAIN.gguf OUT.gguf
"""
import json
import struct
import sys

import numpy as np

sys.path.insert(0, sys.argv[1])
import oracle_v4

folder, main, out = sys.argv[2:5]
config = json.load(open(folder + '/config.json'))
weights = oracle_v4.read_safetensors(folder)
layer = config['num_hidden_layers']


def text(s):
    return struct.pack('<Q', len(s.encode())) + s.encode()


def keys():
    """Of the main file, whose vocabulary is not repeated; two of them say that there is a layer more."""
    kinds = {int: lambda v: struct.pack('<II', 4, v), float: lambda v: struct.pack('<If', 6, v), bool: lambda v: struct.pack('<IB', 7, v),
             str: lambda v: struct.pack('<I', 8) + text(v)}
    values, _ = oracle_v4.read_gguf(main)
    values['deepseek4.block_count'] += 1
    values['deepseek4.nextn_predict_layers'] = 1
    return [text(k) + kinds[type(v)](v) for k, v in values.items() if type(v) in kinds] + [
        text('deepseek4.attention.compress_ratios') + struct.pack('<IIQ%di' % (layer + 1), 9, 5, layer + 1, *values['deepseek4.attention.compress_ratios'])]


names = {'attn_norm.weight': 'attn_norm.weight', 'ffn_norm.weight': 'ffn_norm.weight', 'attn_sinks.weight': 'attn.attn_sink', 'attn_q_a.weight': 'attn.wq_a.weight',
         'attn_q_a_norm.weight': 'attn.q_norm.weight', 'attn_q_b.weight': 'attn.wq_b.weight', 'attn_kv.weight': 'attn.wkv.weight',
         'attn_kv_a_norm.weight': 'attn.kv_norm.weight', 'attn_output_a.weight': 'attn.wo_a.weight', 'attn_output_b.weight': 'attn.wo_b.weight',
         'ffn_gate_inp.weight': 'ffn.gate.weight', 'exp_probs_b.bias': 'ffn.gate.bias', 'nextn.enorm.weight': 'enorm.weight', 'nextn.hnorm.weight': 'hnorm.weight',
         'nextn.shared_head_norm.weight': 'norm.weight'}
for ours, theirs in (('gate', 'w1'), ('down', 'w2'), ('up', 'w3')):
    names['ffn_%s_shexp.weight' % ours] = 'ffn.shared_experts.%s.weight' % theirs
for where in ('attn', 'ffn'):
    for what in ('fn', 'base', 'scale'):
        names['hc_%s_%s.weight' % (where, what)] = 'hc_%s_%s' % (where, what)
tensors = [('blk.%d.%s' % (layer, k), weights['mtp.0.' + v]) for k, v in names.items()]
tensors += [('output_hc_%s.weight' % what, weights['mtp.0.hc_head_' + what]) for what in ('fn', 'base', 'scale')]
tensors.append(('blk.%d.nextn.eh_proj.weight' % layer, np.concatenate([weights['mtp.0.e_proj.weight'], weights['mtp.0.h_proj.weight']], 1)))
for ours, theirs in (('gate', 'w1'), ('down', 'w2'), ('up', 'w3')):
    tensors.append(('blk.%d.ffn_%s_exps.weight' % (layer, ours),
                    np.stack([weights['mtp.0.ffn.experts.%d.%s.weight' % (e, theirs)] for e in range(config['n_routed_experts'])])))
header, data = keys(), b''
infos = b''
for name, x in tensors:
    infos += text(name) + struct.pack('<I%dQIQ' % x.ndim, x.ndim, *x.shape[::-1], 0, len(data))
    data += x.astype(np.float32).tobytes()
    data += b'\0' * (-len(data) % 32)
head = struct.pack('<IIQQ', 0x46554747, 3, len(tensors), len(header)) + b''.join(header) + infos
with open(out, 'wb') as f:
    f.write(head + b'\0' * (-len(head) % 32) + data)
