"""The spec and the command that tests of several processes train."""



SPEC = """\
archspec: 1
name: tiny
input: [1, 8, 8]
stages: {head: [flatten, linear: 8, relu, dropout: 0.4, linear: 10]}
train: {data: digits, lr: 0.1, batch_size: 32, epochs: 3, momentum: 0.9}
"""
TRAIN = ("train", "tiny.yaml", "--limit-train", "101", "--limit-test", "67", "--checkpoint-every", "1")
