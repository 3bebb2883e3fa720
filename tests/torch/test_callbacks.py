"""The callbacks for Lightning and for Hugging Face, with the real packages on tiny models."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from typer.testing import CliRunner  # noqa: E402

from localgrad.cli import app  # noqa: E402
from localgrad.torch import Ledger  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what these packages say of themselves while imported
    import lightning.pytorch as pl
    import transformers

    from localgrad.torch.lightning import LedgerCallback as LightningLedger
    from localgrad.torch.transformers import LedgerCallback as TransformersLedger

# What the trainers warn of on a small machine is no matter of ours.
pytestmark = pytest.mark.filterwarnings("ignore")


def steps(folder: Path) -> list[int]:
    lines = (folder / "ledger-steps.jsonl").read_text().splitlines()
    return [json.loads(line)["record"]["step"] for line in lines]


class Regression(pl.LightningModule):
    def __init__(self, fails_at: int = -1) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(4, 8), torch.nn.Linear(8, 1)
        self.fails_at = fails_at

    def training_step(self, batch: Any, number: int) -> Any:
        loss = (self.second(torch.relu(self.first(batch[0]))) ** 2).mean()
        if number == self.fails_at:
            raise ZeroDivisionError
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.1)


class TwoOptimizers(Regression):
    """Manual optimisation: two sweeps, with an optimiser's step after each."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, number: int) -> None:
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch, number))
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(part.parameters(), 0.1) for part in (self.first, self.second)]


def fit(
    module: Any, callback: Any, tmp_path: Path, resume: Any = None, epochs: int = 1, **options: Any
) -> Any:
    torch.manual_seed(0)
    data = torch.utils.data.TensorDataset(torch.randn(80, 4))
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        **options,
    )
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=8), ckpt_path=resume)
    return trainer


def test_lightning_records_every_third_step(tmp_path: Path) -> None:
    fit(Regression(), LightningLedger(tmp_path / "run", every=3), tmp_path)
    assert steps(tmp_path / "run") == [0, 3, 6, 9]


def test_the_gradient_in_the_ledger_is_the_one_that_lightning_left(tmp_path: Path) -> None:
    module = Regression()
    fit(module, LightningLedger(tmp_path, every=100), tmp_path, max_steps=1)
    record = json.loads((tmp_path / "ledger.json").read_text())
    row = record["nodes"]["names"].index(["first.weight"])
    got = record["nodes"]["upstream"][row]["norm"]
    assert got == pytest.approx(float(module.first.weight.grad.norm()), rel=1e-5)
    assert record["framework"] == "torch"


def test_of_batches_that_are_added_up_lightning_records_the_first(tmp_path: Path) -> None:
    callback = LightningLedger(tmp_path / "run", every=2)
    fit(Regression(), callback, tmp_path, accumulate_grad_batches=2)
    assert steps(tmp_path / "run") == [0, 2, 4]
    assert not json.loads((tmp_path / "run" / "ledger.json").read_text())["findings"]


def test_manual_optimisation_is_recorded_whole(tmp_path: Path) -> None:
    fit(TwoOptimizers(), LightningLedger(tmp_path / "run", every=4), tmp_path)
    record = json.loads((tmp_path / "run" / "ledger.json").read_text())
    assert set(record["nodes"]["sweep"]) == {0, 1}


def test_a_step_that_raises_leaves_no_ledger_open(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fit(Regression(fails_at=3), LightningLedger(tmp_path / "run", every=1), tmp_path)
    assert steps(tmp_path / "run") == [0, 1, 2]
    with Ledger() as ledger:  # would raise, were another one open
        torch.ones(2, requires_grad=True).sum().backward()
    assert ledger.nodes


def test_lightning_goes_on_with_the_recording_of_a_training_that_is_resumed(
    tmp_path: Path,
) -> None:
    run, saved = tmp_path / "run", tmp_path / "saved.ckpt"
    fit(Regression(), LightningLedger(run, every=3), tmp_path).save_checkpoint(saved)
    assert steps(run) == [0, 3, 6, 9]
    fit(Regression(), LightningLedger(run, every=3), tmp_path, saved, epochs=2)
    assert steps(run) == [0, 3, 6, 9, 12, 15, 18]
    fit(Regression(), LightningLedger(run, every=3), tmp_path)
    assert steps(run) == [0, 3, 6, 9]


class Sentences(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 24

    def __getitem__(self, index: int) -> dict[str, Any]:
        tokens = (torch.arange(8) + index) % 16
        return {"input_ids": tokens, "labels": tokens}


def tune(
    callback: Any, tmp_path: Path, fails: str = "", resume: Any = None, **options: Any
) -> None:
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=16, n_positions=8, n_embd=16, n_layer=1, n_head=2,
        bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = transformers.GPT2LMHeadModel(config)
    if fails == "forward":
        model.register_forward_hook(_fail)
    if fails == "backward":
        model.transformer.ln_f.weight.register_hook(_fail)
    args = transformers.TrainingArguments(
        output_dir=str(tmp_path / "out"),
        per_device_train_batch_size=4,
        num_train_epochs=1,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        **{"save_strategy": "no", **options},
    )
    trainer = transformers.Trainer(model, args, train_dataset=Sentences(), callbacks=[callback])
    trainer.train(resume_from_checkpoint=resume)


def _fail(*_: Any) -> None:
    raise ZeroDivisionError


def test_hugging_face_records_every_second_step(tmp_path: Path, capsys: Any) -> None:
    tune(TransformersLedger(tmp_path / "run", every=2), tmp_path)
    assert steps(tmp_path / "run") == [0, 2, 4]
    record = json.loads((tmp_path / "run" / "ledger.json").read_text())
    tied = next(i for i, names in enumerate(record["nodes"]["names"]) if len(names) == 2)
    assert set(record["nodes"]["names"][tied]) == {"transformer.wte.weight", "lm_head.weight"}
    assert len(record["nodes"]["arrived"][tied]) == 2


def test_of_batches_that_are_added_up_hugging_face_records_the_first(tmp_path: Path) -> None:
    tune(TransformersLedger(tmp_path / "run", every=2), tmp_path, gradient_accumulation_steps=2)
    assert steps(tmp_path / "run") == [0, 2]
    record = json.loads((tmp_path / "run" / "ledger.json").read_text())
    assert set(record["nodes"]["sweep"]) == {0}


def test_hugging_face_goes_on_with_the_recording_of_a_training_that_is_resumed(
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    saves = {"save_strategy": "steps", "save_steps": 3}
    tune(TransformersLedger(run, every=2), tmp_path, **saves)
    first = (run / "ledger-steps.jsonl").read_text().splitlines()
    assert steps(run) == [0, 2, 4]
    checkpoint = str(tmp_path / "out" / "checkpoint-3")
    tune(TransformersLedger(run, every=2), tmp_path, resume=checkpoint, **saves)
    assert steps(run) == [0, 2, 4]
    # What came before the checkpoint was kept, what came after it was recorded anew.
    again = (run / "ledger-steps.jsonl").read_text().splitlines()
    assert again[:2] == first[:2]
    assert json.loads(again[2])["record"]["loss"] == pytest.approx(
        json.loads(first[2])["record"]["loss"], rel=1e-3
    )


@pytest.mark.parametrize("where", ["forward", "backward"])
def test_a_trainer_that_raises_leaves_no_ledger_open(tmp_path: Path, where: str) -> None:
    callback = TransformersLedger(tmp_path / "run", every=1)
    with pytest.raises(ZeroDivisionError) as raised:
        tune(callback, tmp_path, fails=where)
    hooks = torch.nn.modules.module._global_forward_hooks
    assert not hooks and not torch.overrides._get_current_function_mode_stack()
    trainer = next(
        entry.frame.f_locals["self"]
        for entry in raised.traceback
        if isinstance(entry.frame.f_locals.get("self"), transformers.Trainer)
    )
    assert "training_step" not in vars(trainer)
    with Ledger() as ledger:  # would raise, were another one open
        torch.ones(2, requires_grad=True).sum().backward()
    assert ledger.nodes
    tune(callback, tmp_path)
    assert len(steps(tmp_path / "run")) == 6


def test_report_and_explain_open_what_a_callback_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fit(Regression(), LightningLedger("runs/mine", every=3), tmp_path)
    done = CliRunner().invoke(app, ["report", "mine"])
    assert done.exit_code == 0, done.output
    page = (tmp_path / "runs/mine/report.html").read_text()
    assert "first.weight" in page
    done = CliRunner().invoke(app, ["explain", "runs/mine", "first.weight"])
    assert done.exit_code == 0 and "first.weight" in done.output
    done = CliRunner().invoke(app, ["explain", "runs/mine", "first.weight", "--index", "0,0"])
    assert 'level="edges"' in str(done.exception)
    done = CliRunner().invoke(app, ["explain", "runs/mine", "frist.weight"])
    assert "first.weight" in str(done.exception)


def test_importing_the_ledger_imports_neither_package() -> None:
    code = (
        "import sys, localgrad.torch; "
        "print([m for m in ('lightning', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
