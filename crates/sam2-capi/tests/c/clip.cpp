// A pass backwards over the clip with sam2.hpp: clip X Y < clip.ppm > masks.pgm. Checks the other wrappers on
// the way; its masks are compared with those of examples/reference.rs.
#include <sam2.hpp>

#include <cstdlib>
#include <cstring>
#include <iostream>

#include "ppm.h"

static void require(bool holds, const char *what)
{
    if (!holds)
        throw std::runtime_error(std::string("does not hold: ") + what);
}

// The wrappers of images and streams, on the first frame.
static void others(const sam2::model &model, const sam2_image &image, float x, float y)
{
    sam2::image_predictor predictor(model);
    try {
        predictor.predict(sam2::click(x, y));
        require(false, "a prediction without an image is an error");
    } catch (const sam2::error &error) {
        require(error.status() == SAM2_BAD_STATE, "its status");
        require(std::strlen(error.what()) > 0, "its line");
    }
    predictor.set(image);
    const sam2::masks three = predictor.predict(sam2::click(x, y));
    require(three.prompts() == 1 && three.count() == 3 && three.frame_idx() == -1, "three masks of an image");
    require(three.rle(0, three.best()).size() > 4, "run lengths");
    const std::size_t side = static_cast<std::size_t>(model.low_res_size());
    const float *logits = three.low_res(0, three.best());
    sam2::prompt refined = sam2::click(x, y).mask_logits(std::vector<float>(logits, logits + side * side));
    const sam2::prompt box = sam2::prompt().box(0, 0, x, y);
    require(predictor.predict({refined, box}, false).prompts() == 2, "two prompts");
    try {
        predictor.predict(sam2::click(x, y).mask_logits({1, 2, 3}));
        require(false, "three logits are an error");
    } catch (const sam2::error &error) {
        require(error.status() == SAM2_BAD_PROMPT, "its status");
    }

    sam2_video_options options = SAM2_VIDEO_OPTIONS_INIT;
    options.memory = SAM2_MEMORY_SAMURAI;
    sam2::tracker tracker(model, image.width, image.height, &options);
    require(tracker.push(image).prompts() == 0, "a frame without objects");
    const sam2::masks clicked = tracker.add(3, sam2::click(x, y));
    const sam2_mask mask = clicked.get();
    require(mask.obj_id == 3 && mask.area > 0, "the object of the click");
    tracker.add_mask(4, mask.data, mask.width, mask.height);
    require(tracker.push(image).prompts() == 2 && tracker.frames() == 2, "two objects on the second frame");
    tracker.remove(4);
    tracker.reset();
    sam2::tracker moved = std::move(tracker);
    require(moved.push(image).prompts() == 0, "no object after reset");
}

static int run(float x, float y)
{
    std::vector<std::vector<std::uint8_t>> frames;
    ppm_frame frame = {nullptr, 0, 0};
    int more = 0;
    while ((more = ppm_read(stdin, &frame)) == 1)
        frames.emplace_back(frame.rgb, frame.rgb + 3 * frame.width * frame.height);
    std::free(frame.rgb);
    require(more == 0 && !frames.empty(), "a stream of PPM pictures");
    const auto at = [&](std::int64_t i) {
        return sam2::image(frames[static_cast<std::size_t>(i)].data(), frame.width, frame.height);
    };

    sam2::model model = sam2::model::embedded();
    others(model, at(0), x, y);

    const sam2::model shared = model;
    const std::int64_t middle = static_cast<std::int64_t>(frames.size() / 2);
    sam2::video video(shared, frame.width, frame.height, static_cast<std::int64_t>(frames.size()));
    video.add(middle, at(middle), 7, sam2::click(x, y));
    video.add(middle, at(middle), 8, sam2::click(1, 1));
    video.remove(8);
    video.begin(-1, -1, SAM2_REVERSE);
    while (const auto next = video.next()) {
        const sam2::masks masks = video.track(*next, at(*next));
        const sam2_mask mask = masks.get();
        require(masks.frame_idx() == *next && mask.obj_id == 7, "the frame and the object");
        require(pgm_write(stdout, mask.data, mask.width, mask.height) != 0, "written");
    }
    video.clear(middle, 7);
    video.reset();
    return 0;
}

int main(int argc, char **argv)
{
    try {
        require(argc == 3, "two arguments");
        require(sam2_abi_version() == SAM2_ABI_VERSION, "header and library fit");
        // The masks have the same bits for any number.
        sam2::set_threads(3);
        return run(static_cast<float>(std::atof(argv[1])), static_cast<float>(std::atof(argv[2])));
    } catch (const std::exception &error) {
        std::cerr << "error: " << error.what() << "\n";
        return 1;
    }
}
