"""Reading and writing the part of GGUF the demo needs: metadata, F32 and Q8_0 tensors."""
import struct

import numpy as np

MAGIC, VERSION, ALIGNMENT = 0x46554747, 3, 32
F32, Q8_0 = 0, 8
SCALARS = {'u32': (4, 'I'), 'i32': (5, 'i'), 'f32': (6, 'f'), 'bool': (7, '?')}
STRING, ARRAY = 8, 9


def quantise(x):
    """Q8_0 as ggml's reference does it: blocks of 32, d = max|x| / 127 stored as f16, q = round(x / d) half away from zero."""
    x = np.ascontiguousarray(x, np.float32).reshape(-1, 32)
    d = np.abs(x).max(1, keepdims=True) / np.float32(127)
    inverse = np.divide(np.float32(1), d, out=np.zeros_like(d), where=d != 0)
    scaled = x * inverse
    q = np.trunc(scaled + np.copysign(np.float32(0.5), scaled)).astype(np.int8)
    return np.concatenate((d.astype('<f2').view(np.uint8).reshape(-1, 2), q.view(np.uint8)), 1).tobytes()


def dequantise(raw):
    raw = np.frombuffer(raw, np.uint8).reshape(-1, 34)
    return raw[:, 2:].view(np.int8).astype(np.float32) * raw[:, :2].copy().view('<f2').astype(np.float32)


def string(s):
    b = s.encode()
    return struct.pack('<Q', len(b)) + b


class Writer:
    def __init__(self):
        self.metadata, self.tensors = [], []

    def put(self, key, kind, value):
        if kind == 'str':
            data = struct.pack('<I', STRING) + string(value)
        elif kind == '[str]':
            data = struct.pack('<IIQ', ARRAY, STRING, len(value)) + b''.join(map(string, value))
        elif kind.startswith('['):
            code, fmt = SCALARS[kind[1:-1]]
            data = struct.pack('<IIQ', ARRAY, code, len(value)) + struct.pack(f'<{len(value)}{fmt}', *value)
        else:
            code, fmt = SCALARS[kind]
            data = struct.pack('<I' + fmt, code, value)
        self.metadata.append(string(key) + data)

    def tensor(self, name, array, kind):
        """array: numpy, last dimension contiguous; GGUF lists the dimensions the other way round."""
        data = quantise(array) if kind == Q8_0 else np.ascontiguousarray(array, '<f4').tobytes()
        self.tensors.append((name, array.shape[::-1], kind, data))

    def write(self, path):
        infos, offset = b'', 0
        for name, shape, kind, data in self.tensors:
            infos += string(name) + struct.pack(f'<I{len(shape)}QIQ', len(shape), *shape, kind, offset)
            offset += len(data) + -len(data) % ALIGNMENT
        head = struct.pack('<IIQQ', MAGIC, VERSION, len(self.tensors), len(self.metadata)) + b''.join(self.metadata) + infos
        with open(path, 'wb') as f:
            f.write(head + bytes(-len(head) % ALIGNMENT))
            for _, _, _, data in self.tensors:
                f.write(data + bytes(-len(data) % ALIGNMENT))


def read(path):
    """(metadata, tensors as float32 arrays)"""
    with open(path, 'rb') as f:
        b = f.read()
    at = 0

    def take(fmt):
        nonlocal at
        v = struct.unpack_from('<' + fmt, b, at)
        at += struct.calcsize('<' + fmt)
        return v[0]

    def text():
        nonlocal at
        n = take('Q')
        at += n
        return b[at - n:at].decode()

    def value(code):
        if code == STRING:
            return text()
        if code == ARRAY:
            item, n = take('I'), take('Q')
            return [value(item) for _ in range(n)]
        return take(next(fmt for c, fmt in SCALARS.values() if c == code))

    if take('I') != MAGIC or take('I') != VERSION:
        raise ValueError(f'{path}: not a GGUF version {VERSION} file')
    tensor_count, key_count = take('Q'), take('Q')
    metadata = {text(): value(take('I')) for _ in range(key_count)}
    infos = []
    for _ in range(tensor_count):
        name = text()
        shape = [take('Q') for _ in range(take('I'))]
        infos.append((name, shape, take('I'), take('Q')))
    base, tensors = at + -at % ALIGNMENT, {}
    for name, shape, kind, offset in infos:
        n, start = int(np.prod(shape)), base + offset
        if kind == Q8_0:
            v = dequantise(b[start:start + n // 32 * 34])
        elif kind == F32:
            v = np.frombuffer(b, '<f4', n, start)
        else:
            raise ValueError(f'{name}: tensor type {kind} is not supported here')
        tensors[name] = v.reshape(shape[::-1])
    return metadata, tensors
