"""Recipes: what is accepted, how it reads, and what each mistake is told as."""

import subprocess
import sys

import jsonschema
import pytest
from pydantic import ValidationError

import archspec
from archspec.language.recipe import OPTIMIZER_FIELDS, Recipe, merge_recipe
from archspec.language.schedule import Constant, Cosine, OneCycle, Step
from tests.helpers import assert_marked, spec

SOURCE = {
    "data": "fashion-mnist", "batch_size": 64, "epochs": 25, "optimizer": "sgd", "lr": 0.05,
    "init": "xavier_uniform",
}
BASE = {"data": "digits", "lr": 0.1}


def test_the_sources_recipe():
    recipe = Recipe.model_validate(SOURCE)
    assert (recipe.batch_size, recipe.epochs, recipe.lr) == (64, 25, 0.05)
    assert (recipe.init.weights, recipe.init.biases) == ("xavier_uniform", "default")
    assert recipe.schedule == Constant()
    assert recipe.warmup.epochs == 0
    assert recipe.normalize is None


@pytest.mark.parametrize(("written", "expected"), [
    ("constant", Constant()),
    ("cosine", Cosine(final=0.0)),
    ({"cosine": 0.1}, Cosine(final=0.1)),
    ({"cosine": {"final": 0.1}}, Cosine(final=0.1)),
    ("one_cycle", OneCycle()),
    ({"one_cycle": 0.2}, OneCycle(peak=0.2)),
    ({"one_cycle": {"start": 0.1, "final": 0.01}}, OneCycle(start=0.1, final=0.01)),
    ({"step": 10}, Step(every=10, factor=0.1)),
    ({"step": {"every": 10, "factor": 0.5}}, Step(every=10, factor=0.5)),
    ({"step": {"at": [30, 60]}}, Step(at=(30, 60))),
], ids=str)
def test_schedules_as_written(written, expected):
    recipe = {**BASE, "schedule": written}
    assert Recipe.model_validate(recipe).schedule == expected
    jsonschema.validate(recipe, Recipe.model_json_schema())


@pytest.mark.parametrize("fields", [
    {"warmup": 5}, {"warmup": 10}, {"warmup": 0.5}, {"warmup": {"steps": 500}}, {"warmup": {"epochs": 2}},
    {"init": "normal"}, {"init": {"biases": "zeros"}},
    {"init": {"weights": "kaiming_normal", "biases": "zeros"}},
    {"normalize": {"mean": 0.286, "std": 0.353}},
    {"normalize": {"mean": [0.5, 0.4, 0.4], "std": [0.2, 0.2, 0.3]}},
    {"optimizer": "adam", "betas": [0.9, 0.99], "eps": 1e-7}, {"optimizer": "adamw", "weight_decay": 0.05},
    {"momentum": 0.9, "nesterov": True, "weight_decay": 5e-4}, {"seed": 2**63 - 1},
    {"label_smoothing": 0.1, "clip_grad_norm": 1, "ema": 0.999, "mixup": 0.2, "cutmix": 1},
    {"augment": [{"random_crop": 4}, "horizontal_flip", {"random_erase": 0.25}]}, {"augment": []},
    {"augment": {"random_crop": 4, "horizontal_flip": 0.5}},
    {"validation": 0.1}, {"validation": 5000}, {"validation": "test"}, {"validation": "val", "data": "folder:x"},
    {"early_stopping": 5}, {"early_stopping": {"patience": 5, "metric": "loss", "min_delta": 0.001}},
    {"weight_decay": 0.1, "decay_norm_and_bias": False},
    {"loss": "bce"}, {"loss": {"huber": {"delta": 0.5, "weight": 2}}}, {"loss": {"cross_entropy": {}}},
    {"loss": {"head": "mse", "aux": {"cross_entropy": {"weight": 0.3, "class_weights": [1, 2]}}}},
    {"loss": {"bce": {"class_weights": "balanced", "label_smoothing": 0.1}}, "early_stopping": 3},
    {"loss": "l1", "early_stopping": {"patience": 2, "metric": "r2"}},
], ids=str)
def test_accepted_by_model_and_schema(fields):
    Recipe.model_validate({**BASE, **fields})
    jsonschema.validate({**BASE, **fields}, Recipe.model_json_schema())


MISTAKES = [
    ({"lr": 0}, ("lr",), "greater than 0"),
    ({"lr": True}, ("lr",), "number"),
    ({"lr": float("nan")}, ("lr",), "finite"),
    ({"epochs": 1.5}, ("epochs",), "integer"),
    ({"batch_size": 0}, ("batch_size",), "greater than or equal to 1"),
    ({"seed": -1}, ("seed",), "greater than or equal to 0"),
    ({"optimizer": "adm"}, ("optimizer",), "'sgd', 'adam' or 'adamw'"),
    ({"lrr": 1}, ("lrr",), "not permitted"),
    ({"schedule": "cosin"}, ("schedule",), "must be one of constant, step, cosine, one_cycle, got cosin"),
    ({"schedule": 3}, ("schedule",), "must be one schedule: a name, or its name and fields"),
    ({"schedule": {"cosine": 0.1, "step": 2}}, ("schedule",), "must be one schedule"),
    ({"schedule": {"constant": 3}}, ("schedule",), "constant takes no argument"),
    ({"schedule": {"cosine": {"kind": "step"}}}, ("schedule",), "cosine has no field `kind`"),
    ({"schedule": {"cosine": {"finale": 0}}}, ("schedule", "cosine", "finale"), "not permitted"),
    ({"schedule": {"one_cycle": {"peak": 1}}}, ("schedule", "one_cycle", "peak"), "less than 1"),
    ({"schedule": "step"}, ("schedule", "step"), "step needs `every` or `at`"),
    ({"schedule": {"step": {"every": 2, "at": [3]}}}, ("schedule", "step"), "step needs `every` or `at`"),
    ({"schedule": {"step": {"at": []}}}, ("schedule", "step", "at"), "at least 1"),
    ({"warmup": True}, ("warmup",), "must be a number of epochs, or {steps: N}"),
    ({"warmup": -1}, ("warmup",), "must be 0 or more epochs, got -1"),
    ({"warmup": {}}, ("warmup",), "needs `epochs` or `steps`"),
    ({"warmup": {"epochs": 1, "steps": 1}}, ("warmup",), "needs `epochs` or `steps`"),
    ({"init": "xavier"}, ("init",), "must be one of default, xavier_uniform,"),
    ({"init": 3}, ("init",), "must be a rule's name, or {weights: RULE, biases: RULE}"),
    ({"init": {"weights": "xavier"}}, ("init", "weights"), "'xavier_uniform'"),
    ({"normalize": {"mean": "x", "std": 1}}, ("normalize", "mean"), "must be a number, or a list"),
    ({"normalize": {"mean": [], "std": 1}}, ("normalize", "mean"), "must be a number, or a list"),
    ({"normalize": {"mean": 0, "std": 0}}, ("normalize", "std", 0), "greater than 0"),
    ({"normalize": {"mean": [0, 0], "std": 1}}, ("normalize",), "has 2 means and 1 standard deviations"),
    ({"normalize": {"mean": 0}}, ("normalize", "std"), "required"),
    ({"optimizer": "adam", "betas": [0.9, 1]}, ("betas", 1), "less than 1"),
    ({"label_smoothing": 1}, ("label_smoothing",), "less than 1"),
    ({"clip_grad_norm": 0}, ("clip_grad_norm",), "greater than 0"),
    ({"ema": 1}, ("ema",), "less than 1"),
    ({"ema": 0}, ("ema",), "greater than 0"),
    ({"mixup": 0}, ("mixup",), "greater than 0"),
    ({"cutmix": -1}, ("cutmix",), "greater than 0"),
    ({"augment": 3}, ("augment",), "must be a list such as [random_crop: 4, horizontal_flip: 0.5]"),
    ({"augment": [3]}, ("augment",), "must be a list of names with their numbers"),
    ({"augment": ["random_crop"]}, ("augment",), "needs a number for `random_crop`"),
    ({"augment": [{"random_crop": 4, "random_erase": 1}]}, ("augment",), "must be a list of names"),
    ({"augment": [{"crop": 4}]}, ("augment",), "one of horizontal_flip, random_crop, random_erase, got crop"),
    ({"augment": ["horizontal_flip", {"horizontal_flip": 1.0}]}, ("augment",), "has `horizontal_flip` twice"),
    ({"augment": [{"random_crop": 0}]}, ("augment",), "`random_crop` must be at least 1, got 0"),
    ({"augment": [{"horizontal_flip": 1.5}]}, ("augment",), "`horizontal_flip` must be more than 0 and at most 1, got 1.5"),
    ({"augment": {"random_crop": 1.5}}, ("augment", "random_crop"), "integer"),
    ({"validation": 1.0}, ("validation",), "must be a share between 0 and 1, a number of images, `val` or `test`"),
    ({"validation": 0}, ("validation",), "must be a share between 0 and 1"),
    ({"validation": True}, ("validation",), "must be a share between 0 and 1"),
    ({"validation": "10%"}, ("validation",), "must be a share between 0 and 1"),
    ({"early_stopping": 0}, ("early_stopping", "patience"), "greater than or equal to 1"),
    ({"early_stopping": True}, ("early_stopping",), "must be a number of epochs, or {patience: N"),
    ({"early_stopping": {"min_delta": 0.1}}, ("early_stopping", "patience"), "required"),
    ({"early_stopping": {"patience": 1, "metric": "acc"}}, ("early_stopping", "metric"), "'accuracy'"),
    ({"loss": "mae"}, ("loss",), "must be one of cross_entropy, bce, mse, l1, huber, got mae"),
    ({"loss": {"hubr": {"delta": 1}}}, ("loss",), "must be one of cross_entropy, bce, mse, l1, huber, got hubr"),
    ({"loss": 3}, ("loss",), "must be a loss: a name, its name and fields, or a mapping from outputs to losses"),
    ({"loss": {"mse": None, "weight": 2}}, ("loss",), "must be one loss: a name, or its name and fields"),
    ({"loss": {"head": {"mse": {}, "l1": {}}}}, ("loss",), "must be one loss"),
    ({"loss": {"mse": 3}}, ("loss",), "mse takes fields"),
    ({"loss": {"mse": {"delta": 1}}}, ("loss", "", "mse", "delta"), "not permitted"),
    ({"loss": {"aux": {"mse": {"weight": 0}}}}, ("loss", "aux", "mse", "weight"), "greater than 0"),
    ({"loss": {"bce": {"class_weights": "even"}}}, ("loss", "", "bce", "class_weights"), "must be a list with a number"),
    ({"loss": {"bce": {"class_weights": [1, 0]}}}, ("loss", "", "bce", "class_weights"), "a positive number for each"),
]
CROSSED = [
    ({"loss": "mse", "label_smoothing": 0.1}, "label_smoothing", "label_smoothing needs a loss with labels"),
    ({"loss": "bce", "early_stopping": {"patience": 1, "metric": "accuracy"}}, "early_stopping",
     "`metric: accuracy` does not go with the loss bce, which has f1 and exact_match"),
    ({"betas": [0.9, 0.99]}, "betas", "sgd takes no `betas`, which belongs to adam and adamw"),
    ({"optimizer": "adam", "momentum": 0.9}, "momentum", "adam takes no `momentum`, which belongs to sgd"),
    ({"validation": "val"}, "validation", "`validation: val` needs a folder of images, digits has no `val`"),
    ({"nesterov": True}, "nesterov", "nesterov needs a momentum above 0"),
    ({"schedule": "one_cycle", "warmup": 1}, "warmup", "one_cycle has its own warm-up"),
    ({"schedule": "one_cycle", "warmup": {"steps": 1}}, "warmup", "one_cycle has its own warm-up"),
    ({"decay_norm_and_bias": False}, "decay_norm_and_bias", "needs a weight_decay above 0"),
    ({"warmup": 11}, "warmup", "a warm-up of 11 epochs is longer than the run of 10"),
]


@pytest.mark.parametrize(("fields", "place", "message"), MISTAKES, ids=[str(m[0]) for m in MISTAKES])
def test_a_mistake_is_one_error_at_its_place(fields, place, message):
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({**BASE, **fields})
    (mistake,) = caught.value.errors()
    assert mistake["loc"] == place
    assert message in mistake["msg"]


@pytest.mark.parametrize(("fields", "field", "message"), CROSSED, ids=[str(m[0]) for m in CROSSED])
def test_a_mistake_between_fields_names_the_field(fields, field, message):
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({**BASE, **fields})
    (mistake,) = caught.value.errors()
    assert mistake["loc"] == ()
    assert mistake["ctx"]["field"] == field
    assert message in mistake["msg"]


@pytest.mark.parametrize("missing", ["data", "lr"])
def test_what_has_no_sound_default_is_required(missing):
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({key: value for key, value in BASE.items() if key != missing})
    assert [(e["loc"], e["type"]) for e in caught.value.errors()] == [((missing,), "missing")]


def test_the_schema_refuses_what_the_model_refuses():
    schema = Recipe.model_json_schema()
    for fields, _, _ in MISTAKES:
        value = next(iter(fields.values()))
        if value != value or fields == {"validation": 1.0} or fields in (  # rules between fields, which a schema does not hold
            {"warmup": {}}, {"warmup": {"epochs": 1, "steps": 1}}, {"normalize": {"mean": [0, 0], "std": 1}},
            {"schedule": {"step": {"every": 2, "at": [3]}}}, {"augment": ["horizontal_flip", {"horizontal_flip": 1.0}]},
        ):
            continue
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**BASE, **fields}, schema)
            pytest.fail(f"the schema accepts {fields}")


def test_every_field_is_described_in_the_schema():
    properties = Recipe.model_json_schema()["properties"]
    assert set(properties) == set(Recipe.model_fields)
    assert [name for name, schema in properties.items() if not schema.get("description")] == []


def test_optimizer_fields_are_fields_and_belong_to_torch():
    import torch

    for name, fields in OPTIMIZER_FIELDS.items():
        kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
        assert fields <= set(Recipe.model_fields)
        assert fields <= set(kind.__init__.__code__.co_varnames)


@pytest.mark.parametrize("fields", [
    {}, {"schedule": "cosine", "warmup": {"steps": 3}}, {"schedule": {"step": {"at": [2, 3]}}, "momentum": 0.5},
    {"optimizer": "adam", "betas": [0.8, 0.9], "normalize": {"mean": 0.5, "std": [0.5]}, "warmup": 2},
    {"optimizer": "adamw", "schedule": "one_cycle", "init": {"biases": "zeros"}},
    {"augment": [{"random_crop": 4}, "horizontal_flip"], "early_stopping": 3, "ema": 0.9, "mixup": 0.2},
], ids=str)
def test_a_recipe_survives_being_written(fields):
    import json

    recipe = Recipe.model_validate({**BASE, **fields})
    written = json.loads(json.dumps(recipe.to_data()))
    jsonschema.validate(written, Recipe.model_json_schema())
    again = Recipe.model_validate(written)
    assert dict(again) == dict(recipe)
    assert again.to_data() == recipe.to_data()


def test_a_written_recipe_names_what_applies_and_nothing_else():
    written = Recipe.model_validate({**BASE, "optimizer": "adam"}).to_data()
    assert {"momentum", "nesterov", "normalize"}.isdisjoint(written)
    assert (written["betas"], written["epochs"], written["schedule"]) == ([0.9, 0.999], 10, "constant")


def test_merge_lays_keys_over_keys():
    merged = merge_recipe({**SOURCE, "momentum": 0.9}, {"lr": 0.1, "epochs": 3})
    assert merged == {**SOURCE, "momentum": 0.9, "lr": 0.1, "epochs": 3}


def test_merge_null_removes_and_values_are_replaced_whole():
    base = {"init": {"weights": "normal", "biases": "zeros"}, "seed": 3}
    merged = merge_recipe(base, {"init": {"weights": "default"}, "seed": None})
    assert merged == {"init": {"weights": "default"}}


def test_merge_leaves_the_old_optimizers_fields_behind():
    base = {**BASE, "momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}
    assert merge_recipe(base, {"optimizer": "adam"}) == {**BASE, "weight_decay": 1e-4, "optimizer": "adam"}
    assert merge_recipe(base, {"optimizer": "sgd", "lr": 1.0})["momentum"] == 0.9
    # what the changes themselves say is kept, so that its mistake is told
    assert merge_recipe(base, {"optimizer": "adam", "momentum": 0.5})["momentum"] == 0.5


def test_merge_changes_neither_argument():
    base, changes = {"lr": 0.1, "momentum": 0.9}, {"optimizer": "adam", "seed": None}
    merge_recipe(base, changes)
    assert base == {"lr": 0.1, "momentum": 0.9}
    assert changes == {"optimizer": "adam", "seed": None}
    assert merge_recipe(None, {"lr": 1.0}) == {"lr": 1.0}


def test_recipes_do_without_torch():
    code = "import sys, archspec.language.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("written", "hint"), [
    ("10.0", "for 10 images write `validation: 10`"), ("10%", "write 0.1"), ("valid", "write `val` for a folder's"),
    ("none", "for no validation set write `test`"), ("0", "for no validation set write `test`"), ("1.5", "write a value such as 0.1"),
])
def test_the_hint_for_a_validation_set(written, hint):
    text = "archspec: 1\ninput: [1, 8, 8]\nstages: {head: [flatten, linear: 10]}\ntrain: {data: digits, lr: 1, validation: %s}"
    (found,) = archspec.check(text % written)
    assert found.code == "SPEC060"
    assert (found.hint or "").startswith(hint or "")
    assert (hint is None) == (found.hint is None)


def test_a_validation_set_as_large_as_a_known_training_set_is_found_without_reading_it():
    text = "archspec: 1\ninput: [1, 8, 8]\nstages: {head: [flatten, linear: 10]}\ntrain: {data: digits, lr: 1, validation: %d}"
    assert not archspec.check(text % 1432)
    (found,) = archspec.check(text % 1433)
    assert found.code == "RUN370"
    assert "takes 1,433 of 1,442 training images, which leaves some of the 10 classes no image" in found.message
    assert found.hint == "take at most 1,432 images"


def test_old_names_of_what_early_stopping_watches():
    for old, new in (("test_accuracy", "accuracy"), ("test_loss", "loss")):
        rule = Recipe.model_validate({**BASE, "early_stopping": {"patience": 1, "metric": old}}).early_stopping
        assert rule.metric == new


@pytest.mark.parametrize(("field", "hint"), [
    ("epochs: ten", "10"), ("epochs: Fifty", "50"), ("epochs: 1_000", "1000"), ("batch_size: '1,024'", "1024"), ("epochs: 10 epochs", "10"),
    ("lr: '0,1'", "0.1"), ("lr: '5 %'", "0.05"), ("seed: zero", "0"),
])
def test_a_number_that_is_written_in_another_way_gets_a_hint(field, hint):
    text = f"archspec: 1\ninput: [1, 8, 8]\nstages: {{s: [flatten, linear: 10]}}\ntrain:\n  data: digits\n  {field}\n"
    text += "" if field.startswith("lr") else "  lr: 0.1\n"
    (found,) = archspec.check(text)
    assert (found.code, found.hint) == ("SPEC060", f"write `{hint}`")


@pytest.mark.parametrize("field", ["epochs: ten thousand", "epochs: none", "epochs: '0,1'", "lr: 1,2,3", "epochs: 5 %", "epochs: 1_00"])
def test_a_text_that_is_no_number_gets_an_example(field):
    text = f"archspec: 1\ninput: [1, 8, 8]\nstages: {{s: [flatten, linear: 10]}}\ntrain:\n  data: digits\n  {field}\n"
    text += "" if field.startswith("lr") else "  lr: 0.1\n"
    (found,) = archspec.check(text)
    example = "0.1" if field.startswith("lr") else "10, the default"
    assert (found.code, found.hint) == ("SPEC060", f"write a value such as {example}")


@pytest.mark.parametrize(("written", "expected"), [
    ("mse", {"": {"kind": "mse", "weight": 1.0}}),
    ({"mse": {"weight": 2}}, {"": {"kind": "mse", "weight": 2.0}}),
    ({"mse": "l1"}, {"mse": {"kind": "l1", "weight": 1.0}}),  # an output named as a loss is
    ({"mse": {"l1": {"weight": 3}}, "b": "mse"},
     {"mse": {"kind": "l1", "weight": 3.0}, "b": {"kind": "mse", "weight": 1.0}}),
], ids=str)
def test_losses_as_written(written, expected):
    recipe = Recipe.model_validate({**BASE, "loss": written})
    assert recipe.model_dump()["loss"] == expected
    assert Recipe.model_validate(recipe.to_data()) == recipe


def test_a_recipe_of_cross_entropy_looks_as_it_did_before_there_were_other_losses():
    assert "loss" not in Recipe.model_validate({**BASE, "loss": "cross_entropy"}).to_data()


@pytest.mark.parametrize(("loss", "metric"), [("cross_entropy", "accuracy"), ("bce", "f1"), ("huber", "mae")])
def test_early_stopping_watches_the_metric_of_the_loss(loss, metric):
    assert Recipe.model_validate({**BASE, "loss": loss, "early_stopping": 3}).early_stopping.metric == metric


def test_recipes_with_mappings_are_hashable_and_equal_ones_alike():
    one, other = (Recipe.model_validate({**BASE, "loss": {"a": "mse", "b": "l1"}}) for _ in range(2))
    assert len({one, other, Recipe.model_validate(BASE)}) == 2


@pytest.mark.parametrize(("wrong", "hint"), [
    ("loss: «mae»", "write `l1`"), ("loss: {mse: {«wieght»: 2}}", "a similar name exists: `weight`"),
    ("loss: «{mse: , weight: 2}»", "write `{mse: {weight: 2}}`"),
    ("loss: {a: {cross_entropy: {label_smoothing: «2»}}}", "write a value such as 0.1"),
])
def test_mistakes_in_a_loss_are_marked_at_their_place(wrong, hint):
    text = spec(f"stages: {{a: [flatten, linear: 10]}}\ntrain: {{data: 'table:labels.csv', lr: 0.1, {wrong}}}")
    (found,) = assert_marked(text, ("SPEC060", "loss"))
    assert found.hint == hint
