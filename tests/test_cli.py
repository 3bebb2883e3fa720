"""The command line as a person meets it: what it prints, its exit codes, and its errors."""

import re
import sys

import numpy as np
import pytest

import localgrad as lg
from localgrad import cli
from localgrad.ledger.interchange import load
from localgrad.train import run
from localgrad.train.inspection import record
from localgrad.train.metrics import read
from localgrad.train.training import Training
from tests.train.test_recipes import idx_folder

RECIPE = """
from localgrad import data, nn
from localgrad.nn import functional as F
from localgrad.train import Recipe, accuracy

class Tiny(Recipe):
    '''One linear layer and a skip over it.'''
    epochs = 1
    batch_size = 20

    def data(self, source):
        train, held_out = data.digits()
        return data.Subset(train, range(60)), data.Subset(held_out, range(30))

    def network(self, train):
        return Network()

    def loss(self, network, batch):
        images, labels = batch
        logits = network(images)
        return F.cross_entropy(logits, labels), {"accuracy": accuracy(logits, labels)}

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(64, 10)
        self.second = nn.Linear(10, 10)

    def forward(self, images):
        hidden = F.tanh(self.first(images.reshape(len(images), -1)))
        return hidden + self.second(hidden)
"""


@pytest.fixture
def localgrad(tmp_path, monkeypatch, capfd):
    """Run the command line in an empty folder with a recipe in it: (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "tiny.py").write_text(RECIPE)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["localgrad", *arguments])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        printed = capfd.readouterr()
        assert "Traceback" not in printed.err
        return stop.value.code or 0, printed.out, printed.err

    return call


@pytest.fixture
def trained(localgrad):
    code, out, _ = localgrad("train", "tiny.py", "--epochs", "2", "--out", "here")
    assert code == 0
    return out


def test_training_says_what_it_does_and_leaves_a_run(trained, tmp_path):
    folder = tmp_path / "here"
    assert "One linear layer and a skip over it." in trained
    assert "60 examples to learn from, 30 held out; 760 parameters" in trained
    scores = r"loss \d\.\d+  accuracy \d+\.\d+ %"
    assert re.search(rf"epoch 2/2  {scores}  \| held out: \d\.\d+  \d+\.\d+ %\n", trained)
    assert re.search(rf"\nheld out: {scores}\n", trained)
    assert f"report  {'here/report.html'}" in trained
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "checkpoint.safetensors", "ledger.json", "ledger-steps.jsonl", "metrics.jsonl",
        "model.safetensors", "report.html", "settings.json",
    }  # fmt: skip
    lines = read(folder / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3, 3, 4, 5, 6, 6]
    assert lines[-1]["held_out"].keys() == {"loss", "accuracy"}
    assert set(lg.load(folder / "model.safetensors")) == {
        f"{layer}.{kind}" for layer in ("first", "second") for kind in ("weight", "bias")
    }


def test_epochs_of_a_terminal_with_80_columns(localgrad, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = localgrad("train", "tiny.py", "--out", "short")
    assert code == 0
    assert re.search(r"\nepoch 1/1  loss .*\| held out: ", out)
    assert max(map(len, out.splitlines())) <= 80
    # Too many scores for one line: what is held out stands below, value under value.
    scores = '{"bits per character": 2.5, "accuracy": accuracy'
    (tmp_path / "tiny.py").write_text(RECIPE.replace('{"accuracy": accuracy', scores))
    code, out, _ = localgrad("train", "tiny.py", "--out", "long")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    above, below = re.search(r"\n(epoch 1/1  loss .*)\n(held out  .*)\n", out).groups()
    assert len(above) == len(below)
    assert above.index("2.5000") == below.index("2.5000")


def test_explain_follows_an_element_to_the_loss(trained, localgrad):
    code, out, _ = localgrad("explain", "here", "first.weight", "--index", "3,20")
    assert code == 0
    training = Training(run.open_run(run.Path("here")))
    training.restore()
    record(training, "norms")
    gradient = training.network.first.weight.grad.numpy()[3, 20]
    value = r"-?\d[\d.e+-]*"
    shown = re.findall(rf"∂loss/∂first\.weight\[3, 20\] = ({value})", out)
    np.testing.assert_allclose(float(shown[-1]), gradient, rtol=1e-5)
    assert re.search(rf"∂loss/∂first\.weight\[3, 20\][^=]*\n\s+= {value}", out)
    # Every step of the trace is arithmetic that holds, and goes on from the sum before it.
    arrived = 1.0
    steps = re.findall(
        rf"({value}) × ({value}) = ({value}).*\n∂loss/∂.* = ({value})", out.split("step by step")[1]
    )
    assert len(steps) >= 4
    for upstream, local, downstream, total in steps:
        np.testing.assert_allclose(float(upstream), arrived, rtol=1e-3)
        np.testing.assert_allclose(float(upstream) * float(local), float(downstream), rtol=2e-3)
        arrived = float(total)
    assert "from 2 consumers" in out and "tiny.py:" in out


def test_explain_a_whole_parameter_and_find_runs_by_name(trained, localgrad):
    code, out, _ = localgrad("explain", "here", "second.bias")
    assert code == 0 and "∂loss/∂second.bias" in out
    assert localgrad("train", "tiny.py")[0] == 0
    assert localgrad("explain", "tiny", "second.bias", "--index", "2")[0] == 0


def test_report_is_written_again(trained, localgrad, tmp_path):
    page = tmp_path / "here" / "report.html"
    page.unlink()
    code, out, _ = localgrad("report", "here")
    assert code == 0 and "here/report.html" in out
    assert "<title>tiny, after step 6" in page.read_text()


def test_the_report_tells_everything_of_the_end(trained, tmp_path):
    """Values over gradients with their distributions, every rule with its numbers, the steps."""
    record = load(tmp_path / "here" / "ledger.json")
    assert record.level == "values" and record.steps
    for node in record.nodes:
        large = [stats for stats in (node.value, node.upstream) if stats and stats.size > 1]
        assert all(stats.histogram for stats in large)
        assert (node.local is None) == (node.kind in ("parameter", "input"))


def test_recipes_are_listed(localgrad):
    code, out, _ = localgrad("recipes")
    assert code == 0
    assert {"digits", "mnist", "mlp"} <= {line.split(" ")[0] for line in out.splitlines()}
    assert "The first run takes longer" in out


CHECKED = """
import localgrad as lg
right = lg.pointwise("checked right", forward=lambda x: x**2, x=lambda x: 2 * x)
wrong = lg.pointwise("checked wrong", forward=lambda x: x**2, x=lambda x: 3 * x)

def composed(a, b=2.0):
    return lg.sum(right(a) * b)

def spoilt(a):
    return wrong(a)
"""


def test_check_finds_a_wrong_derivative(localgrad, tmp_path):
    (tmp_path / "mine.py").write_text(CHECKED)
    for name in ("right", "composed"):
        code, out, _ = localgrad("check", f"mine.py::{name}")
        assert code == 0 and f"right  {name}" in out
    for name in ("wrong", "spoilt"):
        code, out, _ = localgrad("check", f"mine.py::{name}", "--shape", "2,2")
        assert code == 1 and "checked wrong" in out and "3·x" in out


FAILING = """
import localgrad as lg
def misspelt(x):
    return lg.sum(y)
def product(a, b):
    return lg.sum(a @ b)
def nothing_to_move():
    return 3.0
"""


def test_check_says_where_a_function_failed_and_at_which_arguments(localgrad, tmp_path):
    (tmp_path / "failing.py").write_text(FAILING)
    (tmp_path / "broken.py").write_text("import localgrad\nimport nowhere_at_all\n")
    code, _, err = localgrad("check", "failing.py::misspelt")
    assert code == 2 and "NameError: name 'y'" in err and "at failing.py:4" in err
    assert "localgrad check failing.py::misspelt --shape 3,4" in err
    code, _, err = localgrad("check", "failing.py::product")
    assert code == 2 and "`matmul`" in err and "at failing.py:6" in err
    assert localgrad("check", "failing.py::product", "--shape", "2,3", "--shape", "3,2")[0] == 0
    code, _, err = localgrad("check", "failing.py::nothing_to_move")
    assert code == 2 and "nothing to differentiate" in err
    assert ".py:" not in err  # nobody's line made the call
    code, _, err = localgrad("check", "broken.py::f")
    assert code == 2 and "nowhere_at_all" in err and "at broken.py:2" in err


WRONG_INPUT = [
    (["train", "digit"], "Did you mean digits"),
    (["train", "nowhere.py"], "there is no file"),
    (["train", "tiny.py", "--lr", "0"], "must be greater than 0"),
    (["train", "tiny.py", "--lr", "nan"], "must be greater than 0"),
    (["train", "mnist"], "--data FOLDER"),
    (["train", "mnist", "--data", "nowhere"], "does not exist"),
    (["train", "mnist", "--data", "."], "no train-images-idx3-ubyte"),
    (["train", "tiny.py", "--lr", "inf"], "must be greater than 0, and finite"),
    (["train", "tiny.py", "--lr", "fast"], "--lr"),
    (["train", "tiny.py", "--epochs", "many"], "--epochs"),
    (["train", "tiny.py", "--epochs", "0"], "--epochs"),
    (["train", "tiny.py", "--batch-size", "-4"], "--batch-size"),
    (["train", "tiny.py", "--seed", "-1"], "--seed"),
    (["train", "tiny.py", "--seed", "1.5"], "--seed"),
    (["train", "tiny.py", "--out", "tiny.py"], "--out tiny.py is a file"),
    (["train", "bad/syntax.py"], "bad/syntax.py:2 is no Python"),
    (["train", "bad/binary.py"], "is no Python"),
    (["train", "bad/nothing.py"], "it defines none"),
    (["train", "bad/without.py"], "does not define network, loss"),
    (["train", "lstm", "--data", "bad/one.txt"], "has 1 character that occurs three times"),
    (["train", "rnn", "--data", "bad/short.txt"], "has 5 characters; windows of 64"),
    (["train", "gru", "--data", "bad/binary.py"], "it is no UTF-8 text (byte 0)"),
    (["train", "transformer", "--data", "bad"], "bad is a folder"),
    (["train", "transformer", "--data", "nowhere.txt"], "there is no text file"),
    (["train", "lenet", "--data", "bad/one.txt"], "is a file, not a folder"),
    (["train", "resnet", "--data", "bad/empty"], "it holds nothing"),
    (["train", "vit", "--data", "bad/images"], "the images have 6×6 pixels"),
    (["train", "unet", "--data", "bad/one.txt"], "is no folder"),
    (["train", "unet", "--data", "bad/empty"], "it holds nothing"),
    (["train", "multitask", "--data", "tissue"], "does not exist"),
    (["train", "tabular", "--data", "wines"], "Did you mean wine"),
    (["train", "tiny.py", "--out", "here"], "already holds a run"),
    (["train", "tiny.py", "--out", "here", "--resume", "--lr", "7"], "lr 0.001 (now 7.0)"),
    (["train", "digits", "--out", "here", "--resume"], "now digits"),
    (["train", "--resume", "--out", "nowhere"], "nowhere holds no run"),
    (["train", "--resume"], "runs holds no run"),
    (["explain", "nowhere", "x"], "holds no run"),
    (["explain", "here", "first.wieght"], "Did you mean first.weight"),
    (["explain", "here", "first.weight", "--index", "1"], "names no element"),
    (["explain", "here", "first.weight", "--index", "10,0"], "names no element"),
    (["explain", "here", "first.weight", "--index", "a,b"], "names no element"),
    (["report", "nowhere"], "holds no run"),
    (["check", "tiny.py"], "needs the name of a function"),
    (["check", "tiny.py::nothing"], "no function or operation 'nothing'"),
    (["check", "nowhere.py::f"], "there is no file"),
    (["bench", "nothing"], "nothing"),
    (["tarin"], "tarin"),
]


@pytest.fixture
def bad(tmp_path):
    """A folder of things that cannot be trained, or trained on."""
    folder = tmp_path / "bad"
    (folder / "empty").mkdir(parents=True)
    (folder / "images").mkdir()
    idx_folder(folder / "images", 6)
    (folder / "one.txt").write_text("a" * 9000)
    (folder / "short.txt").write_text("short")
    (folder / "binary.py").write_bytes(b"\xff\xfe\x00" * 999)
    (folder / "syntax.py").write_text("x = 1\ny = (\n")
    (folder / "nothing.py").write_text("x = 1\n")
    (folder / "without.py").write_text(
        "from localgrad.train import Recipe\nclass Without(Recipe):\n    data = print\n"
    )


def test_wrong_input_is_one_message_and_exit_code_2(trained, bad, localgrad, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    for arguments, words in WRONG_INPUT:
        code, _, err = localgrad(*arguments)
        assert code == 2, arguments
        assert words in err, arguments
    assert [p for p in sorted(tmp_path.rglob("*")) if "__pycache__" not in p.parts] == before


def test_damaged_checkpoints_are_named(trained, localgrad, tmp_path):
    path = tmp_path / "here" / "checkpoint.safetensors"
    whole = path.read_bytes()
    for content in (whole[:100], whole[:-1], b"", b"PK\3\4"):
        path.write_bytes(content)
        for arguments in (["report", "here"], ["train", "--resume", "--out", "here"]):
            code, _, err = localgrad(*arguments)
            assert code == 2 and "checkpoint.safetensors" in err
    path.unlink()
    code, _, err = localgrad("report", "here")
    assert code == 2 and "has no checkpoint yet" in err


def test_a_loss_that_is_no_number_stops_the_run(localgrad, tmp_path):
    code, _, err = localgrad("train", "tiny.py", "--lr", "1e38", "--epochs", "9", "--out", "wild")
    assert code == 2 and "--lr 1e+37" in err and "at step" in err
    assert not (tmp_path / "wild" / "model.safetensors").exists()
