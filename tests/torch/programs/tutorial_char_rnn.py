"""In the manner of "names with a character-level RNN": a cell of one's own, nn.RNN; LSTM and GRU."""

import string
import unicodedata

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.rnn import pad_sequence

allowed_characters = string.ascii_letters + " .,;'" + "_"
n_letters = len(allowed_characters)


def unicodeToAscii(s):
    return "".join(c for c in unicodedata.normalize("NFD", s)
                   if unicodedata.category(c) != "Mn" and c in allowed_characters)


print(f"converting 'Ślusàrski' to {unicodeToAscii('Ślusàrski')}", n_letters)
names = {
    "Italian": "Rossi Ferrari Esposito Bianchi Romano Colombo Ricci Marino Greco Bruno".split(),
    "German": "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann".split(),
    "Czech": "Novák Svoboda Novotný Dvořák Černý Procházka Kučera Veselý Horák Němec".split(),
}
all_categories = list(names)
n_categories = len(all_categories)


def letterToIndex(letter):
    return allowed_characters.find(letter) if letter in allowed_characters else allowed_characters.find("_")


def lineToTensor(line):
    tensor = torch.zeros(len(line), 1, n_letters)
    for li, letter in enumerate(line):
        tensor[li][0][letterToIndex(letter)] = 1
    return tensor


print(lineToTensor("Ahn").size(), lineToTensor("J").argmax(-1))
data = [(unicodeToAscii(line), i) for i, lines in enumerate(names.values()) for line in lines]


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super(RNN, self).__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size, hidden_size)
        self.h2h = nn.Linear(hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        hidden = F.tanh(self.i2h(input) + self.h2h(hidden))
        output = self.h2o(hidden)
        output = self.softmax(output)
        return output, hidden

    def initHidden(self):
        return torch.zeros(1, self.hidden_size)


torch.manual_seed(2024)
rnn = RNN(n_letters, 24, n_categories)
print(rnn)
input = lineToTensor("Albert")
hidden = torch.zeros(1, 24)
output, next_hidden = rnn(input[0], hidden)
print(output)


def categoryFromOutput(output):
    top_n, top_i = output.topk(1)
    category_i = top_i[0].item()
    return all_categories[category_i], category_i


print(categoryFromOutput(output))
criterion = nn.NLLLoss()
learning_rate = 0.02


def train(category_tensor, line_tensor):
    hidden = rnn.initHidden()
    rnn.zero_grad()
    for i in range(line_tensor.size()[0]):
        output, hidden = rnn(line_tensor[i], hidden)
    loss = criterion(output, category_tensor)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-learning_rate)
    return output, loss.item()


current_loss = 0
all_losses = []
order = torch.randint(0, len(data), (120,))
for iter, k in enumerate(order, 1):
    line, category = data[k]
    output, loss = train(torch.tensor([category], dtype=torch.long), lineToTensor(line))
    current_loss += loss
    if iter % 40 == 0:
        guess, guess_i = categoryFromOutput(output)
        correct = "✓" if guess_i == category else f"✗ ({all_categories[category]})"
        print(f"{iter:d} {loss:.4f} {line} / {guess} {correct}")
        all_losses.append(current_loss / 40)
        current_loss = 0


# nn.RNN does the whole line at once
class CharRNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.rnn = nn.RNN(input_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, line_tensor):
        rnn_out, hidden = self.rnn(line_tensor)
        output = self.h2o(hidden[0])
        return self.softmax(output)


char_rnn = CharRNN(n_letters, 24, n_categories)
print(char_rnn, char_rnn(lineToTensor("Albert")))
optimizer = torch.optim.SGD(char_rnn.parameters(), lr=0.15)
for epoch in range(2):
    char_rnn.train()
    total = 0
    for start in range(0, len(data), 5):
        batch_loss = 0
        for i in range(start, start + 5):
            output = char_rnn.forward(lineToTensor(data[i][0]))
            batch_loss += criterion(output, torch.tensor([data[i][1]]))
        batch_loss.backward()
        nn.utils.clip_grad_norm_(char_rnn.parameters(), 3)
        optimizer.step()
        optimizer.zero_grad()
        total += batch_loss.item() / 5
    print(epoch, f"{total / 6:.4f}")
confusion = torch.zeros(n_categories, n_categories)
char_rnn.eval()
with torch.no_grad():
    for line, category in data:
        guess, guess_i = categoryFromOutput(char_rnn(lineToTensor(line)))
        confusion[category][guess_i] += 1
for i in range(n_categories):
    denom = confusion[i].sum()
    if denom > 0:
        confusion[i] = confusion[i] / denom
print(confusion)

# lines of many lengths in one batch
lengths = torch.tensor([len(line) for line, _ in data[:6]])
padded = pad_sequence([lineToTensor(line).squeeze(1) for line, _ in data[:6]], batch_first=True)
print(padded.shape, lengths)
lstm = nn.LSTM(n_letters, 8, num_layers=2, batch_first=True)
gru = nn.GRU(n_letters, 8, batch_first=True, bidirectional=True)
out, (h, c) = lstm(padded)
print(out.shape, h.shape, c.shape, out[0, -1])
out, h = gru(padded)
print(out.shape, h.shape, h[:, 0, :3])
(out.sum() + h.pow(2).sum()).backward()
print(f"{gru.weight_ih_l0.grad.norm():.4f}")
cell = nn.LSTMCell(n_letters, 8)
hx, cx = torch.zeros(6, 8), torch.zeros(6, 8)
for t in range(padded.size(1)):
    hx, cx = cell(padded[:, t], (hx, cx))
print(hx[0])
