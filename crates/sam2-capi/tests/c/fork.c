/* A forked child, in which the parent's threads do not exist, gets the same mask as its parent. */
#define _POSIX_C_SOURCE 200112L
#include <sam2.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIDE = 96 };

/* A hash of the logits for a click in the middle; 0 after a failure. */
static unsigned long predict(sam2_image_predictor *predictor, size_t low_res)
{
    static unsigned char pixels[SIDE * SIDE * 3];
    const float *logits = NULL;
    sam2_masks *masks = NULL;
    sam2_image image = SAM2_IMAGE_INIT;
    sam2_prompt prompt = SAM2_PROMPT_INIT;
    sam2_point click = {SIDE / 2, SIDE / 2, 1};
    unsigned long hash = 5381;
    unsigned bits;
    size_t i;
    for (i = 0; i < sizeof pixels; i++)
        pixels[i] = (unsigned char)(i * i % 251);
    image.data = pixels;
    image.width = image.height = SIDE;
    prompt.points = &click;
    prompt.num_points = 1;
    if (sam2_image_set(predictor, &image) != SAM2_OK ||
        sam2_image_predict(predictor, &prompt, 1, 0, &masks) != SAM2_OK ||
        sam2_masks_low_res(masks, 0, 0, &logits) != SAM2_OK) {
        fprintf(stderr, "error: %s\n", sam2_last_error());
        hash = 0;
    }
    for (i = 0; hash != 0 && i < low_res * low_res; i++) {
        memcpy(&bits, &logits[i], sizeof bits);
        hash = hash * 33 + bits;
    }
    sam2_masks_free(masks);
    return hash;
}

int main(void)
{
    sam2_model *model = NULL;
    sam2_image_predictor *predictor = NULL;
    unsigned long before;
    size_t low_res;
    pid_t child;
    int status = 1;
    if (sam2_model_embedded(NULL, &model) != SAM2_OK ||
        sam2_image_predictor_new(model, &predictor) != SAM2_OK)
        return 1;
    low_res = (size_t)sam2_model_low_res_size(model);
    before = predict(predictor, low_res);
    child = fork();
    if (child == 0) {
        /* Ends a child that waits for threads that it does not have. */
        alarm(60);
        _exit(before != 0 && predict(predictor, low_res) == before ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 1;
    status = WIFEXITED(status) && WEXITSTATUS(status) == 0 && predict(predictor, low_res) == before ? 0 : 1;
    sam2_image_predictor_free(predictor);
    sam2_model_free(model);
    return status;
}
