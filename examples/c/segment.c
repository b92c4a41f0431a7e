/*
 * A mask from a click: segment X Y [CHECKPOINT] < picture.ppm > mask.pgm
 *
 * Without a checkpoint the small model inside of the library is used, whose masks of photos are rough.
 */
#include <sam2.h>

#include "ppm.h"

static int failed(const char *what)
{
    fprintf(stderr, "error: %s: %s\n", what, sam2_last_error());
    return 1;
}

int main(int argc, char **argv)
{
    sam2_model *model = NULL;
    sam2_image_predictor *predictor = NULL;
    sam2_masks *masks = NULL;
    sam2_image image = SAM2_IMAGE_INIT;
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    sam2_mask mask = SAM2_MASK_INIT;
    sam2_point click;
    ppm_frame frame = {NULL, 0, 0};
    size_t k, best, length = 0;
    int status = 0;

    if (argc < 3 || ppm_read(stdin, &frame) != 1) {
        fprintf(stderr, "usage: segment X Y [CHECKPOINT] < picture.ppm > mask.pgm\n");
        free(frame.rgb);
        return 2;
    }
    image.data = frame.rgb;
    image.width = frame.width;
    image.height = frame.height;
    click.x = (float)atof(argv[1]);
    click.y = (float)atof(argv[2]);
    click.label = 1;
    prompt.points = &click;
    prompt.num_points = 1;

    if ((argc > 3 ? sam2_model_open(argv[3], NULL, &model) : sam2_model_embedded(NULL, &model)) != SAM2_OK)
        status = failed("model");
    else if (sam2_image_predictor_new(model, &predictor) != SAM2_OK)
        status = failed("predictor");
    else if (sam2_image_set(predictor, &image) != SAM2_OK)
        status = failed("image");
    else if (sam2_image_predict(predictor, &prompt, 1, 1, &masks) != SAM2_OK)
        status = failed("prediction");
    else {
        best = sam2_masks_best(masks, 0);
        for (k = 0; k < sam2_masks_count(masks, 0) && status == 0; k++) {
            if (sam2_masks_get(masks, 0, k, &mask) != SAM2_OK ||
                sam2_masks_rle(masks, 0, k, NULL, &length) != SAM2_OK)
                status = failed("mask");
            else
                fprintf(stderr,
                        "mask %d: %lu pixels, predicted IoU %.3f, stability %.3f, RLE of %lu bytes%s\n",
                        (int)k, (unsigned long)mask.area, mask.predicted_iou, mask.stability,
                        (unsigned long)(length - 1), k == best ? ", the best" : "");
        }
        if (status == 0 && (sam2_masks_get(masks, 0, best, &mask) != SAM2_OK ||
                            !pgm_write(stdout, mask.data, mask.width, mask.height)))
            status = failed("output");
    }
    sam2_masks_free(masks);
    sam2_image_predictor_free(predictor);
    sam2_model_free(model);
    free(frame.rgb);
    return status;
}
