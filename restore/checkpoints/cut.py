"""Networks of several stages, cut after one of them.

Every stage except the last ends in a supervised attention module, which makes an image of its own
(MAXIM, section 3.3). With its convolution as the output, the stages up to there are a complete
network; later ones are neither computed nor kept.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from restore.checkpoints.card import Card
from restore.checkpoints.store import Model
from restore.errors import UsageError
from restore.networks import NetworkConfig, config_from_dict, config_to_dict, variants

if TYPE_CHECKING:
    from restore.networks.base import RestorationNetwork


def check_stages(config: NetworkConfig, stages: int) -> int:
    """Return ``stages`` if a network of this configuration can be cut after that many.

    Raises `UsageError` for anything but a whole number from 1 to the number of its stages.
    """
    count = config.num_stages
    whole = isinstance(stages, int) and not isinstance(stages, bool)
    if not whole or not 1 <= stages <= count:
        most = "1, the only stage there is" if count == 1 else f"a number from 1 to {count}"
        raise UsageError(f"stages is {stages!r}; for this model, use {most}")
    return stages


def cut(network: RestorationNetwork, stages: int) -> RestorationNetwork:
    """Build the network that ends after ``stages`` stages; its output is
    ``network.outputs(x)[stages - 1][-1]``.

    Returns the network itself if it has no more stages. Otherwise, parameters are shared with it;
    device, dtype and mode are the same. Raises `UsageError` as `check_stages` does.
    """
    return network.first_stages(check_stages(network.config, stages))


def cut_model(model: Model, stages: int | None) -> Model:
    """Describe a model cut after ``stages`` stages; None keeps all.

    Memory and precisions of the whole network stay on the card, since those of a part are no worse.
    Figures stay if they were measured after as many stages. Raises `UsageError`.
    """
    if stages is None or check_stages(model.card.network, stages) == model.card.network.num_stages:
        return model
    return replace(model, card=_cut_card(model.card, stages), stored=model.card)


def read_network(model: Model) -> RestorationNetwork:
    """Read a model's network, in float32 on the CPU, cut if `cut_model` has described it so.

    Raises `CheckpointError` as `weights.load` does.
    """
    from restore.checkpoints import weights

    network = weights.load(model.path, model.stored or model.card)
    return cut(network, model.card.network.num_stages) if model.stored else network


def write_cut(model: Model, target: Path, stages: int, overwrite: bool = False) -> Card:
    """Write the first ``stages`` stages of a model to ``target``, with a card; return the card.

    The card inherits task, licence, training data, paper and tile policy, and its source names the
    original model. Raises `UsageError`, or `CheckpointError` if the file cannot be written.
    """
    from restore.checkpoints import weights

    config = model.card.network
    if check_stages(config, stages) == config.num_stages:
        raise UsageError(
            f"{model.card.name} has {config.num_stages} stage{'s' * (config.num_stages > 1)}; "
            "there is nothing to cut"
        )
    weights.check_target(target, overwrite)
    shorter = cut_model(model, stages)
    origin = {"model": model.card.name, "sha256": model.card.sha256, "stages": stages}
    if model.card.source:
        origin["source"] = dict(model.card.source)
    card = replace(shorter.card, name=target.stem, source={"cut_from": origin})
    return weights.save(read_network(shorter), card, target)


def _cut_card(card: Card, stages: int) -> Card:
    config = config_from_dict(config_to_dict(card.network) | {"num_stages": stages})
    variant = next((name for name, known in variants().items() if known == config), "custom")
    figures = tuple(replace(f, stages=0) for f in card.figures if f.stages == stages)
    return replace(card, network=config, variant=variant, figures=figures, parameters=None)
