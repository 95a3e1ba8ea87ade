"""Muon for the matrices of the blocks, Adam for the rest."""
import math

MUON_LR, MUON_MOMENTUM = 0.02, 0.95
ADAM_LR = {'token_embd': 2e-2, 'output': 3e-3, 'ffn_gate_inp': 2e-3}
ADAM_LR_VECTORS, ADAM_BETAS = 3e-3, (0.9, 0.98)


def orthogonalise(g):
    """Newton-Schulz iteration of Muon on a batch of matrices [n, rows, cols] with rows <= cols."""
    x = (g / (g.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return x.float()


def muon_step(p, grad, momentum, lr, decay):
    momentum.lerp_(grad, 1 - MUON_MOMENTUM)
    g = grad.lerp(momentum, MUON_MOMENTUM)                  # Nesterov
    rows, cols = g.shape[-2:]
    g = g.reshape(-1, rows, cols)
    u = orthogonalise(g.transpose(1, 2)).transpose(1, 2) if rows > cols else orthogonalise(g)
    p.mul_(1 - lr * decay).add_(u.reshape(p.shape), alpha=-lr * math.sqrt(max(1, rows / cols)))


def adam_step(p, grad, m, v, lr, step):
    m.lerp_(grad, 1 - ADAM_BETAS[0])
    v.mul_(ADAM_BETAS[1]).addcmul_(grad, grad, value=1 - ADAM_BETAS[1])
    m_hat, v_hat = m / (1 - ADAM_BETAS[0] ** step), v / (1 - ADAM_BETAS[1] ** step)
    p.addcdiv_(m_hat, v_hat.sqrt_().add_(1e-10), value=-lr)


def by_muon(name):
    leaf = name.split('.')[-1]
    return not (leaf in ADAM_LR or 'norm' in leaf)


def step_parameter(name, p, grad, m, v, rate, step, decay):
    """One step of the parameter's own optimiser; rate: of its learning rate, 0 to 1."""
    if by_muon(name):
        muon_step(p, grad, m, MUON_LR * rate, decay)
    else:
        adam_step(p, grad, m, v, ADAM_LR.get(name.split('.')[-1], ADAM_LR_VECTORS) * rate, step + 1)
