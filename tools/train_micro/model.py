"""The micro SAM 2.1: Meta's modules with the sizes of assets/sam2.1_micro.yaml; initialisation and export."""

import json
import pathlib

import sam2.modeling.sam2_base
import torch
import torch.nn.functional as F
from hydra.utils import instantiate
from omegaconf import OmegaConf
from safetensors.torch import load_file, save_file
from sam2.modeling.sam2_base import NO_OBJ_SCORE, SAM2Base

CONFIG = pathlib.Path(__file__).parents[2] / "assets" / "sam2.1_micro.yaml"
FINAL_SIZE = 256


class Trainee(SAM2Base):
    """SAM2Base whose heads return the raw candidate masks, also of absent objects, for the loss."""

    def _forward_sam_heads(
        self,
        backbone_features,
        point_inputs=None,
        mask_inputs=None,
        high_res_features=None,
        multimask_output=False,
    ):
        """As Meta's; the first two results are the raw candidates [B, M, S/4, S/4] and None."""
        batch, device = backbone_features.size(0), backbone_features.device
        if point_inputs is None:
            points = (
                torch.zeros(batch, 1, 2, device=device),
                -torch.ones(batch, 1, dtype=torch.int32, device=device),
            )
        else:
            points = point_inputs["point_coords"], point_inputs["point_labels"]
        if mask_inputs is not None and mask_inputs.shape[-2:] != self.sam_prompt_encoder.mask_input_size:
            size = self.sam_prompt_encoder.mask_input_size
            mask_inputs = F.interpolate(mask_inputs.float(), size, mode="bilinear", antialias=True)
        sparse, dense = self.sam_prompt_encoder(points=points, boxes=None, masks=mask_inputs)
        masks, ious, tokens, score = self.sam_mask_decoder(
            image_embeddings=backbone_features,
            image_pe=self.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=multimask_output,
            repeat_image=False,
            high_res_features=high_res_features,
        )
        rows, best = torch.arange(batch, device=device), ious.argmax(1)
        seen = (score > 0).float()
        low = torch.where(score[:, :, None, None] > 0, masks[rows, best][:, None], NO_OBJ_SCORE).float()
        high = F.interpolate(low, (self.image_size, self.image_size), mode="bilinear", align_corners=False)
        token = tokens[rows, best] if tokens.size(1) > 1 else tokens[:, 0]
        pointer = seen * self.obj_ptr_proj(token) + (1 - seen) * self.no_obj_ptr
        return masks, None, ious, low, high, pointer, score


def config(size: int = FINAL_SIZE) -> dict:
    """The configuration as a dictionary, for images of `size` pixels."""
    model = OmegaConf.to_container(OmegaConf.load(CONFIG))["model"]
    model["image_size"] = size
    layer = model["memory_attention"]["layer"]
    for attention in (layer["self_attention"], layer["cross_attention"]):
        attention["feat_sizes"] = [size // 16, size // 16]
    return model


def build(size: int) -> Trainee:
    """An untrained model for images of `size` pixels; no weight depends on the size."""
    return instantiate(OmegaConf.create({**config(size), "_target_": "model.Trainee"}), _recursive_=True)


class _WithoutCopies:
    """torch, with constants cached on the device: a CUDA graph cannot copy from freed host memory."""

    def __init__(self, device: torch.device):
        self.device, self.made = device, {}

    def __getattr__(self, name: str):
        return getattr(torch, name)

    def tensor(self, values: tuple) -> torch.Tensor:
        if values not in self.made:
            self.made[values] = torch.tensor(values, device=self.device)
        return self.made[values]


def without_copies(device: torch.device) -> None:
    """Makes Meta's module, which creates a tensor of pointer ages per frame, capturable in CUDA graphs."""
    sam2.modeling.sam2_base.torch = _WithoutCopies(device)


@torch.no_grad()
def head_start(model: Trainee, frames: torch.Tensor, scale: float = 2.0, loudness: float = 0.3) -> None:
    """Initialises the mask decoder's attention as positional. frames [B, 3, S, S].

    An untrained trunk gives image embeddings about ten times as large as the position encodings, so that
    prompts have no effect: the neck is scaled to a root mean square of `loudness`. Query and key projections
    between tokens and image get the same selection of the position encoding's frequencies, so that their
    product peaks where the positions agree. Training may change all of it.
    """
    embedding = model.forward_image(frames)["backbone_fpn"][-1]
    for conv in model.image_encoder.neck.convs[
        :2
    ]:  # the two coarse levels, of which the embedding is the sum
        for p in conv.parameters():
            p.mul_(loudness / embedding.square().mean().sqrt())
    transformer = model.sam_mask_decoder.transformer
    attentions = [transformer.final_attn_token_to_image]
    for layer in transformer.layers:
        attentions += [layer.cross_attn_token_to_image, layer.cross_attn_image_to_token]
    half = model.sam_prompt_embed_dim // 2
    for attention in attentions:
        rows = attention.internal_dim
        frequencies = torch.randperm(half)[: rows // 2]
        select = torch.zeros(rows, 2 * half)
        select[torch.arange(0, rows, 2), frequencies] = scale
        select[torch.arange(1, rows, 2), half + frequencies] = scale
        for projection in (attention.q_proj, attention.k_proj):
            projection.weight.mul_(0.3).add_(select.to(projection.weight.device))
    head_start_memory(model, loudness)


@torch.no_grad()
def head_start_memory(model: Trainee, loudness: float, locality: float = 1.5, frequencies: int = 8) -> None:
    """Scales the memory path so that the mask has an effect, and makes memory attention positional.

    Without it, the mask hardly changes the conditioned features. For the positions, queries and keys get the
    same constant bias in the fastest rotations of each axis.
    """
    model.memory_attention.norm.weight.mul_(2.5 * loudness)
    for p in model.memory_encoder.mask_downsampler.encoder[-1].parameters():
        p.mul_(3)
    for p in model.memory_encoder.pix_feat_proj.parameters():
        p.mul_(0.5)
    for p in model.obj_ptr_proj.layers[-1].parameters():
        p.mul_(6)
    for layer in model.memory_attention.layers:
        layer.cross_attn_image.out_proj.weight.mul_(2)
    for layer in model.memory_attention.layers:
        for projection in (layer.cross_attn_image.q_proj, layer.cross_attn_image.k_proj):
            across, down = projection.bias.view(2, -1, 2)  # [rotations, (real, imaginary)] each
            across[:frequencies, 0] += locality
            down[:frequencies, 0] += locality


def export(weights: dict, folder: pathlib.Path) -> None:
    """Writes micro.safetensors (f16, metadata `sam2.config`) and micro.pt (f32, Meta's layout)."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {k: v.detach().cpu().float() for k, v in weights.items()}
    torch.save({"model": whole}, folder / "micro.pt")
    half = {k: v.to(torch.float16).contiguous() for k, v in whole.items()}
    save_file(half, folder / "micro.safetensors", metadata={"sam2.config": json.dumps(config())})


def load(path: pathlib.Path) -> dict:
    """Weights from either file of `export`."""
    if path.suffix != ".safetensors":
        return torch.load(path, map_location="cpu")["model"]
    return {k: v.float() for k, v in load_file(path).items()}
