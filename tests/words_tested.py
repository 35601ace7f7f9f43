"""Each word of the vocabulary that computes something, with the test that holds it against something else.

`python tests/words_tested.py > docs/words-tested.md` writes the page. A new word gets a row here: its family (a field
stands under its block), what it is held against, and the test, as a file of `tests/runtime` and a function.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

if __name__ == "__main__":
    sys.path.insert(0, str(__import__("pathlib").Path(__file__).resolve().parents[1]))

from recipe_lang.check.vocabulary import Entry
from runtime.vocabulary import VOCABULARY


@dataclass(frozen=True, slots=True)
class Tested:
    """What words are held against, and by which tests, each `file::function` below `tests/runtime`."""

    words: str
    against: str
    tests: str

    def places(self) -> list[tuple[str, str]]:
        """Return the files and functions of the tests."""
        return [(file, name) for file, _, name in (each.partition("::") for each in self.tests.split())]


_TRAINING = "training/test_optimizers.py"
_STEPS = "data/transforms/test_steps.py"
_POLICIES = "data/transforms/test_policies.py"
_MIXING = "data/transforms/test_mixing.py"
_LAYERS = "models/test_head_layers.py"
_MAPS = "models/test_map_heads.py"
_LOSSES = "tasks/classification/test_class_losses.py"
_DETECTORS = "models/own/test_detectors.py"
_SOURCES = "data/test_object_sources.py"

TESTED: Mapping[str, tuple[Tested, ...]] = {
    "base": (
        Tested(
            "packaged",
            "recorded scores of PyTorch's network",
            "models/test_efficientnet_lite.py::test_logits_are_those_of_the_pytorch_network",
        ),
        Tested("timm", "recorded scores of timm", "models/timm/test_exact.py::test_scores_are_those_of_timm"),
        Tested("gluoncv gluon", "the zoo's own network", "models/test_zoo.py::test_the_parts_do_what_the_network_does"),
        Tested(
            "symbol",
            "the exported graph, run whole",
            "models/test_exported.py::test_the_parts_give_what_the_network_gives",
        ),
        Tested("run", "the parent's weights", "runs/test_lineage.py::test_a_frozen_base_is_the_parents_bit_for_bit"),
        Tested("pack", "the run", "runs/test_lineage.py::test_a_pack_is_the_run"),
    ),
    "weights": (
        Tested(
            "imagenet",
            "files of a made server",
            "workflows/test_hub_weights.py::test_a_zoos_weights_come_from_its_cache_first_and_then_from_the_checkpoint",
        ),
        Tested("gluon_params", "MXNet's own writer", "weights/test_params_file.py::test_reads_what_mxnet_writes"),
        Tested(
            "torch", "recorded features of PyTorch", "models/test_pytorch.py::test_the_features_are_those_of_pytorch"
        ),
        Tested(
            "safetensors",
            "bytes written by hand",
            "weights/test_safetensors_file.py::test_bfloat16_and_a_prefix",
        ),
        Tested(
            "hub",
            "files of a made hub",
            "workflows/test_hub_weights.py::test_weights_of_a_hub_are_fetched_once_and_locked",
        ),
    ),
    "trained": (
        Tested("run", "the parent's weights", "runs/test_lineage.py::test_a_frozen_base_is_the_parents_bit_for_bit"),
        Tested("pack", "the run", "runs/test_lineage.py::test_a_pack_is_the_run"),
    ),
    "source": (
        Tested("parquet", "pyarrow's writer", "data/test_parquet.py::test_images_and_declared_classes"),
        Tested(
            "croissant",
            "descriptions as three publishers write them",
            "data/test_croissant.py::test_parquet_of_hugging_face_by_splits",
        ),
        Tested("webdataset", "Python's tarfile", "data/test_shards.py::test_members_are_where_tarfile_finds_them"),
        Tested("mnist", "made idx files", "data/test_published_sets.py::test_mnist_names_and_files_with_a_point"),
        Tested(
            "cifar",
            "files as both versions are published",
            "data/test_published_sets.py::test_both_versions_of_cifar_and_their_archives_are_one",
        ),
        Tested("folder", "a made folder", "data/test_sources.py::test_a_folder_lists_classes_and_images"),
        Tested("csv", "made tables", "data/test_tables.py::test_every_usual_table_reads_alike"),
        Tested("tags", "a made folder", "data/test_label_sources.py::test_tags_beside_images"),
        Tested(
            "masks",
            "one mask in five modes of Pillow",
            "tasks/segmentation/test_segmentation.py::test_masks_of_every_kind_say_the_same",
        ),
        Tested("voc", "worked by hand", f"{_SOURCES}::test_voc_counts_pixels_from_one_and_includes_the_last"),
        Tested("coco", "worked by hand", f"{_SOURCES}::test_coco_goes_by_ids"),
        Tested("labelme", "worked by hand", "data/test_outlines.py::test_labelme"),
        Tested("yolo", "worked by hand", f"{_SOURCES}::test_yolo_has_fractions_and_outlines"),
        Tested("rec", "MXNet's own writer", "data/test_records.py::test_what_mxnet_writes_is_read"),
        Tested(
            "solar_cells",
            "the published counts",
            "data/test_packaged_sets.py::test_solar_cells_are_those_of_the_package",
        ),
        Tested("fashion_mnist", "made idx files", "data/test_packaged_sets.py::test_fashion_mnist_reads_idx_files"),
        Tested("digits", "counts and levels by hand", "data/test_packaged_sets.py::test_digits_are_scaled_to_bytes"),
        Tested(
            "scenes",
            "the ink in the image",
            "tasks/segmentation/test_mask_runs.py::test_the_masks_of_scenes_show_the_ink_of_their_boxes",
        ),
    ),
    "split": (
        Tested(
            "folds",
            "counts by hand",
            "data/test_folds_and_groups.py::test_folds_are_disjoint_and_complete_and_each_has_its_share_of_each_class",
        ),
        Tested("holdout", "counts by hand", "data/test_splits.py::test_a_holdout_takes_its_share_of_each_class"),
    ),
    "tiling": (
        Tested("tiles", "its rule", "tasks/test_tiles.py::test_tiles_cover_an_image_and_share_what_was_asked_for"),
    ),
    "sampling": (
        Tested("balanced", "counts by hand", "data/test_sampling.py::test_an_epoch_has_each_share_to_the_image"),
        Tested("weighted", "its formula", "data/test_sampling.py::test_shares_are_those_of_the_formula"),
    ),
    "threshold": (
        Tested(
            "best",
            "scikit-learn's metric at every threshold",
            "tasks/classification/test_decisions.py::test_no_threshold_is_better_than_the_best",
        ),
    ),
    "calibration": (
        Tested(
            "temperature",
            "a search with SciPy",
            "tasks/classification/test_decisions.py::test_the_temperature_has_the_least_cross_entropy",
        ),
    ),
    "prepare": (
        Tested(
            "flatten_alpha", "arithmetic by hand", "data/test_images.py::test_half_transparency_is_half_of_the_ground"
        ),
        Tested("levels", "values by hand", "data/test_images.py::test_levels_say_which_value_of_16_bits_is_white"),
        Tested("resize", "Pillow's resize", f"{_STEPS}::test_resize_is_bicubic_and_sets_the_shorter_side"),
        Tested("center_crop", "pixels by hand", f"{_STEPS}::test_center_crop_takes_the_middle"),
        Tested("stretch", "Pillow's resize", f"{_STEPS}::test_stretch_is_bicubic_and_keeps_no_proportions"),
        Tested(
            "letterbox",
            "boxes and their pixels",
            "data/test_boxes.py::test_a_letterbox_shows_the_whole_image_in_its_proportions",
        ),
        Tested("normalize", "NumPy", "data/test_sets.py::test_input_is_normalized_planes"),
    ),
    "augment": (
        Tested("random_crop", "every window, counted", f"{_STEPS}::test_random_crop_cuts_every_window_alike"),
        Tested(
            "random_resized_crop",
            "the distributions of its paper",
            f"{_STEPS}::test_random_resized_crop_draws_area_ratio_and_place_evenly",
        ),
        Tested("flip", "NumPy", f"{_STEPS}::test_flip_mirrors_half_of_the_images"),
        Tested(
            "iou_crop",
            "its rules",
            "data/test_boxes.py::test_iou_crop_keeps_an_object_and_gives_the_size_of_the_network",
        ),
        Tested("zoom_out", "its rules", "data/test_boxes.py::test_zoom_out_keeps_the_size_and_all_objects"),
        Tested(
            "color_jitter",
            "arithmetic by hand",
            f"{_STEPS}::test_brightness_is_a_factor_around_one"
            f" {_STEPS}::test_contrast_is_a_factor_of_the_distance_from_the_mean"
            f" {_STEPS}::test_saturation_is_a_factor_of_the_distance_from_grey"
            f" {_STEPS}::test_hue_turns_red_as_far_as_it_is_told",
        ),
        Tested(
            "lighting", "AlexNet's components", f"{_STEPS}::test_lighting_follows_the_principal_colours_of_imagenet"
        ),
        Tested(
            "affine",
            "recorded pixels of torchvision",
            f"{_POLICIES}::test_affine_is_that_of_torchvision {_POLICIES}::test_all_of_a_range_is_drawn_alike",
        ),
        Tested(
            "perspective",
            "recorded pixels of torchvision",
            f"{_POLICIES}::test_perspective_is_that_of_torchvision"
            f" {_POLICIES}::test_corners_move_inwards_by_all_of_a_distortion_alike",
        ),
        Tested(
            "blur",
            "SciPy's gaussian_filter",
            f"{_POLICIES}::test_blur_is_nearly_a_gaussian {_POLICIES}::test_a_blur_is_drawn_evenly_from_its_range",
        ),
        Tested(
            "rotation",
            "recorded pixels of torchvision",
            f"{_POLICIES}::test_operations_are_those_of_torchvision {_POLICIES}::test_all_of_a_range_is_drawn_alike",
        ),
        Tested(
            "sharpness posterize solarize equalize autocontrast invert",
            "recorded pixels of torchvision",
            f"{_POLICIES}::test_words_do_what_the_operations_of_torchvision_do"
            f" {_POLICIES}::test_a_probability_is_a_share_of_the_images",
        ),
        Tested("grayscale", "torchvision's luma", f"{_POLICIES}::test_grey_is_the_luma_of_torchvision"),
        Tested("erasing", "measured areas", f"{_POLICIES}::test_erasing_hides_a_part_of_the_size_that_it_says"),
        Tested(
            "rand_augment trivial_augment aug_mix",
            "recorded magnitudes of torchvision",
            f"{_POLICIES}::test_magnitudes_are_those_of_torchvision"
            f" {_POLICIES}::test_policies_draw_all_operations_alike",
        ),
        Tested(
            "auto_augment",
            "torchvision's policy",
            f"{_POLICIES}::test_the_policy_of_imagenet_is_that_of_torchvision"
            f" {_POLICIES}::test_the_policy_draws_its_operations_by_their_probabilities",
        ),
        Tested(
            "mixup",
            "its formula",
            f"{_MIXING}::test_the_mean_of_an_image_is_that_of_its_targets"
            f" {_MIXING}::test_the_share_of_mixup_is_of_the_beta_distribution",
        ),
        Tested("cutmix", "pixels by hand", f"{_MIXING}::test_cutmix_puts_one_rectangle_at_the_same_position_into_all"),
    ),
    "layer": (
        Tested(
            "global_avg_pool global_max_pool flatten relu dense batch_norm",
            "NumPy",
            f"{_LAYERS}::test_plain_layers_are_those_of_numpy",
        ),
        Tested("dropout", "shares and values", f"{_LAYERS}::test_dropout_zeroes_its_share_and_keeps_the_mean"),
        Tested("gem", "its formula in NumPy", f"{_LAYERS}::test_gem_is_the_generalized_mean"),
        Tested("global_avg_max_pool", "NumPy", f"{_LAYERS}::test_means_stand_before_maxima"),
        Tested("mlp", "NumPy", f"{_LAYERS}::test_an_mlp_is_two_layers"),
        Tested("cosine_classifier", "its formula in NumPy", f"{_LAYERS}::test_the_cosine_classifier_is_its_formula"),
        Tested("bn_neck", "NumPy", f"{_LAYERS}::test_the_neck_has_no_shift_that_trains"),
        Tested("fpn", "NumPy and SciPy", f"{_MAPS}::test_a_feature_pyramid_adds_coarser_maps_to_finer_ones"),
        Tested("fcn", "NumPy and SciPy", f"{_MAPS}::test_an_fcn_adds_the_scores_of_all_maps"),
        Tested(
            "anchor_free",
            "points and boxes by hand",
            f"{_MAPS}::test_points_of_a_detector_reach_from_the_middles_of_their_cells",
        ),
        Tested("centernet", "cells by hand", "tasks/detection/test_centers.py::test_a_head_gives_its_cells_row_by_row"),
        Tested("own", "GluonCV's own network", "models/own/test_segmenters.py::test_the_scores_are_those_of_the_zoo"),
    ),
    "loss": (
        Tested(
            "distillation",
            "recorded values and gradients of PyTorch",
            "tasks/test_distillation.py::test_the_loss_and_its_gradient_are_pytorchs",
        ),
        Tested(
            "cross_entropy focal logit_adjusted",
            "its formula in NumPy",
            f"{_LOSSES}::test_losses_are_those_of_their_formulas",
        ),
        Tested(
            "binary_cross_entropy binary_focal asymmetric",
            "recorded values of PyTorch, torchvision and timm",
            "tasks/multi_label/test_label_losses.py::test_a_loss_is_that_of_other_libraries",
        ),
        Tested(
            "huber",
            "worked by hand",
            "tasks/regression/test_regression.py::test_huber_is_half_the_square_and_then_the_distance",
        ),
        Tested(
            "l2 l1",
            "NumPy, and slopes of it",
            "tasks/regression/test_regression.py::test_a_loss_is_measured_as_it_is_trained",
        ),
        Tested(
            "pixel_cross_entropy",
            "its formula in NumPy",
            "tasks/segmentation/test_measures.py::test_the_loss_is_that_of_numpy",
        ),
        Tested(
            "quality_focal",
            "worked by hand",
            "tasks/detection/test_detection.py::test_a_loss_worked_by_hand"
            " tasks/detection/test_detection.py::test_a_loss_is_measured_as_it_is_trained",
        ),
        Tested("center_focal", "its formula in NumPy", "tasks/detection/test_centers.py::test_a_loss_is_its_formula"),
        Tested(
            "ssd_loss", "GluonCV's loss", f"{_DETECTORS}::test_the_loss_of_ssd_and_its_gradients_are_those_of_the_zoo"
        ),
        Tested(
            "yolo3_loss",
            "GluonCV's loss",
            f"{_DETECTORS}::test_the_loss_of_yolo_and_its_gradients_are_those_of_the_zoo",
        ),
    ),
    "optimizer": (
        Tested(
            "sgd nag adam adamw rmsprop lion adabelief adamax adagrad adadelta lamb lars",
            "its rule in NumPy, step by step",
            f"{_TRAINING}::test_follows_its_rule",
        ),
    ),
    "schedule": (
        Tested("reduce_on_plateau", "recorded rates of PyTorch", "plan/test_plateau.py::test_reduces_as_pytorch_does"),
        Tested(
            "constant exponential linear cosine_restarts inverse_sqrt",
            "its formula",
            "plan/test_schedules.py::test_follows_its_definition",
        ),
        Tested("step multistep", "MXNet's schedulers", "plan/test_schedules.py::test_agrees_with_mxnet_steps"),
        Tested(
            "polynomial cosine",
            "MXNet's schedulers",
            "plan/test_schedules.py::test_agrees_with_mxnet_polynomial_and_cosine",
        ),
        Tested(
            "one_cycle", "recorded rates of PyTorch", "plan/test_schedules.py::test_one_cycle_has_the_rates_of_pytorch"
        ),
    ),
    "clip": (
        Tested("global_norm", "NumPy", f"{_TRAINING}::test_clips_the_norm_of_the_mean_gradient"),
        Tested("value", "NumPy", f"{_TRAINING}::test_clips_each_element_of_the_mean_gradient"),
    ),
    "teacher": (
        Tested(
            "run pack",
            "a network that teaches itself",
            "runs/test_teachers.py::test_the_teacher_sees_the_pixels_that_the_network_sees",
        ),
    ),
    "grouping": (
        Tested("folder pattern", "groups by hand", "data/test_divided_recipes.py::test_groups_of_folders_and_names"),
    ),
    "class map": (
        Tested("class_map", "classes by hand", "data/test_class_map.py::test_classes_are_merged_renamed_and_dropped"),
    ),
    "soup": (
        Tested(
            "greedy_soup",
            "recipe 1 of arXiv 2203.05482, worked by hand",
            "training/test_soup.py::test_the_recipe_of_the_paper_by_hand",
        ),
    ),
    "average": (
        Tested(
            "lookahead",
            "algorithm 1 of arXiv 1907.08610, worked by hand",
            "training/test_averages.py::test_lookahead_leads_the_weights_that_train",
        ),
        Tested("ema", "its formula in NumPy", "training/test_averages.py::test_ema_follows_its_formula"),
        Tested("swa", "NumPy's mean", "training/test_averages.py::test_swa_is_the_mean_of_the_ends_of_epochs"),
    ),
    "stop": (
        Tested("early", "epochs by hand", "training/test_stages.py::test_patience_counts_from_the_epochs_of_the_stage"),
    ),
    "recovery": (
        Tested(
            "back_off",
            "its formula, step by step",
            "test_run_endings.py::test_a_loss_that_is_no_number_goes_back_to_the_beginning_of_the_epoch",
        ),
    ),
    "rate rule": (Tested("layer_decay", "worked by hand", "compile/test_compiler.py::test_rates_of_parts"),),
    "metrics": (
        Tested(
            "loss accuracy top5 balanced_accuracy precision recall f1",
            "scikit-learn",
            "tasks/classification/test_metrics.py::test_agrees_with_scikit_learn",
        ),
        Tested("ece", "worked by hand", "tasks/classification/test_decisions.py::test_the_calibration_error_by_hand"),
        Tested(
            "map f1_micro f1_macro exact_match",
            "scikit-learn",
            "tasks/multi_label/test_label_metrics.py::test_metrics_are_those_of_scikit_learn",
        ),
        Tested(
            "mae rmse r2 spearman",
            "scikit-learn and SciPy",
            "tasks/regression/test_regression.py::test_metrics_agree_with_scikit_learn_and_scipy",
        ),
        Tested(
            "miou pixel_accuracy mean_recall",
            "worked by hand",
            "tasks/segmentation/test_segmentation.py::test_metrics_are_those_of_one_matrix",
        ),
        Tested(
            "dice",
            "its relation to the overlap",
            "tasks/segmentation/test_measures.py::test_the_report_has_dice_and_boundaries_by_class",
        ),
        Tested(
            "boundary_f1",
            "all pairs of points",
            "tasks/segmentation/test_measures.py::test_boundary_f1_is_that_of_all_pairs_of_points",
        ),
        Tested(
            "ap ap50 ap75 ap_small ap_medium ap_large ar",
            "recorded numbers of pycocotools",
            "tasks/detection/test_precision.py::test_numbers_are_those_of_pycocotools",
        ),
        Tested(
            "voc07",
            "worked by hand",
            "tasks/detection/test_at_half.py::test_voc_takes_the_mean_at_eleven_recalls",
        ),
        Tested("box_f1", "worked by hand", "tasks/detection/test_precision.py::test_worked_by_hand"),
    ),
    "data": (
        Tested("classes", "classes by hand", "data/test_class_map.py::test_classes_are_merged_renamed_and_dropped"),
        Tested(
            "shots",
            "counts by hand",
            "data/test_folds_and_groups.py::test_shots_are_of_each_class_nested_and_say_which_class_has_fewer",
        ),
        Tested("take", "counts by hand", "data/test_splits.py::test_take_is_exact_and_nested"),
        Tested("exclude", "the list", "workflows/test_data_check.py::test_a_list_takes_comments_parts_and_odd_names"),
        Tested(
            "size", "sizes by hand", "compile/test_sizes.py::test_the_whole_height_or_width_is_seen_around_the_centre"
        ),
        Tested(
            "views",
            "versions that are computed anew",
            "data/transforms/test_views.py::test_versions_are_computed_once_and_give_the_same_bits",
        ),
        Tested(
            "threshold",
            "answers by hand",
            "tasks/classification/test_decisions.py::test_validation_chooses_and_other_sets_go_by_it",
        ),
        Tested(
            "tta",
            "the mean of probabilities in NumPy",
            "tasks/classification/test_decisions.py::test_mean_scores_are_those_of_the_mean_probabilities",
        ),
        Tested(
            "batch",
            "batches by hand",
            "data/test_sets.py::test_a_last_part_is_dropped_in_training_and_kept_in_evaluation",
        ),
        Tested(
            "features", "NumPy's float16", "features/test_store.py::test_half_precision_takes_half_the_space_and_rounds"
        ),
        Tested(
            "on_error", "a run without the files", "test_run_data.py::test_skipped_images_leave_the_others_as_they_are"
        ),
    ),
    "stage": (
        Tested(
            "size",
            "stages of one size each",
            "training/test_switches.py::test_phases_are_the_epochs_of_stages_that_do_not_change",
        ),
        Tested(
            "train", "weights before and after", "backend/test_freezing.py::test_only_trained_parts_of_a_toy_net_move"
        ),
        Tested("for", "the steps of a run", "test_run.py::test_each_line_of_the_metrics_has_its_place"),
        Tested("lr_scale", "worked by hand", "compile/test_compiler.py::test_rates_of_parts"),
        Tested(
            "norm",
            "gradients by hand",
            "backend/test_freezing.py::test_gradient_through_a_frozen_norm_is_that_of_a_fixed_scale_and_shift",
        ),
        Tested("l1", "the same term in the loss", f"{_TRAINING}::test_l1_equals_the_same_term_in_the_loss"),
        Tested("l2_sp", "its formula in NumPy", "training/test_averages.py::test_l2_sp_pulls_towards_the_beginning"),
        Tested(
            "sam",
            "its formula in NumPy",
            "training/test_averages.py::test_sam_goes_uphill_by_its_distance_and_comes_back",
        ),
        Tested("shards", "the whole batch", "training/test_sharded_steps.py::test_shards_are_the_whole_batch"),
        Tested(
            "stochastic_depth",
            "timm's rates and masks of a toy",
            "models/test_stochastic_depth.py::test_an_image_loses_a_branch_whole_or_gets_more_of_it",
        ),
        Tested("accumulate", "the large batch", "training/test_averages.py::test_accumulation_is_the_large_batch"),
        Tested(
            "views",
            "versions that are computed anew",
            "data/transforms/test_views.py::test_epochs_and_stages_take_the_same_versions_in_turn",
        ),
        Tested("monitor", "epochs by hand", "test_run_endings.py::test_the_best_is_kept_and_not_the_last"),
        Tested(
            "keep",
            "epochs by hand",
            "training/test_stages.py::test_a_stage_that_keeps_its_last_does_so_and_says_that_it_gained_nothing",
        ),
    ),
}


_OF_FAMILIES = {
    "data": {"train", "valid", "test", "tiles", "prepare", "augment", "sampling", "calibrate"},
    "stage": {"optimizer", "schedule", "clip", "average", "loss", "augment", "sampling", "stop", "on_divergence"},
}
"""Fields whose words are families of their own."""


def words() -> Mapping[str, Mapping[str, str]]:
    """Return the words that need a row, by family, each with what it goes by."""
    found = {
        name: {each.name: _source(each) for each in rows.entries.values()} for name, rows in VOCABULARY.families.items()
    }
    fields = {
        name: dict.fromkeys((key for key in VOCABULARY.blocks[name].fields if key not in of), "")
        for name, of in _OF_FAMILIES.items()
    }
    return {**found, "metrics": dict.fromkeys(VOCABULARY.metrics, ""), **fields}


def _source(entry: Entry) -> str:
    return entry.source or ("its formula" if entry.formula else "")


def tested() -> Mapping[str, Mapping[str, Tested]]:
    """Return the row of each word, by family."""
    return {name: {word: row for row in rows for word in row.words.split()} for name, rows in TESTED.items()}


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield "# What holds each word"
    yield ""
    yield "Written by `python tests/words_tested.py`: each word of the [reference](reference.md) that computes or reads"
    yield "something, where its definition comes from, what tests hold it against, and the tests, which lie in"
    yield "`tests/runtime`. A word without a row fails a test."
    rows = tested()
    for family, names in words().items():
        yield from (
            "",
            f"## {family.capitalize()}",
            "",
            "| word | goes by | held against | tests |",
            "|---|---|---|---|",
        )
        for word, source in names.items():
            row = rows[family][word]
            cell = source.replace("|", "\\|") or "the [reference](reference.md)"
            tests = ", ".join(f"[{name}](../tests/runtime/{file})" for file, name in row.places())
            yield f"| `{word}` | {cell} | {row.against} | {tests} |"


if __name__ == "__main__":
    print(page(), end="")
