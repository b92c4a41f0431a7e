//! Automatic mask generation: a grid of clicks; masks above the score thresholds are kept, without
//! duplicates. Meta: `sam2/automatic_mask_generator.py`, class `SAM2AutomaticMaskGenerator`; parameters have
//! its names and defaults.

mod crops;
mod nms;
mod regions;

use std::sync::Arc;

use kernels::parallel;

use super::image::{ImageEmbedding, ImageOptions, ImagePredictor, ImagePrompt, Multimask, Prediction};
use crate::error::ImageError;
use crate::model::Model;
use crate::scores::stability_score;
use crate::types::{FrameView, Mask, Points, Rle, setters};
use crops::CropBox;

/// Parameters of the search.
///
/// ```
/// use sam2_model::automatic::AutomaticOptions;
///
/// let options = AutomaticOptions::default().points_per_side(16).min_mask_region_area(100);
/// assert_eq!((options.points_per_side, options.points_per_batch), (16, 64));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AutomaticOptions {
    /// Clicks per side of the grid over the image.
    pub points_per_side: usize,
    /// Clicks `[x, y]` as fractions of width and height, instead of the regular grids: a list for the image
    /// and one for every layer of crops.
    pub point_grids: Option<Vec<Vec<[f64; 2]>>>,
    /// Clicks per batch; progress is reported after each batch. Does not change results.
    pub points_per_batch: usize,
    /// Only masks with a predicted IoU above this are kept.
    pub pred_iou_thresh: f32,
    /// Only masks with at least this stability are kept.
    pub stability_score_thresh: f32,
    /// Offset of the stability score's thresholds.
    pub stability_score_offset: f32,
    /// Threshold of the mask logits.
    pub mask_threshold: f32,
    /// Of two masks whose boxes have a larger IoU than this, the worse is dropped.
    pub box_nms_thresh: f64,
    /// Layers of crops that are searched as well; layer `i` has `4^i` crops.
    pub crop_n_layers: usize,
    /// As [`Self::box_nms_thresh`], between crops.
    pub crop_nms_thresh: f64,
    /// Overlap of the crops of layer 1 as a share of the shorter side.
    pub crop_overlap_ratio: f64,
    /// The grid of layer `i` has `points_per_side / factor^i` clicks per side.
    pub crop_n_points_downscale_factor: usize,
    /// Holes and islands of fewer pixels than this are removed from the final masks, and resulting duplicates
    /// dropped as in [`Self::box_nms_thresh`]; 0 removes none. This is SAM's behaviour. Meta's SAM 2 passes
    /// the number to its predictor, which cleans up the low-resolution logits, on GPUs only: see
    /// [`crate::image::ImageOptions::max_hole_area`].
    pub min_mask_region_area: usize,
    /// Every mask is predicted a second time with itself as a prompt.
    pub use_m2m: bool,
    /// Three masks per click, else one.
    pub multimask_output: bool,
}

impl Default for AutomaticOptions {
    fn default() -> Self {
        Self {
            points_per_side: 32,
            point_grids: None,
            points_per_batch: 64,
            pred_iou_thresh: 0.8,
            stability_score_thresh: 0.95,
            stability_score_offset: 1.0,
            mask_threshold: 0.0,
            box_nms_thresh: 0.7,
            crop_n_layers: 0,
            crop_nms_thresh: 0.7,
            crop_overlap_ratio: 512.0 / 1500.0,
            crop_n_points_downscale_factor: 1,
            min_mask_region_area: 0,
            use_m2m: false,
            multimask_output: true,
        }
    }
}

setters! {
    AutomaticOptions {
        points_per_side: usize,
        point_grids: impl Into<Option<Vec<Vec<[f64; 2]>>>>,
        points_per_batch: usize,
        pred_iou_thresh: f32,
        stability_score_thresh: f32,
        stability_score_offset: f32,
        mask_threshold: f32,
        box_nms_thresh: f64,
        crop_n_layers: usize,
        crop_nms_thresh: f64,
        crop_overlap_ratio: f64,
        crop_n_points_downscale_factor: usize,
        min_mask_region_area: usize,
        use_m2m: bool,
        multimask_output: bool,
    }
}

/// One mask of the result.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MaskRecord {
    /// The mask at the size of the image.
    pub segmentation: Rle,
    /// `[x, y, w, h]`, where `w` and `h` are differences of inclusive coordinates, as in the reference.
    pub bbox: [i64; 4],
    /// The model's estimate of the mask's IoU with the object.
    pub predicted_iou: f32,
    /// The click, pixels of the image.
    pub point_coords: [f32; 2],
    /// Stability score: IoU of the masks at the two shifted thresholds.
    pub stability_score: f32,
    /// `[x, y, w, h]` of its crop.
    pub crop_box: [i64; 4],
}

/// An intermediate mask: its box is `[x0, y0, x1, y1]`, inclusive, in pixels of the image.
struct Candidate {
    rle: Rle,
    bbox: [i64; 4],
    iou: f32,
    point: [f32; 2],
    stability: f32,
    crop: CropBox,
}

/// Finds all masks of an image.
///
/// ```
/// use sam2_model::automatic::{AutomaticMaskGenerator, AutomaticOptions};
/// use sam2_model::Frame;
///
/// let model = sam2_micro::model(); // or Model::open("sam2.1_hiera_tiny.pt")?
/// let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
/// let options = AutomaticOptions::default().points_per_side(2);
/// let records = AutomaticMaskGenerator::new(model, options)?.generate(&picture, |_, _| ())?;
/// for record in records {
///     println!("{} pixels, predicted IoU {}", record.segmentation.area(), record.predicted_iou);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AutomaticMaskGenerator {
    predictor: ImagePredictor,
    options: AutomaticOptions,
}

impl AutomaticMaskGenerator {
    /// A generator with the given parameters.
    ///
    /// # Errors
    /// If there is no point to click on, or a parameter is not a number.
    pub fn new(model: Arc<Model>, options: AutomaticOptions) -> Result<Self, ImageError> {
        Self::with_image_options(model, options, ImageOptions::default())
    }

    /// [`Self::new`] with options of the predictor that decodes the clicks. Meta passes its
    /// `min_mask_region_area` there, as [`ImageOptions::max_hole_area`] and
    /// [`ImageOptions::max_sprinkle_area`].
    ///
    /// ```
    /// use sam2_model::automatic::{AutomaticMaskGenerator, AutomaticOptions};
    /// use sam2_model::image::ImageOptions;
    ///
    /// let clean = ImageOptions::default().max_hole_area(100).max_sprinkle_area(100);
    /// let (model, options) = (sam2_micro::model(), AutomaticOptions::default());
    /// AutomaticMaskGenerator::with_image_options(model, options, clean)?;
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Self::new`], and if a threshold is not a number.
    pub fn with_image_options(
        model: Arc<Model>,
        options: AutomaticOptions,
        image: ImageOptions,
    ) -> Result<Self, ImageError> {
        if !options.valid() {
            return Err(ImageError::BadSearch);
        }
        Ok(Self { predictor: ImagePredictor::with_options(model, image)?, options })
    }

    /// All masks of `image`, best first (with crops: those of smaller crops first). `progress` is called
    /// after every batch of clicks with the number done and the number in all.
    ///
    /// # Errors
    /// None today: the grid is inside the image. Reserved for options that can fail.
    pub fn generate<'f>(
        &mut self,
        image: impl Into<FrameView<'f>>,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Vec<MaskRecord>, ImageError> {
        let image = image.into();
        let size = (image.width(), image.height());
        let crops = crops::boxes(size, self.options.crop_n_layers, self.options.crop_overlap_ratio);
        let grids: Vec<Vec<[f64; 2]>> =
            (0..=self.options.crop_n_layers).map(|l| self.options.grid(l)).collect();
        let total: usize = crops.iter().map(|(_, layer)| grids[*layer].len()).sum();
        let mut done = 0;
        let mut found = Vec::new();
        for (crop, layer) in &crops {
            self.predictor.set_image(image.crop((crop.x0, crop.y0), crop.size()));
            let tick = |clicks| {
                done += clicks;
                progress(done, total);
            };
            found.extend(self.search(size, *crop, &grids[*layer], tick)?);
        }
        if crops.len() > 1 {
            // Masks of smaller crops have priority.
            let scores: Vec<f32> = found.iter().map(|c| 1.0 / c.crop.area() as f32).collect();
            found = keep(found, &scores, self.options.crop_nms_thresh);
        }
        Ok(self.finish(found))
    }

    /// [`Self::generate`] for an image that was encoded before.
    ///
    /// ```
    /// use sam2_model::ImagePredictor;
    /// use sam2_model::automatic::{AutomaticMaskGenerator, AutomaticOptions};
    /// # use sam2_model::Frame;
    /// # let picture = Frame::new(96, 64, vec![90; 96 * 64 * 3])?;
    ///
    /// let image = ImagePredictor::new(sam2_micro::model()).encode(&picture);
    /// let options = AutomaticOptions::default().points_per_side(2).pred_iou_thresh(0.5);
    /// let mut generator = AutomaticMaskGenerator::new(sam2_micro::model(), options)?;
    /// let progress = |done, total| eprintln!("{done} of {total} clicks");
    /// let records = generator.generate_encoded(&image, progress)?;
    /// assert!(records.iter().all(|record| record.predicted_iou > 0.5));
    /// # Ok::<(), sam2_model::error::ImageError>(())
    /// ```
    ///
    /// # Errors
    /// If the options need crops, which must be encoded, or another model encoded the image.
    pub fn generate_encoded(
        &mut self,
        image: &Arc<ImageEmbedding>,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Vec<MaskRecord>, ImageError> {
        if self.options.crop_n_layers > 0 {
            return Err(ImageError::CropsOfEmbedding);
        }
        self.predictor.set_embedding(Arc::clone(image))?;
        let size = (image.width(), image.height());
        let grid = self.options.grid(0);
        let mut done = 0;
        let found = self.search(size, CropBox::whole(size), &grid, |clicks| {
            done += clicks;
            progress(done, grid.len());
        })?;
        Ok(self.finish(found))
    }

    fn finish(&self, mut found: Vec<Candidate>) -> Vec<MaskRecord> {
        let area = self.options.min_mask_region_area;
        if area > 0 {
            // Changed masks are dropped before unchanged ones.
            let scores: Vec<f32> =
                found.iter_mut().map(|c| if c.remove_small_regions(area) { 0.0 } else { 1.0 }).collect();
            found = keep(found, &scores, self.options.box_nms_thresh.max(self.options.crop_nms_thresh));
        }
        found.into_iter().map(Candidate::into_record).collect()
    }

    /// The masks of one crop, encoded by the predictor, without duplicates, best first.
    fn search(
        &mut self,
        size: (usize, usize),
        crop: CropBox,
        grid: &[[f64; 2]],
        mut tick: impl FnMut(usize),
    ) -> Result<Vec<Candidate>, ImageError> {
        let (width, height) = crop.size();
        let mut found = Vec::new();
        for batch in grid.chunks(self.options.points_per_batch) {
            let answers = parallel::map_large(batch.len(), |i| {
                let [x, y] = batch[i];
                self.ask([(x * width as f64) as f32, (y * height as f64) as f32], crop, size)
            });
            for answer in answers {
                found.extend(answer?);
            }
            tick(batch.len());
        }
        let scores: Vec<f32> = found.iter().map(|c| c.iou).collect();
        Ok(keep(found, &scores, self.options.box_nms_thresh))
    }

    /// The masks of one click.
    fn ask(
        &self,
        point: [f32; 2],
        crop: CropBox,
        size: (usize, usize),
    ) -> Result<Vec<Candidate>, ImageError> {
        let multimask = if self.options.multimask_output { Multimask::Three } else { Multimask::One };
        let prompt = ImagePrompt::from(Points::click(point[0], point[1])).multimask(multimask);
        // Refinement needs every mask; otherwise masks below the thresholds are not computed.
        let every = self.options.use_m2m || self.options.pred_iou_thresh <= 0.0;
        let least = if every { f32::NEG_INFINITY } else { self.options.pred_iou_thresh };
        let prediction = self.predictor.predict_above(&prompt, least)?;
        let mut found = Vec::new();
        for (prediction, k) in prediction.iter().flat_map(|p| (0..p.len()).map(move |k| (p, k))) {
            let refined = if self.options.use_m2m { self.refine(&prompt, prediction, k)? } else { None };
            let (prediction, k) = refined.as_ref().map_or((prediction, k), |refined| (refined, 0));
            found.extend(self.judge(prediction, k, crop, size, point));
        }
        Ok(found)
    }

    fn refine(
        &self,
        prompt: &ImagePrompt,
        prediction: &Prediction,
        k: usize,
    ) -> Result<Option<Prediction>, ImageError> {
        let logits = prediction.low_res_mask(k).to_vec();
        let prompt = prompt.clone().mask_logits(logits).multimask(Multimask::One);
        self.predictor.predict_above(&prompt, f32::NEG_INFINITY)
    }

    /// Mask `k` of a click, if it is good, stable and not cut off by the crop.
    fn judge(
        &self,
        prediction: &Prediction,
        k: usize,
        crop: CropBox,
        size: (usize, usize),
        point: [f32; 2],
    ) -> Option<Candidate> {
        let options = &self.options;
        let iou = prediction.ious()[k];
        if options.pred_iou_thresh > 0.0 && (iou.is_nan() || iou <= options.pred_iou_thresh) {
            return None;
        }
        let logits = prediction.mask_logits(k);
        // An empty mask is not stable: NaN fails every threshold.
        let stability =
            stability_score(&logits, options.mask_threshold, options.stability_score_offset, f32::NAN);
        if options.stability_score_thresh > 0.0
            && (stability.is_nan() || stability < options.stability_score_thresh)
        {
            return None;
        }
        let (width, height) = crop.size();
        let mask = Mask::above(&logits, width, height, options.mask_threshold);
        let [x0, y0, x1, y1] = mask.bbox_xyxy().unwrap_or([0; 4]).map(|x| x as i64);
        let bbox = [x0 + crop.x0 as i64, y0 + crop.y0 as i64, x1 + crop.x0 as i64, y1 + crop.y0 as i64];
        if crop.cuts(bbox, size) {
            return None;
        }
        Some(Candidate {
            rle: Rle::encode(&mask, (crop.x0, crop.y0), size),
            bbox,
            iou,
            point: [point[0] + crop.x0 as f32, point[1] + crop.y0 as f32],
            stability,
            crop,
        })
    }
}

impl AutomaticOptions {
    /// Checks that the options give at least one click and a bounded number.
    fn valid(&self) -> bool {
        let numbers = [self.pred_iou_thresh, self.stability_score_thresh, self.mask_threshold];
        let finite = numbers.iter().all(|x| x.is_finite()) && self.crop_overlap_ratio.is_finite();
        let shares = |grid: &Vec<[f64; 2]>| grid.iter().flatten().all(|x| (0.0..=1.0).contains(x));
        let clicks = match &self.point_grids {
            Some(grids) => {
                grids.len() == self.crop_n_layers + 1 && !grids[0].is_empty() && grids.iter().all(shares)
            }
            None => {
                let layers = u32::try_from(self.crop_n_layers).ok();
                let last = layers.and_then(|n| self.crop_n_points_downscale_factor.checked_pow(n));
                let points = last.filter(|&f| f > 0).map_or(0, |f| self.points_per_side / f);
                (1..=1024).contains(&points) && self.points_per_side <= 1024
            }
        };
        clicks && self.points_per_batch > 0 && self.crop_n_layers <= 4 && finite
    }

    /// The clicks of a layer.
    fn grid(&self, layer: usize) -> Vec<[f64; 2]> {
        match &self.point_grids {
            Some(grids) => grids[layer].clone(),
            None => crops::grid(self.points_per_side / self.crop_n_points_downscale_factor.pow(layer as u32)),
        }
    }
}

impl Candidate {
    /// Removes holes and islands of fewer than `area` pixels; whether there were any.
    fn remove_small_regions(&mut self, area: usize) -> bool {
        let (mask, changed) = regions::without_small(&self.rle.mask(), area);
        if changed {
            self.bbox = mask.bbox_xyxy().unwrap_or([0; 4]).map(|x| x as i64);
            self.rle = Rle::encode(&mask, (0, 0), (mask.width(), mask.height()));
        }
        changed
    }

    fn into_record(self) -> MaskRecord {
        let [x0, y0, x1, y1] = self.bbox;
        let (width, height) = self.crop.size();
        MaskRecord {
            segmentation: self.rle,
            bbox: [x0, y0, x1 - x0, y1 - y0],
            predicted_iou: self.iou,
            point_coords: self.point,
            stability_score: self.stability,
            crop_box: [self.crop.x0 as i64, self.crop.y0 as i64, width as i64, height as i64],
        }
    }
}

/// The candidates that non-maximum suppression keeps, in its order.
fn keep(candidates: Vec<Candidate>, scores: &[f32], threshold: f64) -> Vec<Candidate> {
    let boxes: Vec<[i64; 4]> = candidates.iter().map(|c| c.bbox).collect();
    let mut slots: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
    nms::nms(&boxes, scores, threshold).into_iter().filter_map(|i| slots[i].take()).collect()
}
