/*
 * An object through a stream: track X Y [CHECKPOINT] < frames.ppm > masks.pgm
 *
 * The click is on the first frame. Frames come from anywhere: ffmpeg -i clip.mp4 -f image2pipe -c:v ppm -
 * Without a checkpoint the small model inside of the library is used, whose masks of photos are rough.
 */
#include <sam2.h>

#include "ppm.h"

static int failed(const char *what)
{
    fprintf(stderr, "error: %s: %s\n", what, sam2_last_error());
    return 1;
}

/* Writes the mask of the only object. */
static int answer(const sam2_masks *masks)
{
    sam2_mask mask = SAM2_MASK_INIT;
    if (sam2_masks_get(masks, 0, 0, &mask) != SAM2_OK)
        return failed("mask");
    fprintf(stderr, "frame %ld: %lu pixels, object score %.2f%s\n", (long)sam2_masks_frame_idx(masks),
            (unsigned long)mask.area, mask.object_score,
            mask.event == SAM2_LOST ? ", lost" : mask.event == SAM2_FOUND ? ", found" : "");
    return pgm_write(stdout, mask.data, mask.width, mask.height) ? 0 : failed("output");
}

int main(int argc, char **argv)
{
    sam2_model *model = NULL;
    sam2_tracker *tracker = NULL;
    sam2_masks *masks = NULL;
    sam2_image image = SAM2_IMAGE_INIT;
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    sam2_point click;
    ppm_frame frame = {NULL, 0, 0};
    int status = 0, more;

    if (argc < 3) {
        fprintf(stderr, "usage: track X Y [CHECKPOINT] < frames.ppm > masks.pgm\n");
        return 2;
    }
    click.x = (float)atof(argv[1]);
    click.y = (float)atof(argv[2]);
    click.label = 1;
    prompt.points = &click;
    prompt.num_points = 1;

    if ((argc > 3 ? sam2_model_open(argv[3], NULL, &model) : sam2_model_embedded(NULL, &model)) != SAM2_OK)
        status = failed("model");
    while (status == 0 && (more = ppm_read(stdin, &frame)) != 0) {
        if (more < 0) {
            fprintf(stderr, "error: stdin: not a stream of binary PPM pictures, or cut short\n");
            status = 1;
            break;
        }
        image.data = frame.rgb;
        image.width = frame.width;
        image.height = frame.height;
        if (tracker == NULL) {
            /* The first frame: its masks are those of the click. */
            if (sam2_tracker_new(model, frame.width, frame.height, NULL, &tracker) != SAM2_OK)
                status = failed("tracker");
            else if (sam2_tracker_push(tracker, &image, NULL) != SAM2_OK)
                status = failed("frame");
            else if (sam2_tracker_prompt(tracker, 1, &prompt, 0, &masks) != SAM2_OK)
                status = failed("click");
        } else if (sam2_tracker_push(tracker, &image, &masks) != SAM2_OK)
            status = failed("frame");
        if (status == 0)
            status = answer(masks);
        sam2_masks_free(masks);
        masks = NULL;
    }
    sam2_tracker_free(tracker);
    sam2_model_free(model);
    free(frame.rgb);
    return status;
}
