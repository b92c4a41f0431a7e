/*
 * Segment Anything 2 on the CPU: masks in images, clips and streams. Generated from the crate sam2-capi.
 *
 * Handles. Made by ..._new, ..._open, ..._resume or a call that returns masks; given back by ..._free, once,
 * when no call with them runs. A model is counted: predictors keep it alive.
 *
 * Errors. What can fail returns a sam2_status and on failure writes nothing, except NULL to the place of a
 * new handle or pointer. sam2_last_error() says why. Arguments are checked; a pointer that is not NULL must
 * lead to what its type says, and to as many values as the call says.
 *
 * Structs that may grow begin with struct_size: initialise them with SAM2_..._INIT or sam2_..._init().
 *
 * Ownership. What the caller passes is read during the call only. Pointers into a sam2_masks are valid until
 * sam2_masks_free(). Nothing is given to free().
 *
 * Threads. A model and a sam2_masks may be used by any number of threads. Another handle is used by one
 * thread at a time; a second one gets SAM2_BUSY. Work runs in threads of the library; fork() is allowed.
 *
 * Texts are UTF-8 and end with NUL, paths on Windows too.
 */

#ifndef SAM2_H
#define SAM2_H

#include <stddef.h>
#include <stdint.h>

#define SAM2_IMAGE_INIT {sizeof(sam2_image), NULL, 0, 0, 0, SAM2_RGB8}
#define SAM2_PROMPT_INIT {sizeof(sam2_prompt), NULL, 0, NULL, NULL}
#define SAM2_MODEL_OPTIONS_INIT {sizeof(sam2_model_options), SAM2_F32, 0, NULL}
#define SAM2_VIDEO_OPTIONS_INIT {sizeof(sam2_video_options), -1, -1, -1, 0, 0}
#define SAM2_MASK_INIT {sizeof(sam2_mask), 0, 0, 0, NULL, 0, 0, 0, 0, {0, 0, 0, 0}, 0}

// Raised when something is taken away or changes its meaning, not when something is added.
#define SAM2_ABI_VERSION 1

// Success.
#define SAM2_OK 0

// A NULL pointer, a number out of range, an unknown constant, a wrong struct_size.
#define SAM2_INVALID_ARGUMENT 1

// A file cannot be read or written.
#define SAM2_IO 2

// A checkpoint or a saved session is damaged, or of another model.
#define SAM2_BAD_CHECKPOINT 3

// A prompt is empty, malformed, or not a number.
#define SAM2_BAD_PROMPT 4

// Not possible now: no image was set, no object prompted, no pass begun.
#define SAM2_BAD_STATE 5

// Another thread is in a call with this handle.
#define SAM2_BUSY 6

// Reserved; no function of this version returns it.
#define SAM2_CANCELLED 7

// Asked for by a newer header than this library knows, or not possible for this kind of prompt.
#define SAM2_UNSUPPORTED 8

// A defect of the library. The handle cannot be used any more; it can be freed.
#define SAM2_INTERNAL 9

// Pixel format: red, green, blue.
#define SAM2_RGB8 0

// Pixel format: blue, green, red, as in OpenCV.
#define SAM2_BGR8 1

// Pixel format: red, green, blue, and an alpha that is ignored.
#define SAM2_RGBA8 2

// Pixel format: blue, green, red, and an alpha that is ignored.
#define SAM2_BGRA8 3

// Pixel format: one byte.
#define SAM2_GRAY8 4

// Direction of a pass: towards the end of the clip.
#define SAM2_FORWARD 0

// Direction of a pass: towards the beginning of the clip.
#define SAM2_REVERSE 1

// Memory policy: Meta's.
#define SAM2_MEMORY_SAM2 0

// Memory policy: SAMURAI.
#define SAM2_MEMORY_SAMURAI 1

// Memory policy: DAM4SAM.
#define SAM2_MEMORY_DAM4SAM 2

// Memory policy: SAM2Long.
#define SAM2_MEMORY_SAM2LONG 3

// Precision of the linear layers: single.
#define SAM2_F32 0

// Precision of the linear layers: 8 bits.
#define SAM2_INT8 1

// Precision of the linear layers: bf16.
#define SAM2_BF16 2

// Event: the object has become absent.
#define SAM2_LOST 1

// Event: the object is present again.
#define SAM2_FOUND 2

// A model and the image that was set.
typedef struct sam2_image_predictor sam2_image_predictor;

// The masks of a call: for an image one to three for each prompt, for a frame one for each object, which is
// prompt 0, 1, ... in the order of the first prompts. Immutable; used by any number of threads.
typedef struct sam2_masks sam2_masks;

// A loaded model: immutable, counted, used by any number of threads.
typedef struct sam2_model sam2_model;

// A stream without an end, and its objects.
typedef struct sam2_tracker sam2_tracker;

// A clip and its objects.
typedef struct sam2_video sam2_video;

// Result of a call: SAM2_OK or a reason.
typedef int32_t sam2_status;

// Pixels of the caller, row by row. Read during the call only.
typedef struct sam2_image {
    // sizeof(sam2_image).
    size_t struct_size;
    // First byte of the top left pixel.
    const uint8_t *data;
    // Pixels.
    int32_t width;
    // Pixels.
    int32_t height;
    // Bytes from a row to the next; 0: rows follow each other without a gap.
    size_t stride;
    // SAM2_RGB8 to SAM2_GRAY8.
    int32_t format;
} sam2_image;

// A point in pixels of the image: x to the right, y down. It may be outside of the image.
typedef struct sam2_point {
    // Pixels.
    float x;
    // Pixels.
    float y;
    // 1 on the object, 0 off it; 2 and 3 the corners of a box; -1 ignored.
    int32_t label;
} sam2_point;

// The object to segment: points, a box, a mask, or several of them.
typedef struct sam2_prompt {
    // sizeof(sam2_prompt). In an array all elements have the size of the first.
    size_t struct_size;
    // num_points points, or NULL.
    const struct sam2_point *points;
    // At most 4096.
    size_t num_points;
    // x0, y0, x1, y1 in pixels with x0 < x1 and y0 < y1, or NULL.
    const float *box;
    // Logits of an earlier mask, sam2_model_low_res_size() squared, or NULL. For images only.
    const float *mask_logits;
} sam2_prompt;

// A mask, filled by sam2_masks_get().
typedef struct sam2_mask {
    // sizeof(sam2_mask).
    size_t struct_size;
    // The tracked object; for an image the index of its prompt.
    int64_t obj_id;
    // Pixels.
    int32_t width;
    // Pixels.
    int32_t height;
    // width * height bytes, 255 inside and 0 outside. Valid until sam2_masks_free().
    const uint8_t *data;
    // The model's estimate of the mask's IoU with the object, 0 to 1.
    float predicted_iou;
    // IoU of the masks at thresholds 1 and -1, 0 to 1.
    float stability;
    // Logit of the object being present: it is if above 0.
    float object_score;
    // Number of pixels inside.
    uint64_t area;
    // x0, y0, x1, y1 of the outermost pixels inside, all inclusive; -1 each if there is none.
    int32_t bbox[4];
    // 0, SAM2_LOST or SAM2_FOUND.
    int32_t event;
} sam2_mask;

// How a checkpoint is loaded.
typedef struct sam2_model_options {
    // sizeof(sam2_model_options).
    size_t struct_size;
    // SAM2_F32, SAM2_INT8 or SAM2_BF16.
    int32_t precision;
    // Side that images are resized to, a multiple of 64; 0: the model's.
    int32_t image_size;
    // One of Meta's YAML files, or NULL: found from the checkpoint.
    const char *config_path;
} sam2_model_options;

// How objects are tracked. -1 stands for what the model's configuration says.
typedef struct sam2_video_options {
    // sizeof(sam2_video_options).
    size_t struct_size;
    // SAM2_MEMORY_SAM2 to SAM2_MEMORY_SAM2LONG, or -1.
    int32_t memory;
    // Holes of at most this many pixels of the low-resolution logits are filled; -1 or more.
    int32_t fill_hole_area;
    // 1: every pixel belongs to one object at most; 0 or -1.
    int32_t non_overlap;
    // 1: data of all frames are kept, for corrections of any of them; 0: memory does not grow.
    int32_t keep_everything;
    // Number of prompted frames that tracking reads, at least 2; 0: the model's.
    int32_t max_cond_frames;
} sam2_video_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// A predictor without an image.
sam2_status sam2_image_predictor_new(struct sam2_model *model, struct sam2_image_predictor **out);

// Gives a predictor back. NULL is fine.
void sam2_image_predictor_free(struct sam2_image_predictor *predictor);

// Encodes an image, for any number of predictions.
sam2_status sam2_image_set(struct sam2_image_predictor *predictor, const struct sam2_image *image);

// Masks for count prompts about the image, decoded in parallel: three candidates for each with multimask 1,
// one with 0. Three are right for a single point, which may mean a part or the whole.
sam2_status sam2_image_predict(struct sam2_image_predictor *predictor,
                               const struct sam2_prompt *prompts,
                               size_t count,
                               int32_t multimask,
                               struct sam2_masks **out);

// Writes SAM2_IMAGE_INIT into a struct of struct_size bytes.
void sam2_image_init(struct sam2_image *image, size_t struct_size);

// Writes SAM2_PROMPT_INIT into a struct of struct_size bytes.
void sam2_prompt_init(struct sam2_prompt *prompt, size_t struct_size);

// Number of prompts, or of objects on a frame; 0 for NULL.
size_t sam2_masks_prompts(const struct sam2_masks *masks);

// Number of masks for a prompt: 1 or 3; 0 if there is no such prompt.
size_t sam2_masks_count(const struct sam2_masks *masks, size_t prompt);

// The mask of a prompt with the best predicted IoU; 0 if there is no such prompt.
size_t sam2_masks_best(const struct sam2_masks *masks, size_t prompt);

// Index of the frame that the masks are of, from 0; -1 for an image or NULL.
int64_t sam2_masks_frame_idx(const struct sam2_masks *masks);

// Mask k of a prompt at the size of the image. out must be initialised, with SAM2_MASK_INIT.
sam2_status sam2_masks_get(const struct sam2_masks *masks, size_t prompt, size_t k, struct sam2_mask *out);

// Logits of mask k of a prompt, sam2_model_low_res_size() squared, row by row. A later sam2_prompt can
// refine them. Valid until sam2_masks_free().
sam2_status sam2_masks_low_res(const struct sam2_masks *masks, size_t prompt, size_t k, const float **logits);

// Mask k of a prompt as the compressed run lengths of COCO, the string "counts" of {"size": [height, width],
// "counts": ...}. Two calls: with buffer NULL, *len becomes the number of bytes with the NUL at the end;
// with a buffer of *len bytes, the string is written and *len becomes what was used.
sam2_status sam2_masks_rle(const struct sam2_masks *masks,
                           size_t prompt,
                           size_t k,
                           char *buffer,
                           size_t *len);

// Gives masks back, and with them all pointers into them. NULL is fine.
void sam2_masks_free(struct sam2_masks *masks);

// Writes SAM2_MASK_INIT into a struct of struct_size bytes.
void sam2_mask_init(struct sam2_mask *mask, size_t struct_size);

// Opens a checkpoint: a .pt or .safetensors file of SAM 2, SAM 2.1, EdgeTAM or EfficientTAM, as published.
// options may be NULL.
sam2_status sam2_model_open(const char *path,
                            const struct sam2_model_options *options,
                            struct sam2_model **out);

// Opens a checkpoint of len bytes. The bytes are not needed afterwards.
sam2_status sam2_model_from_memory(const void *bytes,
                                   size_t len,
                                   const struct sam2_model_options *options,
                                   struct sam2_model **out);

// The small model inside of the library, with which everything can be tried; its masks of photos are rough.
sam2_status sam2_model_embedded(const struct sam2_model_options *options, struct sam2_model **out);

// One more owner of the model, who frees it too. Returns model.
struct sam2_model *sam2_model_retain(struct sam2_model *model);

// Gives a model back. Predictors keep it alive as long as they need it. NULL is fine.
void sam2_model_free(struct sam2_model *model);

// Side of the square that images are resized to, pixels; 0 for NULL.
int32_t sam2_model_image_size(const struct sam2_model *model);

// Side of the low-resolution logits; 0 for NULL.
int32_t sam2_model_low_res_size(const struct sam2_model *model);

// Such as "SAM 2.1 tiny"; empty for NULL. Valid until the model is freed.
const char *sam2_model_name(const struct sam2_model *model);

// Writes SAM2_MODEL_OPTIONS_INIT into a struct of struct_size bytes.
void sam2_model_options_init(struct sam2_model_options *options, size_t struct_size);

// Version of the library, such as "0.1.0". Never freed.
const char *sam2_version(void);

// SAM2_ABI_VERSION of the library that is loaded: compare with that of the header.
uint32_t sam2_abi_version(void);

// Why this thread's last call failed, as one line of UTF-8: what, why, what to do. Empty after a success.
// Valid until this thread's next call of a function that returns a sam2_status.
const char *sam2_last_error(void);

// Number of threads of all work that starts from now on, at most 1024; 0, the default: one per core. Results
// are the same bits for any number.
sam2_status sam2_set_threads(int32_t n);

// A tracker for frames of width * height pixels. options may be NULL.
sam2_status sam2_tracker_new(struct sam2_model *model,
                             int32_t width,
                             int32_t height,
                             const struct sam2_video_options *options,
                             struct sam2_tracker **out);

// Gives a tracker back. NULL is fine.
void sam2_tracker_free(struct sam2_tracker *tracker);

// The next frame: all objects are tracked into it. masks may be NULL.
sam2_status sam2_tracker_push(struct sam2_tracker *tracker,
                              const struct sam2_image *image,
                              struct sam2_masks **masks);

// Points and a box on an object in the last frame: its first prompt, or a correction. With append 1 points
// are added to earlier ones on this frame, with 0 they replace them. masks, of all objects, may be NULL.
sam2_status sam2_tracker_prompt(struct sam2_tracker *tracker,
                                int64_t obj_id,
                                const struct sam2_prompt *prompt,
                                int32_t append,
                                struct sam2_masks **masks);

// The mask of an object in the last frame, width * height bytes of any size, not 0 inside. masks, of all
// objects, may be NULL.
sam2_status sam2_tracker_mask(struct sam2_tracker *tracker,
                              int64_t obj_id,
                              const uint8_t *mask,
                              int32_t width,
                              int32_t height,
                              struct sam2_masks **masks);

// Removes an object.
sam2_status sam2_tracker_remove(struct sam2_tracker *tracker, int64_t obj_id);

// Removes all objects; the count of frames goes on.
sam2_status sam2_tracker_reset(struct sam2_tracker *tracker);

// Number of frames so far, also those before sam2_tracker_save().
sam2_status sam2_tracker_frames(struct sam2_tracker *tracker, int64_t *frames);

// Writes all that later frames depend on into a file, which is complete or absent. A file of this name is
// replaced.
sam2_status sam2_tracker_save(struct sam2_tracker *tracker, const char *path);

// A tracker from such a file and the same model. Its results have the same bits as if it had gone on.
sam2_status sam2_tracker_resume(struct sam2_model *model, const char *path, struct sam2_tracker **out);

// Writes SAM2_VIDEO_OPTIONS_INIT into a struct of struct_size bytes.
void sam2_video_options_init(struct sam2_video_options *options, size_t struct_size);

// A clip of num_frames frames of width * height pixels. options may be NULL.
sam2_status sam2_video_new(struct sam2_model *model,
                           int32_t width,
                           int32_t height,
                           int64_t num_frames,
                           const struct sam2_video_options *options,
                           struct sam2_video **out);

// Gives a clip back. NULL is fine.
void sam2_video_free(struct sam2_video *video);

// Points and a box on an object in a frame, whose image is given. As sam2_tracker_prompt().
sam2_status sam2_video_prompt(struct sam2_video *video,
                              int64_t frame_idx,
                              const struct sam2_image *image,
                              int64_t obj_id,
                              const struct sam2_prompt *prompt,
                              int32_t append,
                              struct sam2_masks **masks);

// The mask of an object in a frame, whose image is given. As sam2_tracker_mask().
sam2_status sam2_video_mask(struct sam2_video *video,
                            int64_t frame_idx,
                            const struct sam2_image *image,
                            int64_t obj_id,
                            const uint8_t *mask,
                            int32_t width,
                            int32_t height,
                            struct sam2_masks **masks);

// Begins a pass at frame start, or with -1 at the first prompted one, over at most max_frames more frames,
// or with -1 to the end, in a direction: SAM2_FORWARD or SAM2_REVERSE.
sam2_status sam2_video_begin(struct sam2_video *video, int64_t start, int64_t max_frames, int32_t direction);

// The frame that the pass needs next, for sam2_video_track(); -1 at its end. Asking changes nothing.
sam2_status sam2_video_next(struct sam2_video *video, int64_t *frame_idx);

// Tracks all objects into the next frame of the pass. masks may be NULL.
sam2_status sam2_video_track(struct sam2_video *video,
                             int64_t frame_idx,
                             const struct sam2_image *image,
                             struct sam2_masks **masks);

// Removes an object.
sam2_status sam2_video_remove(struct sam2_video *video, int64_t obj_id);

// Removes the prompts of an object on a frame, which becomes a tracked one.
sam2_status sam2_video_clear(struct sam2_video *video, int64_t frame_idx, int64_t obj_id);

// Removes all objects and ends the pass.
sam2_status sam2_video_reset(struct sam2_video *video);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SAM2_H */
