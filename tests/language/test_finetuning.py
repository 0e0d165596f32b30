"""`init: {from: …}`, `freeze`, `lr_scale` and `accumulate` of a recipe: their forms, as data, and in the JSON Schema."""

import pytest
from pydantic import ValidationError

from archspec.api import check
from archspec.language.recipe import Recipe
from archspec.language.torchvision_files import FILES
from tests.helpers import assert_schema_accepts

BASE = {"data": "digits", "lr": 0.1}
FORMS = [
    {"init": {"from": "w.safetensors"}}, {"init": {"from": "runs/first", "strict": True, "biases": "zeros"}},
    {"init": {"from": "torchvision:resnet50"}}, {"init": {"from": "torchvision:files/x.pth"}},
    {"freeze": ["stem", "layer1.0"]}, {"lr_scale": {"head": 10, "stem": 0.1}}, {"accumulate": 4},
]


@pytest.mark.parametrize("fields", FORMS, ids=str)
def test_a_recipe_is_the_same_after_it_was_written(fields):
    recipe = Recipe.model_validate(BASE | fields)
    assert Recipe.model_validate(recipe.to_data()) == recipe
    assert Recipe.model_validate(recipe.to_data(defaults=False)) == recipe
    assert hash(recipe) == hash(Recipe.model_validate(recipe.to_data()))
    ((name, value),) = fields.items()
    assert recipe.to_data(defaults=False)[name] == value


def test_recipes_without_them_are_written_as_ever():
    """Runs of earlier releases have noted none of these: comparisons would call them different."""
    data = Recipe.model_validate(BASE).to_data()
    assert not data.keys() & {"freeze", "lr_scale", "accumulate"}
    assert data["init"] == {"weights": "default", "biases": "default"}


@pytest.mark.parametrize("fields", FORMS, ids=str)
def test_the_schema_accepts_them(fields):
    stages = {"stem": [{"linear": 3}], "layer1": [{"linear": 3}], "head": [{"linear": 10}]}
    assert_schema_accepts({"archspec": 1, "input": [4], "stages": stages, "train": BASE | fields})
    assert_schema_accepts({"archspec": 1, "input": [4], "stages": stages, "train": BASE | {"freeze": "stem"}})


def test_one_name_may_stand_without_a_list():
    assert Recipe.model_validate(BASE | {"freeze": "stem"}).freeze == ("stem",)


@pytest.mark.parametrize("fields", [
    {"accumulate": 0}, {"accumulate": 1.5}, {"freeze": [3]}, {"freeze": [""]}, {"lr_scale": {"head": float("inf")}},
    {"lr_scale": {"": 1}}, {"lr_scale": {}}, {"init": {"from": ""}}, {"init": {"from": "torchvision:"}},
    {"init": {"source": "w.safetensors"}},
], ids=str)
def test_other_values_are_refused(fields):
    with pytest.raises(ValidationError):
        Recipe.model_validate(BASE | fields)


@pytest.mark.parametrize(("called", "field"), [
    ("gradient_accumulation_steps", "accumulate"), ("accumulate_grad_batches", "accumulate"), ("lr_mult", "lr_scale"),
    ("frozen", "freeze"),
])
def test_other_libraries_names(called, field):
    spec = f"archspec: 1\ninput: [1, 8, 8]\nstages: {{head: [flatten, linear: 10]}}\ntrain: {{data: digits, lr: 0.1, {called}: 2}}\n"
    assert check(spec)[0].hint == f"it is called `{field}` here"


def test_the_table_of_torchvisions_files():
    assert FILES["resnet50"] == ("resnet50-11ad3fa6.pth", "resnet50-0676ba61.pth")
    assert all(file.endswith(".pth") for files in FILES.values() for file in files)
    assert not any("/" in file for files in FILES.values() for file in files)
