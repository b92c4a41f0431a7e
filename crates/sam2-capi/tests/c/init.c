/* The macros of the header are what the functions of the library write. */
#include <sam2.h>

#include <stdio.h>
#include <string.h>

/* Field by field: padding has no value. */
#define CHECK(holds)                                                       \
    do {                                                                   \
        if (!(holds)) {                                                    \
            fprintf(stderr, "line %d does not hold: %s\n", __LINE__, #holds); \
            return 1;                                                      \
        }                                                                  \
    } while (0)

int main(void)
{
    sam2_image image = SAM2_IMAGE_INIT, image2;
    sam2_prompt prompt = SAM2_PROMPT_INIT, prompt2;
    sam2_model_options options = SAM2_MODEL_OPTIONS_INIT, options2;
    sam2_video_options video = SAM2_VIDEO_OPTIONS_INIT, video2;
    sam2_mask mask = SAM2_MASK_INIT, mask2;
    memset(&image2, 0xee, sizeof image2);
    memset(&prompt2, 0xee, sizeof prompt2);
    memset(&options2, 0xee, sizeof options2);
    memset(&video2, 0xee, sizeof video2);
    memset(&mask2, 0xee, sizeof mask2);
    sam2_image_init(&image2, sizeof image2);
    sam2_prompt_init(&prompt2, sizeof prompt2);
    sam2_model_options_init(&options2, sizeof options2);
    sam2_video_options_init(&video2, sizeof video2);
    sam2_mask_init(&mask2, sizeof mask2);

    CHECK(image.struct_size == image2.struct_size && image.data == image2.data);
    CHECK(image.width == image2.width && image.height == image2.height);
    CHECK(image.stride == image2.stride && image.format == image2.format);
    CHECK(prompt.struct_size == prompt2.struct_size && prompt.points == prompt2.points);
    CHECK(prompt.num_points == prompt2.num_points && prompt.box == prompt2.box);
    CHECK(prompt.mask_logits == prompt2.mask_logits);
    CHECK(options.struct_size == options2.struct_size && options.precision == options2.precision);
    CHECK(options.image_size == options2.image_size && options.config_path == options2.config_path);
    CHECK(video.struct_size == video2.struct_size && video.memory == video2.memory);
    CHECK(video.fill_hole_area == video2.fill_hole_area && video.non_overlap == video2.non_overlap);
    CHECK(video.keep_everything == video2.keep_everything);
    CHECK(video.max_cond_frames == video2.max_cond_frames);
    CHECK(mask.struct_size == mask2.struct_size && mask.obj_id == mask2.obj_id && mask.width == mask2.width);
    CHECK(mask.height == mask2.height && mask.data == mask2.data && mask.area == mask2.area);
    CHECK(memcmp(mask.bbox, mask2.bbox, sizeof mask.bbox) == 0 && mask.event == mask2.event);
    CHECK(!(mask2.predicted_iou > 0) && !(mask2.stability > 0) && !(mask2.object_score > 0));
    CHECK(sam2_abi_version() == SAM2_ABI_VERSION && strlen(sam2_version()) > 0);
    return 0;
}
