"""Make transformers' Auto classes know model_type "shakti"."""

from __future__ import annotations

from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from sdk_builder.models.config import ShaktiConfig


def register(model_class: type[PreTrainedModel] | None = None) -> None:
    """Register ShaktiConfig and ShaktiForCausalLM; calling it again changes nothing.

    model_class: what `modeling` passes while it is being imported; others leave it out.
    """
    if model_class is None:
        from sdk_builder.models.modeling import ShaktiForCausalLM

        model_class = ShaktiForCausalLM
    AutoConfig.register(ShaktiConfig.model_type, ShaktiConfig, exist_ok=True)
    AutoModelForCausalLM.register(ShaktiConfig, model_class, exist_ok=True)
