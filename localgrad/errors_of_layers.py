"""The messages of layers and losses: what is wrong, where, and what to write instead."""

from __future__ import annotations

from typing import Any

from localgrad.errors import DeclarationError, ShapeError, _at


def target_shape(x: Any, target: Any, where: str) -> ShapeError:
    """Scores and targets of shapes that do not belong together."""
    return ShapeError(
        f"cross_entropy takes scores (batch, classes, …) and one target for each place, shaped "
        f"(batch, …); got scores {tuple(x)} and targets {tuple(target)}{_at(where)}.\n"
        "  For scores with the classes last: cross_entropy(x.reshape(-1, classes), y.reshape(-1))."
    )


def target_dtype(dtype: Any, where: str) -> ShapeError:
    """Targets that are no whole numbers."""
    return ShapeError(
        f"class targets are whole numbers, not {dtype}{_at(where)}.\n"
        "  Write target.astype('int64'); or give probabilities, shaped like the scores."
    )


def label_out_of_range(label: int, classes: int, where: str) -> ShapeError:
    """A target that names no class."""
    return ShapeError(
        f"the target {label} names no class: the scores have {classes} classes, 0 to {classes - 1}"
        f"{_at(where)}.\n"
        "  Widen the last layer, or mark what is not to count: ignore_index=…"
    )


def index_dtype(dtype: Any, where: str) -> ShapeError:
    """Rows of a table are named by whole numbers."""
    return ShapeError(
        f"an embedding looks up whole numbers, not {dtype}{_at(where)}: index.astype('int64')."
    )


def row_out_of_range(index: int, rows: int, where: str) -> ShapeError:
    """A number that names no row of the table."""
    return ShapeError(
        f"{index} names no row of a table of {rows}{_at(where)}; rows are 0 to {rows - 1}."
    )


def not_a_probability(p: Any, where: str) -> ShapeError:
    """A number outside [0, 1] where a probability is meant."""
    return ShapeError(f"p={p} is no probability{_at(where)}: choose it from 0 to 1.")


def no_probabilities(values: Any, where: str) -> ShapeError:
    """Scores where probabilities are meant."""
    return ShapeError(
        f"binary_cross_entropy takes probabilities, from 0 to 1; got values from "
        f"{values.min():.4g} to {values.max():.4g}{_at(where)}.\n"
        "  Put a sigmoid before it, or give the scores to binary_cross_entropy_with_logits."
    )


def broadcast_loss(name: str, input: Any, target: Any, where: str) -> ShapeError:
    """Input and target of different shapes, which broadcasting would silently stretch."""
    return ShapeError(
        f"{name} compares element with element: the input has shape {tuple(input)}, the target "
        f"{tuple(target)}{_at(where)}.\n"
        "  Give them one shape, such as target.reshape(input.shape)."
    )


def triplet_margin(margin: float, where: str) -> DeclarationError:
    """A margin that asks for nothing."""
    return DeclarationError(f"a triplet's margin={margin:g} must be greater than 0{_at(where)}.")


def margin_power(p: Any, where: str) -> DeclarationError:
    """A power that multi_margin_loss is not defined for."""
    return DeclarationError(f"multi_margin_loss takes p=1 or p=2, not {p!r}{_at(where)}.")


def convolution_rank(name: str, x: Any, weight: Any, count: int, where: str) -> ShapeError:
    """An input or weight with the wrong number of axes."""
    return ShapeError(
        f"{name} takes an input (batch, channels, {count} sizes) and a weight (out, in/groups, "
        f"{count} sizes); got {tuple(x)} and {tuple(weight)}{_at(where)}.\n"
        "  Images without a channel axis: write x[:, None]."
    )


def convolution_channels(
    name: str, channels: int, expected: int, weight: Any, groups: int, where: str
) -> ShapeError:
    """Channels of the input and of the weight that do not fit."""
    count = len(weight) - 2
    last = ", ".join(map(str, (0, count + 1, *range(1, count + 1))))
    return ShapeError(
        f"{name}: the input has {channels} channels, the weight {tuple(weight)} in {groups} "
        f"group(s) takes {expected}{_at(where)}.\n"
        f"  Channels stand before the {count} last axes. Where they come last, write "
        f"x.permute({last}); where there are none, x[:, None]."
    )


def same_needs_stride_one(name: str, stride: Any, where: str) -> ShapeError:
    """padding="same" with a stride has no one meaning."""
    return ShapeError(
        f'{name}: padding="same" needs stride 1, got {stride}{_at(where)}; '
        "give the padding as a number."
    )


def kernel_too_large(
    name: str, x: Any, kernel: Any, padding: Any, dilation: Any, where: str
) -> ShapeError:
    """A kernel that does not fit into its padded input."""
    return ShapeError(
        f"{name}: a kernel of {tuple(kernel)} with dilation {tuple(dilation)} does not fit into "
        f"an input {tuple(x)} with padding {tuple(padding)}{_at(where)}.\n"
        "  Give a wider padding or a smaller kernel, or leave out a stride or a pooling before it."
    )


def output_padding(name: str, extra: Any, stride: Any, where: str) -> ShapeError:
    """More output padding than the stride leaves undecided."""
    return ShapeError(
        f"{name}: output_padding {extra} must be smaller than the stride {stride} or the "
        f"dilation{_at(where)}."
    )


def pooling_rank(name: str, x: Any, count: int, where: str) -> ShapeError:
    """An input with the wrong number of axes."""
    return ShapeError(
        f"{name} takes an input (batch, channels, {count} sizes); got {tuple(x)}{_at(where)}.\n"
        "  Images without a channel axis: write x[:, None]."
    )


def pooling_padding(name: str, kernel: Any, padding: Any, where: str) -> ShapeError:
    """Padding so wide that a window could lie in it altogether."""
    return ShapeError(
        f"{name}: padding {tuple(padding)} must be at most half of the kernel {tuple(kernel)}"
        f"{_at(where)}."
    )


def unpooled_size(name: str, asked: Any, least: Any, stride: Any, where: str) -> ShapeError:
    """An output size that no pooling led from."""
    return ShapeError(
        f"{name}: output_size {tuple(asked)} is out of reach{_at(where)}: it must be within less "
        f"than the stride {tuple(stride)} of {tuple(least)}."
    )


def unpooled_indices(name: str, x: Any, index: Any, places: Any, where: str) -> ShapeError:
    """Indices that are not those of the pooling."""
    return ShapeError(
        f"{name} takes the indices that max pooling returned, shaped like the input {tuple(x)} and "
        f"below the number of places of {tuple(places)}; got indices {tuple(index)}{_at(where)}.\n"
        "  Give output_size, where the pooling left a rest out."
    )


def norm_rank(name: str, x: Any, where: str) -> ShapeError:
    """A batch norm of something without channels."""
    return ShapeError(f"{name} takes (batch, channels, …); got {tuple(x)}{_at(where)}.")


def norm_of_one(name: str, x: Any, where: str) -> ShapeError:
    """One value has no spread: training would divide by nothing."""
    return ShapeError(
        f"{name} in training needs more than one value per channel; the input is {tuple(x)}"
        f"{_at(where)}.\n  Use a larger batch (DataLoader(drop_last=True)), or model.eval()."
    )


def normalized_shape(x: Any, shape: Any, where: str) -> ShapeError:
    """An input whose last axes are not those of the norm."""
    return ShapeError(
        f"the norm was made for last axes of {tuple(shape)}; the input is {tuple(x)}{_at(where)}.\n"
        f"  For this input it would be normalized_shape={tuple(x)[-len(tuple(shape)) :]}."
    )


def norm_groups(x: Any, groups: int, where: str) -> ShapeError:
    """Channels that cannot be shared among groups."""
    return ShapeError(
        f"group_norm cannot share the channels of {tuple(x)} evenly among {groups} groups"
        f"{_at(where)}.\n  The number of groups divides the number of channels."
    )


def channels_in_groups(inputs: int, outputs: int, groups: int, where: str) -> ShapeError:
    """Channels that cannot be shared among groups."""
    return ShapeError(
        f"{inputs} input and {outputs} output channels cannot both be shared evenly among "
        f"{groups} groups{_at(where)}."
    )


def output_size(asked: Any, least: Any, stride: Any, where: str) -> ShapeError:
    """An output size that no output padding leads to."""
    most = [n + s - 1 for n, s in zip(least, stride)]
    return ShapeError(
        f"output_size {tuple(asked)} is out of reach{_at(where)}: this transposed convolution "
        f"gives sizes from {tuple(least)} to {tuple(most)}."
    )


def pad_pairs(x: Any, given: Any, where: str) -> ShapeError:
    """Padding that is not made of pairs, or of too many."""
    return ShapeError(
        f"pad takes a pair (before, after) for each of the last axes; got {given} for an input "
        f"{tuple(x)}{_at(where)}."
    )


def pad_too_wide(mode: str, size: int, width: int, limit: int, where: str) -> ShapeError:
    """Padding by more than there is to copy from."""
    return ShapeError(
        f"{mode} padding by {width} has not enough to copy from an axis of {size}: at most {limit}"
        f"{_at(where)}."
    )


def fold_columns(x: Any, output: Any, rows: int, columns: int, where: str) -> ShapeError:
    """Columns that are not the patches of an image of that size."""
    return ShapeError(
        f"fold to {tuple(output)} takes (batch, channels · {rows}, {columns}) with this kernel; "
        f"got {tuple(x)}{_at(where)}."
    )


def shuffled(name: str, x: Any, parts: str, where: str) -> ShapeError:
    """Axes that cannot be cut as a shuffle does."""
    return ShapeError(f"{name} cannot cut {tuple(x)} evenly into {parts}{_at(where)}.")


def interpolated_rank(x: Any, where: str) -> ShapeError:
    """An input without places, or with too many axes of them."""
    return ShapeError(
        f"interpolate takes (batch, channels, …) with 1 to 3 more axes; got {tuple(x)}{_at(where)}."
    )


def interpolation_mode(mode: str, count: int, x: Any, where: str) -> ShapeError:
    """A mode for another number of axes."""
    return ShapeError(
        f"mode={mode!r} is for {count} ax{'i' if count == 1 else 'e'}s after the channels; the "
        f"input is {tuple(x)}{_at(where)}."
    )


def no_corners(mode: str, where: str) -> DeclarationError:
    """align_corners where nothing lies between pixels."""
    return DeclarationError(
        f"align_corners has no meaning with mode={mode!r}{_at(where)}: leave it out."
    )


def no_antialias(mode: str, where: str) -> DeclarationError:
    """antialias with a mode that has no filter to widen."""
    return DeclarationError(
        f'antialias goes with mode="bilinear" or "bicubic", not {mode!r}{_at(where)}.'
    )


def size_or_scale(where: str) -> DeclarationError:
    """Both a size and a factor, or neither."""
    return DeclarationError(
        f"interpolate takes either size or scale_factor{_at(where)}.\n"
        "  Twice as large: interpolate(x, scale_factor=2)."
    )


def layer_rank(layer: str, x: Any, ranks: Any, where: str) -> ShapeError:
    """An input with the wrong number of axes."""
    wanted = " or ".join(str(r) for r in ranks)
    return ShapeError(f"{layer} takes an input of {wanted} axes; got {tuple(x)}{_at(where)}.")


def layer_channels(layer: str, x: Any, channels: int, expected: int, where: str) -> ShapeError:
    """An input with the wrong number of channels."""
    return ShapeError(
        f"{layer} was made for {expected} channels; the input {tuple(x)} has {channels}"
        f"{_at(where)}.\n  Make it {layer}({channels}), or move the channels to axis 1."
    )


def inexact_gradient(layer: str, where: str) -> DeclarationError:
    """An option by which PyTorch changes or hides what a gradient is."""
    return DeclarationError(
        f"{layer}: scale_grad_by_freq and sparse have no counterpart here{_at(where)}: gradients "
        "are those of the function, and dense.\n"
        "  Divide by the counts in the loss, if that is what is wanted."
    )


def attention_shapes(q: Any, k: Any, v: Any, where: str) -> ShapeError:
    """Queries, keys and values that do not belong together."""
    return ShapeError(
        "attention takes queries (…, n, width), keys (…, m, width) and values (…, m, values); got "
        f"{tuple(q)}, {tuple(k)} and {tuple(v)}{_at(where)}.\n"
        "  Queries and keys share their last axis, keys and values the one before it."
    )


def two_masks(where: str) -> DeclarationError:
    """A mask and is_causal together."""
    return DeclarationError(f"give attn_mask or is_causal=True, not both{_at(where)}.")


def heads(width: int, count: int, where: str) -> ShapeError:
    """A width that cannot be shared among heads."""
    near = [n for n in range(1, width + 1) if width % n == 0]
    near.sort(key=lambda n: (abs(n - count), -n))
    return ShapeError(
        f"embed_dim {width} cannot be shared evenly among {count} heads{_at(where)}.\n"
        f"  {' or '.join(map(str, near[:2]))} heads would do."
    )


def causal_without_mask(where: str) -> DeclarationError:
    """is_causal is a hint about a mask, in PyTorch's MultiheadAttention."""
    return DeclarationError(
        f"MultiheadAttention: is_causal=True only says what attn_mask is{_at(where)}.\n"
        "  Give it too: attn_mask=nn.Transformer.generate_square_subsequent_mask(length)."
    )


def too_many_positions(length: int, most: int, where: str) -> ShapeError:
    """A sequence longer than the table of positions."""
    return ShapeError(
        f"a sequence of {length} is longer than the {most} positions this was made for"
        f"{_at(where)}; make it with a larger max_len."
    )


def projection(mode: str, size: int, hidden: int, where: str) -> ShapeError:
    """A projection where there can be none."""
    return ShapeError(
        f"{mode}: proj_size={size}{_at(where)}: only an LSTM projects, to fewer than its "
        f"hidden_size ({hidden})."
    )


def recurrent_input(mode: str, x: Any, size: int, where: str) -> ShapeError:
    """An input that is no sequence of the right width."""
    return ShapeError(
        f"{mode} takes (time, batch, {size}), (batch, time, {size}) with batch_first, or (time, "
        f"{size}); got {tuple(x)}{_at(where)}.\n"
        f"  For this input it would be {mode}(input_size={tuple(x)[-1] if x else 1}, …)."
    )


def recurrent_state(mode: str, got: Any, expected: Any, where: str) -> ShapeError:
    """A state that does not fit."""
    return ShapeError(
        f"{mode}: a state of shape {tuple(got)} was given; (layers · directions, batch, size) is "
        f"{tuple(expected)} here{_at(where)}."
    )


def sequence_lengths(lengths: Any, x: Any, where: str) -> ShapeError:
    """Lengths that do not belong to the batch."""
    return ShapeError(
        f"lengths {lengths} do not fit (time, batch, …) = {tuple(x)}{_at(where)}: one for each "
        "sequence, from 1 to the longest."
    )


def unsorted_lengths(lengths: Any, where: str) -> ShapeError:
    """Lengths that are not from longest to shortest."""
    return ShapeError(
        f"lengths {lengths} are not from longest to shortest{_at(where)}: sort the batch, or write "
        "enforce_sorted=False."
    )


def total_length(asked: int, longest: int, where: str) -> ShapeError:
    """Padding to fewer steps than there are."""
    return ShapeError(
        f"total_length={asked} is less than the longest sequence, {longest}{_at(where)}."
    )
